"""Laws of rigs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration

RIGS = st.builds(
    RectifiedRig,
    st.integers(16, 4000),
    st.integers(16, 4000),
    st.floats(50, 8000),
    st.floats(0.005, 2),
    st.floats(0, 2000),
    st.floats(0, 2000),
    st.floats(0, 2000),
)


@given(RIGS, st.floats(0.2, 500))
def test_depth_and_disparity_invert(rig: RectifiedRig, depth_m: float) -> None:
    there = rig.disparity_px(np.float64(depth_m))
    assert rig.depth_m(np.asarray(there)) == pytest.approx(depth_m, rel=1e-2, abs=1e-3)


@given(RIGS, st.floats(0.25, 4))
def test_resizing_keeps_depth(rig: RectifiedRig, scale: float) -> None:
    width_px, height_px = max(1, round(rig.width_px * scale)), max(1, round(rig.height_px * scale))
    small = rig.resized(width_px, height_px)
    depth_m = np.float64(2.0)
    ratio = width_px / rig.width_px
    assert small.disparity_px(depth_m) == pytest.approx(float(rig.disparity_px(depth_m)) * ratio, rel=1e-4, abs=1e-2)


def test_unequal_principal_points_shift_the_disparity() -> None:
    rig = RectifiedRig(741, 500, 994.978, 0.193001, 311.193, 342.279, 254.877)
    assert rig.doffs_px == pytest.approx(31.086)
    assert float(rig.depth_m(np.float32(40.0))) == pytest.approx(994.978 * 0.193001 / 71.086, rel=1e-5)


def test_unknown_stays_unknown_and_infinity_is_infinity() -> None:
    rig = RectifiedRig(10, 10, 100, 0.1, 5, 5, 5)
    depth_m = rig.depth_m(np.array([np.nan, 0.0, -1.0, 10.0], np.float32))
    assert np.isnan(depth_m[0])
    assert np.isinf(depth_m[1:3]).all()
    assert depth_m[3] == pytest.approx(1.0)
    assert depth_m.dtype == np.float32


@given(st.floats(0.1, 8), st.floats(-0.4, 0.4), st.floats(-0.3, 0.3))
def test_resizing_a_camera_keeps_its_rays(scale: float, x: float, y: float) -> None:
    camera = Camera(640, 480, 500, 510, 320.2, 236.7)
    other = camera.resized(round(640 * scale), round(480 * scale))
    u_px, v_px = camera.fx_px * x + camera.cx_px, camera.fy_px * y + camera.cy_px
    sx, sy = other.width_px / 640, other.height_px / 480
    assert other.fx_px * x + other.cx_px == pytest.approx((u_px + 0.5) * sx - 0.5, abs=1e-6)
    assert other.fy_px * y + other.cy_px == pytest.approx((v_px + 0.5) * sy - 0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"baseline_m": 0.0}, "must be positive"),
        ({"baseline_m": math.nan}, "must be finite"),
        ({"focal_px": -1.0}, "must be positive"),
        ({"width_px": 0}, "image size"),
    ],
)
def test_an_impossible_rig_is_refused(change: dict[str, float], complaint: str) -> None:
    good = {
        "width_px": 10,
        "height_px": 10,
        "focal_px": 100.0,
        "baseline_m": 0.1,
        "cx_left_px": 5.0,
        "cx_right_px": 5.0,
        "cy_px": 5.0,
    }
    with pytest.raises(RigError, match=complaint):
        RectifiedRig(**{**good, **change})  # type: ignore[arg-type]


def test_a_rotation_must_rotate() -> None:
    camera = Camera(640, 480, 500, 500, 320, 240)
    with pytest.raises(RigError, match="not a rotation"):
        RigCalibration(camera, camera, np.eye(3) * 2, np.array([-0.1, 0, 0]))
