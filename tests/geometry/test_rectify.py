"""Rectification: rows agree for pinhole and fisheye, nothing useful is lost, and a wrong size is named."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rectify import RectifySettings, rectification, rectified_rig, rectify
from stereo_portrait.geometry.rig_file import read_rig
from stereo_portrait.geometry.row_error import measure_row_error


def rig_of(model: str, angles_deg: tuple[float, float, float] = (0.4, -1.0, 0.7), scale: float = 1.0) -> RigCalibration:
    coefficients = {
        "none": (),
        "pinhole": (-0.28, 0.07, 0.0002, 0.00002),
        "fisheye": (-0.02, 0.004, -0.001, 0.0002),
    }[model]
    left = Camera(640, 480, 400 * scale, 402 * scale, 322, 238, coefficients, model)  # type: ignore[arg-type]
    right = Camera(640, 480, 405 * scale, 406 * scale, 315, 243, coefficients, model)  # type: ignore[arg-type]
    rotation = np.asarray(cv2.Rodrigues(np.radians(angles_deg))[0])
    return RigCalibration(left, right, rotation, np.array([-0.08, 0.002, 0.001]), device="desk")


def seen(camera: Camera, points_m: np.ndarray) -> np.ndarray:
    none = np.zeros(3)
    if camera.distortion_model == "fisheye":
        found = cv2.fisheye.projectPoints(points_m[:, None], none, none, camera.matrix, np.array(camera.distortion))[0]
    else:
        found = cv2.projectPoints(points_m, none, none, camera.matrix, np.array(camera.distortion or (0.0,) * 4))[0]
    return np.asarray(found).reshape(-1, 2)


@pytest.mark.parametrize("model", ["none", "pinhole", "fisheye"])
def test_a_point_in_space_lands_on_one_row_at_its_own_depth(model: str) -> None:
    rig = rig_of(model)
    plan = rectification(rig, RectifySettings())
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(-0.3, 0.3, 50), rng.uniform(-0.2, 0.2, 50), rng.uniform(0.8, 3, 50)])
    right_points = points @ rig.rotation_right_from_left.T + rig.translation_right_from_left_m
    flat = []
    for camera, cloud, source_px in ((rig.left, points, plan.left_map), (rig.right, right_points, plan.right_map)):
        px = seen(camera, cloud)
        distance = np.linalg.norm(source_px[None, ::1] - px[:, None, None], axis=-1).reshape(len(px), -1)
        nearest = np.unravel_index(distance.argmin(axis=1), source_px.shape[:2])
        assert distance.min(axis=1).max() < 1.0
        flat.append(np.column_stack([nearest[1], nearest[0]]))
    assert np.abs(flat[0][:, 1] - flat[1][:, 1]).max() <= 1
    in_rectified = points @ plan.rotation_left.T
    expected = np.asarray(plan.rig.disparity_px(in_rectified[:, 2].astype(np.float32)))
    assert np.abs((flat[0][:, 0] - flat[1][:, 0]) - expected).max() <= 1.2


@pytest.mark.parametrize("model", ["none", "pinhole", "fisheye"])
def test_every_pixel_of_the_rectified_photo_is_real_and_little_is_lost(model: str) -> None:
    rig = rig_of(model)
    flat = np.full((480, 640, 3), 200, np.uint8)
    found = rectify(StereoPair(flat, flat, "flat"), rig)
    assert found.left_valid.all()
    assert (found.left == 200).all()
    assert found.right_valid.mean() > 0.9
    assert found.left.size > 0.75 * flat.size
    everything = rectify(StereoPair(flat, flat, "flat"), rig, RectifySettings(keep="all"))
    assert everything.left.size > found.left.size
    assert not everything.left_valid.all()


def test_a_wrong_size_is_named_and_resizing_keeps_the_geometry() -> None:
    rig = rig_of("pinhole")
    small = np.zeros((240, 320, 3), np.uint8)
    pair = StereoPair(small, small, "left.png")
    with pytest.raises(
        RigError, match=r"rig 'desk' was calibrated at 640x480 but left.png is 320x240; recalibrate, or"
    ):
        rectify(pair, rig)
    half = rectify(pair, rig, RectifySettings(resize_rig=True)).rig
    full = rectification(rig, RectifySettings()).rig
    assert half.focal_px == pytest.approx(full.focal_px / 2)
    assert half.width_px == pytest.approx(full.width_px / 2, abs=3)
    cropped = np.zeros((200, 320, 3), np.uint8)
    with pytest.raises(RigError, match="aspect ratio"):
        rectify(StereoPair(cropped, cropped, "x"), rig, RectifySettings(resize_rig=True))


@pytest.mark.parametrize(
    ("t_m", "complaint"),
    [((0.08, 0, 0), "swap"), ((0, -0.08, 0), "one above the other"), ((0, 0, -0.08), "one behind the other")],
)
def test_cameras_that_stand_wrong_are_named(t_m: tuple[float, float, float], complaint: str) -> None:
    rig = rig_of("none")
    wrong = RigCalibration(rig.left, rig.right, np.eye(3), np.array(t_m, float), device="desk")
    with pytest.raises(RigError, match=complaint):
        rectification(wrong, RectifySettings())


def test_cameras_that_share_no_view_are_named() -> None:
    with pytest.raises(RigError, match=r"different directions|behind"):
        rectification(rig_of("none", (0, 80, 0)), RectifySettings())


def test_a_toed_in_rig_keeps_what_the_right_camera_sees_farther_left() -> None:
    plan, other = (rectification(rig_of("none", (0, a, 0)), RectifySettings(max_shift=0.15)) for a in (3.0, -3.0))
    assert max(plan.rig.doffs_px, other.rig.doffs_px) > 10
    assert min(plan.rig.doffs_px, other.rig.doffs_px) == 0
    assert rectification(rig_of("none", (0, 3.0, 0)), RectifySettings()).rig.doffs_px == 0


def textured(width_px: int, height_px: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grey = cv2.GaussianBlur(rng.integers(0, 256, (height_px, width_px)).astype(np.uint8), (0, 0), 2.0)
    grey = cv2.normalize(grey, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("offset_px", [0.0, 0.3, -1.25, 4.0])
def test_a_shift_of_the_rows_is_measured(offset_px: float) -> None:
    left = textured(640, 400, 3)
    right = cv2.warpAffine(left, np.array([[1, 0, -9.0], [0, 1, offset_px]]), (640, 400), flags=cv2.INTER_CUBIC)
    pair = rectify(StereoPair(left, right, "shifted"), rectified_rig(left, 500, 0.1))
    found = measure_row_error(pair)
    assert found.median_px == pytest.approx(abs(offset_px), abs=0.05)
    assert found.offset_px == pytest.approx(offset_px, abs=0.05)
    assert not found.swapped
    assert found.confidence > 0.8


def test_swapped_views_are_noticed_and_a_blank_pair_measures_nothing() -> None:
    left = textured(640, 400, 3)
    right = np.roll(left, -9, axis=1)
    rig = rectified_rig(left, 500, 0.1)
    assert measure_row_error(rectify(StereoPair(right, left, "swapped"), rig)).swapped
    blank = np.full_like(left, 90)
    found = measure_row_error(rectify(StereoPair(blank, blank, "blank"), rig))
    assert found.median_px is None
    assert found.confidence == 0


def test_a_real_calibrated_rig_has_rows_that_agree(sample_data: Path) -> None:
    """EuRoC with its own sensor.yaml: at most 0.3 px; measured 0.08 to 0.09 px."""
    folder = sample_data / "euroc" / "micro_V1_01"
    rig = read_rig(folder / "cam0" / "sensor.yaml")
    assert isinstance(rig, RigCalibration)
    for left in sorted((folder / "cam0").glob("*.png"))[:2]:
        views = [cv2.imread(str(p)) for p in (left, folder / "cam1" / left.name)]
        found = rectify(StereoPair(views[0], views[1], left.stem), rig)
        error = measure_row_error(found)
        assert error.median_px is not None
        assert error.median_px < 0.15


def test_wrapping_a_rectified_pair_changes_nothing() -> None:
    left = textured(64, 48, 1)
    found = rectify(StereoPair(left, left, "x"), RectifiedRig(64, 48, 60, 0.1, 31.5, 33.0, 23.5))
    assert found.left is not None
    np.testing.assert_array_equal(found.left, left)
    assert found.rig.doffs_px == 1.5
