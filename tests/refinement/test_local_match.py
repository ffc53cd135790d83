"""The second matcher: each pixel by its own colours, so that gaps stay open and edges stay where they are."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stereo_portrait.refinement.local_kernels import WHOLE
from stereo_portrait.refinement.local_match import MOST_STEPS, local_match

Picture = NDArray[np.uint8]


def textured(height_px: int, width_px: int, seed: int, tint: tuple[int, int, int] = (0, 0, 0)) -> Picture:
    rough = np.random.default_rng(seed).uniform(40, 160, (height_px, width_px, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(rough, (0, 0), 1.2) * 1.2 + np.float32(tint), 0, 255).astype(np.uint8)


def shifted(picture: Picture, by_px: int) -> Picture:
    """The right view of a wall at disparity `by_px`."""
    return np.ascontiguousarray(np.roll(picture, -by_px, axis=1))


@pytest.mark.parametrize("disparity_px", [8, 21])
def test_a_wall_is_found_to_a_pixel_and_both_views_agree(disparity_px: int) -> None:
    left = textured(64, 160, 1)
    found = local_match(left, shifted(left, disparity_px), 0, 40)
    inside = (slice(4, -4), slice(24, -24))
    assert np.abs(found.disparity_px - disparity_px)[inside].max() < 1
    assert found.agreed[inside].mean() > 0.99


def test_the_cost_is_lowest_at_the_true_disparity() -> None:
    left = textured(48, 128, 2)
    found = local_match(left, shifted(left, 12), 4, 40)
    true_step = 12 // 2 - found.first_step
    costs = found.costs[12, :, 40] / WHOLE
    assert int(costs.argmin()) == true_step
    assert costs[true_step] == pytest.approx(found.least[12, 40])
    assert np.median(costs) > 3 * costs[true_step]


def test_what_is_seen_through_a_gap_keeps_its_own_disparity() -> None:
    wall, bars = textured(96, 240, 3, (60, 0, 0)), textured(96, 240, 4, (-20, 0, 60))
    x = np.arange(240)[None]
    left = np.where((x > 96) & (x < 180) & ~((x > 128) & (x < 150)), 1, 0).astype(np.bool_)
    left = np.broadcast_to(left, (96, 240))
    right = np.roll(left, -30, axis=1)
    left_view = np.where(left[..., None], bars, wall)
    right_view = np.where(right[..., None], shifted(bars, 30), shifted(wall, 24))
    found = local_match(np.ascontiguousarray(left_view), np.ascontiguousarray(right_view), 0, 48)
    gap, bar = found.disparity_px[8:-8, 68:72], found.disparity_px[8:-8, 78:86]
    assert np.abs(np.median(gap) - 24) < 1.5
    assert np.abs(np.median(bar) - 30) < 1.5


def test_one_grey_everywhere_is_no_ground_for_agreement_beyond_reach() -> None:
    grey = np.full((32, 64, 3), 128, np.uint8)
    found = local_match(grey, grey, 0, 20)
    assert np.isfinite(found.disparity_px).all()


def test_an_absurd_range_is_searched_from_its_near_end() -> None:
    left = textured(16, 32, 5)
    found = local_match(left, left, -1e5, 40)
    assert found.costs.shape[1] == MOST_STEPS
    assert found.first_step + MOST_STEPS - 1 == 21


@settings(max_examples=15)
@given(
    half=st.tuples(st.integers(2, 20), st.integers(2, 30)),
    low=st.floats(-30, 30),
    span=st.floats(0, 60),
    seed=st.integers(0, 99),
)
def test_any_pair_gives_finite_answers_of_half_its_size(
    half: tuple[int, int], low: float, span: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    left, right = (draw.integers(0, 256, (2 * half[0], 2 * half[1], 3), dtype=np.uint8) for _ in range(2))
    found = local_match(left, right, low, low + span)
    assert found.disparity_px.shape == found.agreed.shape == found.least.shape == half
    assert np.isfinite(found.disparity_px).all()
    assert np.allclose(found.least, found.costs.min(axis=1) / WHOLE)


@pytest.mark.parametrize("width_px", [4, 6, 10])
def test_a_picture_narrower_than_the_window_is_judged_by_itself_alone(width_px: int) -> None:
    flat = np.full((8, width_px, 3), 100, np.uint8)
    costs = local_match(flat, flat, 0, 10).costs.astype(int)
    assert np.ptp(costs, axis=0).max() < 50  # of 65535: every row is the same
    assert np.abs(costs[:, 0] - costs[:, 2, ::-1]).max() < 50  # a pixel to either side of the truth
    assert np.abs(costs[:, -1] - WHOLE).max() < 50  # a disparity that leads out of the picture costs all there is


def test_a_disparity_of_thousands_of_pixels_is_no_speckle() -> None:
    left = textured(8, 5000, 6)
    found = local_match(left, shifted(left, 2100), 2080, 2120)
    assert found.agreed[:, 1100:].mean() > 0.9
