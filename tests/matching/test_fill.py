"""Holes are filled from the background, and remain recognisable."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.matching.fill import background_fill, filled_from_background
from stereo_portrait.sources.synthetic import rig_of

NAN = np.float32(np.nan)


def test_a_hole_takes_the_farther_of_its_two_sides() -> None:
    row = np.array([[30, NAN, NAN, 5, NAN, 9, NAN]], np.float32)
    assert background_fill(row).tolist() == [[30, 5, 5, 5, 5, 9, 9]]


def test_an_empty_row_copies_the_nearest_row_with_an_answer() -> None:
    rows = np.array([[4, NAN], [NAN, NAN], [NAN, NAN], [NAN, 8]], np.float32)
    assert background_fill(rows).tolist() == [[4, 4], [4, 4], [8, 8], [8, 8]]


def test_a_map_without_any_answer_becomes_zero() -> None:
    assert not background_fill(np.full((3, 4), NAN)).any()


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_measured_values_stay_and_filled_ones_are_flagged(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    disparity_px = rng.uniform(-5, 60, (17, 23)).astype(np.float32)
    holes = rng.random(disparity_px.shape) < share
    disparity_px[holes] = NAN
    flaws = np.where(holes, Flaw.NO_MATCH, 0).astype(np.uint8)
    given_map = DisparityMap(disparity_px, (~holes).astype(np.float32), flaws, rig_of(23, 17))
    filled = filled_from_background(given_map)
    assert filled.known.all()
    assert np.array_equal(filled.measured, ~holes)
    assert np.array_equal(filled.disparity_px[~holes], disparity_px[~holes])
    assert (filled.flaws[holes] == (Flaw.NO_MATCH | Flaw.FILLED)).all()
    assert (filled.confidence[holes] < 0.2).all()
    if (~holes).any():
        assert filled.disparity_px.min() >= np.nanmin(disparity_px) - 1e-5
        assert filled.disparity_px.max() <= np.nanmax(disparity_px) + 1e-5
