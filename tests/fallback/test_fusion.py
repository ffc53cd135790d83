import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.fallback.continuation import continued
from stereo_portrait.fallback.fusion import Fusion, FusionSettings, pressed
from stereo_portrait.fallback.ways_to_fill import _least
from stereo_portrait.sources.synthetic import rig_of

HEIGHT, WIDTH = 120, 180


def relief(seed: int = 0) -> np.ndarray:
    """Smooth hills between 0 and 1, with a block standing before them."""
    import cv2

    hills = cv2.GaussianBlur(np.random.default_rng(seed).random((HEIGHT, WIDTH)).astype(np.float32), (0, 0), 18)
    hills = (hills - hills.min()) / np.ptp(hills)
    hills[40:90, 60:110] += 0.6
    return hills / 1.6


def map_of(disparity: np.ndarray) -> DisparityMap:
    known = np.isfinite(disparity)
    flaws = np.where(known, 0, Flaw.NO_MATCH).astype(np.uint8)
    return DisparityMap(disparity.astype(np.float32), known.astype(np.float32), flaws, rig_of(WIDTH, HEIGHT))


def hole() -> np.ndarray:
    where = np.zeros((HEIGHT, WIDTH), np.bool_)
    where[30:100, 50:130] = True
    return where


@settings(max_examples=15)
@given(st.floats(5, 80), st.floats(-20, 60))
def test_scale_and_shift_are_recovered_from_half_wrong_measurements(scale: float, shift: float) -> None:
    m = relief()
    disparity = scale * m + shift
    draw = np.random.default_rng(1)
    wrong = draw.random(m.shape) < 0.3
    disparity[wrong] = draw.uniform(shift - scale, shift + 2 * scale, int(wrong.sum()))
    fit = Fusion().fit(m, disparity.astype(np.float32), np.ones_like(m))
    assert fit.good
    assert fit.scale == pytest.approx(scale, rel=0.03)
    assert fit.shift_px == pytest.approx(shift, abs=0.03 * scale)


def test_hidden_disparity_comes_back_and_is_flagged() -> None:
    m = relief()
    truth = (50 * m + 7).astype(np.float32)
    given_map = map_of(np.where(hole(), np.nan, truth))
    filled, fit = Fusion().fill(given_map, hole(), m)
    assert fit.good
    assert np.abs(filled.disparity_px - truth)[hole()].mean() < 0.5
    assert ((filled.flaws[hole()] & Flaw.FILLED) > 0).all()
    assert (filled.flaws[~hole()] == 0).all()
    assert np.array_equal(filled.disparity_px[~hole()], given_map.disparity_px[~hole()])
    assert filled.confidence[hole()].max() <= FusionSettings().confidence


def test_the_join_has_no_seam_even_where_the_photo_s_depth_is_bent() -> None:
    m = relief()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    truth = (50 * m + 7 + 6 * np.sin(x / 60) + 4 * np.cos(y / 50)).astype(np.float32)
    filled, _ = Fusion().fill(map_of(np.where(hole(), np.nan, truth)), hole(), m)
    step = np.abs(np.diff(filled.disparity_px, axis=1))
    true_step = np.abs(np.diff(truth, axis=1))
    seam = hole()[:, 1:] != hole()[:, :-1]
    assert (step - true_step)[seam].max() < 0.7


def test_wrong_measurements_in_the_distrusted_region_do_not_pull() -> None:
    m = relief()
    truth = (50 * m + 7).astype(np.float32)
    pinned = np.where(hole(), 20, truth).astype(np.float32)
    filled, _ = Fusion().fill(map_of(pinned), hole(), m)
    assert np.abs(filled.disparity_px - truth)[hole()].mean() < 0.5


def test_a_reversed_order_is_not_believed() -> None:
    m = relief()
    disparity = map_of(np.where(hole(), np.nan, 60 - 50 * m))
    filled, fit = Fusion().fill(disparity, hole(), m)
    assert not fit.good
    assert fit.reason
    assert filled is disparity


def test_too_little_to_fit_to_is_said() -> None:
    m = relief()
    disparity = np.full(m.shape, np.nan)
    disparity[:3, :20] = 5
    _, fit = Fusion().fill(map_of(disparity), hole(), m)
    assert "trusted pixels" in fit.reason


def test_a_flat_photo_explains_nothing() -> None:
    _, fit = Fusion().fill(map_of(50 * relief()), hole(), np.ones((HEIGHT, WIDTH), np.float32))
    assert "flat" in fit.reason


def test_the_continuation_takes_the_border_s_values() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    plane = (0.05 * x - 0.02 * y).astype(np.float32)
    smooth = continued([np.where(hole(), 0, plane).astype(np.float32)], ~hole(), hole(), pull=0.0)[0]
    assert np.abs(smooth - plane)[hole()].max() < 0.1  # a plane is harmonic


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"fusion\.pull"):
        FusionSettings(pull=-1)


def test_one_bad_copy_does_not_keep_the_background_from_being_repeated() -> None:
    usual, background = [5.0, 6.0], [1.0, 1.0, 1.2, 23.0]
    errors = np.array([[*usual, b] for b in background])
    assert _least(errors) == 2


def test_the_background_is_not_repeated_for_one_good_copy() -> None:
    usual, background = [5.0, 6.0], [0.1, 4.8, 4.8, 4.8]
    errors = np.array([[*usual, b] for b in background])
    assert _least(errors) == 0


def test_what_lies_past_the_search_keeps_its_order_and_stays_in_reach() -> None:
    given = np.linspace(0, 300, 400, dtype=np.float32)[None]
    found = pressed(given, 50.0, 15.0)
    assert np.array_equal(found[given <= 50], given[given <= 50])
    assert (np.diff(found[0]) >= 0).all()
    assert found.max() <= 65
    assert np.diff(found[given > 50])[0] == pytest.approx(np.diff(given[0])[0], rel=0.02)
