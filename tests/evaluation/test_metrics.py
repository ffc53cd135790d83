"""The arithmetic of the evaluation kit, held against cases worked by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stereo_portrait.core.capture import RectifiedPair, Scene
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.evaluation.metrics import disparity_jumps, edge_band, edge_f1, score_scene

NAN = math.nan


def scene_of(truth: list[list[float]], seen: list[list[bool]] | None = None, top: int = 64) -> Scene:
    true_px = np.array(truth, np.float32)
    height, width = true_px.shape
    grey, valid = np.full((height, width, 3), 128, np.uint8), np.ones((height, width), np.bool_)
    pair = RectifiedPair(grey, grey, valid, valid, RectifiedRig(width, height, 100, 0.1, 0, 0, 0))
    return Scene("by hand", pair, true_px, None if seen is None else np.array(seen), top)


def f32(values: list[list[float]]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_a_hand_worked_row_of_every_kind() -> None:
    #         right  0.5 off  0.6 off  1.5 off  2 off  3 off  5 off  hole  truth unknown  occluded, 9 off
    truth = [[10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, NAN, 10.0]]
    found = [[10.0, 10.5, 10.6, 8.5, 12.0, 13.0, 5.0, NAN, 40.0, 19.0]]
    seen = [[True] * 8 + [True, False]]
    score = score_scene(f32(found), scene_of(truth, seen))
    non = score.nonocc
    assert (non.bad05, non.bad1, non.bad2, non.bad4) == pytest.approx((62.5, 50.0, 25.0, 12.5))  # of 8
    assert (non.invalid, non.totbad2) == pytest.approx((12.5, 37.5))
    assert non.avgerr == pytest.approx((0 + 0.5 + 0.6 + 1.5 + 2 + 3 + 5) / 7, rel=1e-5)
    assert non.rms == pytest.approx(math.sqrt((0.25 + 0.36 + 2.25 + 4 + 9 + 25) / 7), rel=1e-5)
    assert (score.all.bad2, score.all.totbad2) == pytest.approx((100 * 3 / 9, 100 * 4 / 9))
    assert score.coverage == pytest.approx(90.0)


def test_an_error_of_exactly_the_threshold_is_good() -> None:
    assert score_scene(f32([[12.0]]), scene_of([[10.0]])).all.bad2 == 0


def test_answers_are_clipped_to_the_search_range() -> None:
    score = score_scene(f32([[-3.0, 90.0]]), scene_of([[0.5, 62.0]], top=64))
    assert score.all.avgerr == pytest.approx((0.5 + 2.0) / 2)


@pytest.mark.parametrize(("is_integer", "expected"), [(True, (0.0 + 1.0) / 2), (False, (0.4 + 0.5) / 2)])
def test_answers_are_rounded_only_where_the_truth_is_integer(is_integer: bool, expected: float) -> None:
    scene = dataclasses.replace(scene_of([[10.0, 2.0]]), truth_is_integer=is_integer)
    assert score_scene(f32([[10.4, 2.5]]), scene).all.avgerr == pytest.approx(expected, abs=1e-6)  # 2.5 goes to 3


def test_holes_everywhere_are_all_invalid_and_no_error_is_defined() -> None:
    score = score_scene(f32([[NAN, NAN]]), scene_of([[1.0, 2.0]])).all
    assert (score.bad2, score.invalid, score.totbad2) == (0, 100, 100)
    assert math.isnan(score.avgerr)


def test_a_jump_marks_both_its_sides_and_a_step_of_two_is_none() -> None:
    jumps = disparity_jumps(f32([[1.0, 3.0, 6.0, NAN, 60.0]]))
    assert jumps.tolist() == [[False, True, True, False, False]]


def test_the_edge_band_reaches_five_pixels() -> None:
    truth = np.zeros((21, 40), np.float32)
    truth[:, 20:] = 9
    band, jumps = edge_band(truth)
    assert np.flatnonzero(jumps[10]).tolist() == [19, 20]
    assert np.flatnonzero(band[10]).tolist() == list(range(14, 26))


@pytest.mark.parametrize(("moved_px", "f1"), [(0, 100), (1, 100), (2, 50), (3, 0)])
def test_an_edge_counts_as_found_within_one_pixel(moved_px: int, f1: float) -> None:
    truth, found = np.zeros((20, 40), np.float32), np.zeros((20, 40), np.float32)
    truth[:, 20:] = 9
    found[:, 20 + moved_px :] = 9
    assert edge_f1(found, truth, disparity_jumps(truth)) == pytest.approx(f1)


def test_a_scene_without_edges_has_no_edge_score() -> None:
    score = score_scene(np.zeros((4, 4), np.float32), scene_of([[1.0] * 4] * 4))
    assert math.isnan(score.edge_f1)
    assert math.isnan(score.edge_bad2)


@given(st.integers(0, 2**32 - 1))
def test_shares_fall_as_the_threshold_rises_and_a_hole_is_never_bad(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 60, (6, 9))
    truth[rng.random(truth.shape) < 0.2] = NAN
    found = (truth + rng.normal(0, 3, truth.shape)).astype(np.float32)
    found[rng.random(truth.shape) < 0.2] = NAN
    score = score_scene(found, scene_of(truth.tolist())).all
    assert score.bad05 >= score.bad1 >= score.bad2 >= score.bad4 >= 0
    assert score.totbad2 == pytest.approx(score.bad2 + score.invalid)
    assert score.totbad2 <= 100 + 1e-9
