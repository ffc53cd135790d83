"""A rig that has moved is noticed on natural pairs and mended; a scene that cannot tell is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import CalibrationError
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.geometry.drift import check, mend
from stereo_portrait.geometry.rig_formats.opencv import as_calibration


def motorcycle() -> tuple[StereoPair, RectifiedRig]:
    import skimage.data

    left, right, _ = skimage.data.stereo_motorcycle()
    rig = RectifiedRig(741, 500, 994.978, 0.193001, 311.193, 342.279, 254.877)
    return StereoPair(np.ascontiguousarray(left), np.ascontiguousarray(right), "motorcycle"), rig


def turned(pair: StereoPair, rig: RectifiedRig, angles_deg: tuple[float, float, float]) -> StereoPair:
    k = as_calibration(rig).right.matrix
    turn = k @ cv2.Rodrigues(np.radians(angles_deg))[0] @ np.linalg.inv(k)
    size = (pair.right.shape[1], pair.right.shape[0])
    right = cv2.warpPerspective(pair.right, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return StereoPair(pair.left, right, pair.name)


@pytest.mark.parametrize(
    "angles_deg", [(0.05, 0, 0), (-1.0, 0, 0), (0, 1.0, 0), (0, 0, 0.2), (0, 0, -1.0), (0.4, 0.2, -0.5)]
)
def test_a_turned_camera_is_mended(angles_deg: tuple[float, float, float]) -> None:
    pair, rig = motorcycle()
    moved = turned(pair, rig, angles_deg)
    mending = mend([moved], rig)
    after = check(moved, mending.rig)
    assert after.median_px is not None
    assert after.median_px < 0.25
    base = mend([pair], rig)  # the pair as published has a little tilt and roll of its own
    for axis in (0, 2):
        assert mending.rotation_deg[axis] - base.rotation_deg[axis] == pytest.approx(-angles_deg[axis], abs=0.03)
    assert mending.rig.baseline_m == pytest.approx(rig.baseline_m, rel=1e-9)


def test_a_good_rig_is_left_alone() -> None:
    pair, rig = motorcycle()
    mending = mend([pair], rig)
    assert max(abs(a) for a in mending.rotation_deg) < 0.05


def test_a_flat_wall_a_far_view_and_a_blank_one_are_refused() -> None:
    rng = np.random.default_rng(0)
    grey = cv2.GaussianBlur(rng.integers(0, 256, (400, 600)).astype(np.uint8), (0, 0), 2.0)
    wall = np.repeat(cv2.normalize(grey, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)[..., None], 3, axis=2)
    rig = RectifiedRig(600, 400, 500, 0.1, 299.5, 299.5, 199.5)
    far = StereoPair(wall, np.roll(wall, -1, axis=1), "far")
    with pytest.raises(CalibrationError, match="equally far"):
        mend([far], rig)
    slanted = cv2.warpAffine(wall, np.array([[0.95, 0.02, -10.0], [0, 1, 0]]), (600, 400), flags=cv2.INTER_CUBIC)
    with pytest.raises(CalibrationError, match="one plane"):
        mend([StereoPair(wall, slanted, "wall")], rig)
    blank = np.full_like(wall, 120)
    with pytest.raises(CalibrationError, match="features match"):
        mend([StereoPair(blank, blank, "blank")], rig)


def test_another_real_pair_is_mended(sample_data: Path) -> None:
    folder = sample_data / "kitti_odometry" / "slambook_ch5_nogt"
    left, right = (cv2.imread(str(folder / f"{side}.png")) for side in ("left", "right"))
    rig = RectifiedRig(1241, 376, 718.856, 0.573, 607.19, 607.19, 185.2157)
    pair = turned(StereoPair(left, right, "kitti"), rig, (0.3, 0, -0.4))
    before, after = check(pair, rig), check(pair, mend([pair], rig).rig)
    assert before.median_px is not None
    assert after.median_px is not None
    assert before.median_px > 2
    assert after.median_px < 0.25
