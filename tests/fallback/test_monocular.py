from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stereo_portrait.core.errors import ConfigError, InputError, WeightsError
from stereo_portrait.fallback import monocular
from stereo_portrait.fallback.edges import sharpened, upsampled
from stereo_portrait.fallback.monocular import MonocularDepth, MonocularSettings


def two_surfaces(height: int = 120, width: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A red surface left of a slanting border before a blue one, and which pixels are red."""
    y, x = np.mgrid[0:height, 0:width]
    red = x < width / 2 + (y - height / 2) * 0.3
    photo = np.where(red[..., None], np.uint8([200, 40, 30]), np.uint8([30, 50, 190])).astype(np.uint8)
    noise = np.random.default_rng(0).integers(-8, 9, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8), red


def coarse_answer(red: np.ndarray, size: tuple[int, int] = (50, 30)) -> np.ndarray:
    """The red surface nearer by one, seen through a network's soft edges."""
    soft = cv2.GaussianBlur(red.astype(np.float32), (0, 0), 5)
    return cv2.resize(soft, size, interpolation=cv2.INTER_AREA)


def test_edges_of_the_answer_move_to_the_edges_of_the_photo() -> None:
    photo, red = two_surfaces()
    coarse = coarse_answer(red)
    crisp, _ = sharpened(coarse, photo, radius_share=0.06)
    soft = cv2.resize(coarse, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_LINEAR)
    near_border = cv2.dilate(red.astype(np.uint8), np.ones((9, 9))) != cv2.erode(red.astype(np.uint8), np.ones((9, 9)))
    error = {name: np.abs(m - red)[near_border].mean() for name, m in (("crisp", crisp), ("soft", soft))}
    assert error["crisp"] < 0.4 * error["soft"]
    assert ((crisp > 0.3) & (crisp < 0.7)).mean() < 0.01


def test_enlarging_invents_no_value_between_two_surfaces() -> None:
    photo, red = two_surfaces()
    guide = cv2.resize(photo, (50, 30), interpolation=cv2.INTER_AREA)
    small = (cv2.resize(red.astype(np.float32), (50, 30), interpolation=cv2.INTER_NEAREST)).astype(np.float32)
    large, edge = upsampled(small, guide, photo, step=0.1)
    assert set(np.unique(large)) <= {0.0, 1.0}
    assert edge.any()
    assert (large == red).mean() > 0.98


def test_a_smooth_answer_stays_smooth() -> None:
    photo = np.full((96, 160, 3), 128, np.uint8)
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (24, 1))
    large, edge = sharpened(ramp, photo, radius_share=0.01)
    assert np.abs(np.diff(large, axis=1)).max() < 0.02
    assert not edge.any()


@settings(max_examples=25)
@given(st.floats(-50, 50), st.floats(0.01, 1000))
def test_scale_and_shift_of_the_answer_do_not_change_the_depth(shift: float, scale: float) -> None:
    answer = np.random.default_rng(1).random((20, 30)).astype(np.float32)
    trust = np.full(answer.shape, 0.5, np.float32)
    stage = MonocularDepth()
    one = stage.scaled(answer, trust)
    other = stage.scaled((answer * scale + shift).astype(np.float32), trust)
    assert np.allclose(one.inverse_depth_per_m, other.inverse_depth_per_m, atol=0.02)
    assert not one.metric
    assert one.origin == "monocular"


def test_the_nominal_scale_is_what_the_settings_say() -> None:
    answer = np.linspace(3, 7, 10_000, dtype=np.float32).reshape(100, 100)
    depth = MonocularDepth(MonocularSettings(nearest_m=2.0, farthest_m=50.0)).scaled(answer, np.zeros_like(answer))
    assert np.percentile(depth.depth_m, 2) == pytest.approx(2.0, rel=0.05)
    assert np.percentile(depth.depth_m, 98) == pytest.approx(50.0, rel=0.05)
    assert depth.known.all()


def test_a_flat_answer_is_one_distance_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monocular, "open_network", lambda *_: (None, None))
    monkeypatch.setattr(monocular, "ask", lambda *_: np.full((9, 12), 0.3, np.float32))
    depth = MonocularDepth().estimate(np.zeros((60, 80, 3), np.uint8))
    assert depth.depth_m.shape == (60, 80)
    assert np.ptp(depth.inverse_depth_per_m) < 1e-6


def test_bad_settings_and_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nearest first"):
        MonocularSettings(nearest_m=5, farthest_m=2)
    with pytest.raises(InputError, match="too small"):
        MonocularDepth().estimate(np.zeros((4, 80, 3), np.uint8))
    with pytest.raises(WeightsError, match="needs its contract"):
        MonocularDepth(MonocularSettings(network=str(tmp_path / "n.onnx"))).estimate(np.zeros((40, 80, 3), np.uint8))
    wrong: Any = MonocularSettings(network="u2netp")
    with pytest.raises(WeightsError, match="is for subject, not monocular"):
        MonocularDepth(wrong).estimate(np.zeros((40, 80, 3), np.uint8))
