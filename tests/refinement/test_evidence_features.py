"""What the guided network is told is true, and its choice is carried out as it was made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stereo_portrait.core.depth import Flaw, MatchEvidence
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.refinement.candidates import BEHIND, CANDIDATES, FARTHER, LOCAL, MEDIAN
from stereo_portrait.refinement.choice import (
    ANSWER_UNITS,
    ANSWER_ZERO,
    ANSWERS,
    CAUTION,
    FINER,
    STEP,
    chosen,
    settled,
)
from stereo_portrait.refinement.evidence_features import Evidence
from stereo_portrait.refinement.evidence_layout import (
    CHANNELS,
    COSTS,
    DIFFERENCE,
    OFFSETS,
    RGB,
    SIDE_COSTS,
    UNITS,
    as_bytes,
    as_numbers,
)
from stereo_portrait.refinement.guided_input import MULTIPLE, network_input
from stereo_portrait.sources import synthetic


def evidence(width_px: int = 320, height_px: int = 160) -> MatchEvidence:
    scene = synthetic.square_in_front(30, 6, width_px, height_px, seed=2)
    found = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=64)).match(scene.pair).evidence
    assert found is not None
    return found


def unfolded(features: NDArray[np.uint8], channel: int) -> NDArray[np.float32]:
    four = as_numbers(features)[4 * channel : 4 * channel + 4]
    out = np.empty((2 * four.shape[1], 2 * four.shape[2]), np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            out[dy::2, dx::2] = four[2 * dy + dx]
    return out


@pytest.fixture(scope="module")
def told() -> Evidence:
    return network_input(evidence())


def test_the_picture_comes_back_from_the_folded_planes(told: Evidence) -> None:
    red = (unfolded(told.features, RGB) + 1) * 128
    assert np.allclose(red, evidence().left[..., 0], atol=1.7)


def test_a_true_candidate_explains_both_pictures_and_its_neighbours_do_not(told: Evidence) -> None:
    truth = synthetic.square_in_front(30, 6, 320, 160, seed=2).truth_disparity_px
    inside = np.zeros(truth.shape, np.bool_)
    inside[60:100, 140:180] = True  # on the square
    inside[10:30, 60:300] = True  # on the wall
    assert np.abs(told.candidates[0] - truth)[inside].max() < 1
    cost = unfolded(told.features, COSTS)
    beside = [cost + unfolded(told.features, SIDE_COSTS + i) for i in (0, 1)]
    assert np.median(cost[inside]) < 0.25 * min(np.median(b[inside]) for b in beside)
    assert np.median(unfolded(told.features, DIFFERENCE)[inside]) < 0.1


def test_offsets_are_those_of_the_candidates(told: Evidence) -> None:
    for index in range(1, CANDIDATES):
        said = unfolded(told.features, OFFSETS + index - 1)
        step = told.candidates[index] - told.candidates[0]
        assert np.allclose(said, 2 * step / (4 + np.abs(step)), atol=0.51 / UNITS)


@given(st.lists(st.floats(-9, 9, width=32), min_size=1))
def test_a_byte_is_the_nearest_to_its_number_and_comes_back_the_same(values: list[float]) -> None:
    coded = as_bytes(values)
    assert np.array_equal(as_bytes(as_numbers(coded)), coded)
    within = np.clip(np.float32(values), as_numbers(np.uint8(0)), as_numbers(np.uint8(255)))
    assert np.abs(as_numbers(coded) - within).max() <= 0.51 / UNITS


def test_odd_sizes_grow_and_nothing_unknown_enters() -> None:
    told = network_input(evidence(101, 67))
    assert told.features.shape == (4 * CHANNELS, 80 // 2, 112 // 2)
    assert told.candidates.shape == (CANDIDATES, 80, 112)
    assert 80 % MULTIPLE == 112 % MULTIPLE == 0
    assert np.isfinite(told.candidates).all()


def answers(favourite: int, step_px: float = 0.0) -> NDArray[np.uint8]:
    """The same answer at each of 4 x 6 pixels, as the network codes it."""
    said = np.zeros((ANSWERS, 4, 2, 3))
    said[favourite] = 8
    said[STEP] = np.arctanh(step_px) * FINER
    coded = np.clip(np.rint(said * ANSWER_UNITS + ANSWER_ZERO), 0, 255).astype(np.uint8)
    return coded.reshape(4 * ANSWERS, 2, 3)


MEASURED = np.zeros((4, 6), np.bool_)


@pytest.mark.parametrize("favourite", range(CANDIDATES))
def test_the_likeliest_candidate_wins(favourite: int) -> None:
    candidates = np.arange(CANDIDATES, dtype=np.float32)[:, None, None] * 5 + np.zeros((1, 4, 6), np.float32)
    found, confidence = chosen(answers(favourite, step_px=0.25), candidates, MEASURED)
    assert np.allclose(found, 5 * favourite + 0.25, atol=0.51 / FINER / ANSWER_UNITS)
    assert np.allclose(confidence, 0.5)


def test_half_a_correction_is_made_where_nothing_was_measured() -> None:
    filled = MEASURED.copy()
    filled[1, 3:] = True
    found, _ = chosen(answers(0, step_px=-0.5), np.full((CANDIDATES, 4, 6), 10, np.float32), filled)
    assert np.allclose(found, np.where(filled, 9.75, 9.5), atol=0.01)


def test_what_was_filled_is_measured_only_where_it_found_back_to_the_measurement_and_is_sure() -> None:
    draw = np.random.default_rng(1)
    px = draw.uniform(0, 9, (60, 50)).astype(np.float32)
    raw = (px + draw.normal(0, 1, px.shape)).astype(np.float32)
    raw[draw.random(px.shape) < 0.2] = np.nan
    flaws, confidence = draw.integers(0, 32, px.shape).astype(np.uint8), draw.random(px.shape, np.float32)
    before, filled = confidence.copy(), (flaws & Flaw.FILLED) > 0
    back = filled & (np.abs(px - raw) <= 1) & (before > 0.5)
    after = settled(px, confidence, raw, flaws)
    assert np.array_equal(after, np.where(back, flaws & ~np.uint8(Flaw.FILLED), flaws))
    assert np.array_equal(confidence, np.where(filled & ~back, np.minimum(before, np.float32(0.5)), before))
    assert back.any()


def test_two_surfaces_are_never_blended() -> None:
    said = answers(0)
    said[4 * LOCAL : 4 * LOCAL + 4] = (
        ANSWER_ZERO + 79 + 10 * (CAUTION[0] - CAUTION[LOCAL])
    )  # nearly as likely, on another surface
    candidates = np.full((CANDIDATES, 4, 6), 10, np.float32)
    candidates[LOCAL] = 30
    found, _ = chosen(said, candidates, MEASURED)
    assert np.allclose(found, 10, atol=1e-3)


def test_a_safe_candidate_is_left_only_for_one_that_leads_clearly() -> None:
    candidates = np.full((CANDIDATES, 4, 6), 10, np.float32)
    candidates[LOCAL] = 30
    caution = CAUTION[0] - CAUTION[LOCAL]
    for lead, wanted in ((caution - 0.1, 10), (caution + 0.1, 30)):
        said = answers(0)
        said[4 * LOCAL : 4 * LOCAL + 4] = round(ANSWER_ZERO + (8 + lead) * ANSWER_UNITS)
        assert np.allclose(chosen(said, candidates, MEASURED)[0], wanted, atol=1e-3)


def test_candidates_on_one_surface_win_together_over_a_likelier_one_alone() -> None:
    candidates = np.full((CANDIDATES, 4, 6), 10, np.float32)
    candidates[MEDIAN], candidates[LOCAL] = 10.5, 30
    candidates[[FARTHER, BEHIND]] = 50
    said = answers(FARTHER)
    for index, lead in ((0, 8.0), (MEDIAN, 8.0), (LOCAL, 8.3), (FARTHER, 0.0), (BEHIND, 0.0)):
        said[4 * index : 4 * index + 4] = round(float(ANSWER_ZERO + (lead - CAUTION[index]) * ANSWER_UNITS))
    assert np.allclose(chosen(said, candidates, MEASURED)[0], 10.25, atol=0.02)
