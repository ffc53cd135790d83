"""SGBM on scenes that are known exactly, and its robustness on the built-in pair."""

from dataclasses import replace

import numpy as np
import pytest

from stereo_portrait.core.capture import Scene
from stereo_portrait.core.depth import Flaw
from stereo_portrait.core.errors import ConfigError, InputError
from stereo_portrait.evaluation.metrics import score_scene
from stereo_portrait.matching import MATCHERS
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.sources import synthetic
from stereo_portrait.sources.builtin_scene import builtin_scene

MARGIN_PX = 40  # left of it the other camera does not look


@pytest.mark.parametrize("name", MATCHERS)
@pytest.mark.parametrize("disparity_px", [7.0, 7.25, 7.5, 7.75])
def test_a_plane_is_measured_without_a_pull_to_whole_pixels(name: str, disparity_px: float) -> None:
    scene = synthetic.plane(disparity_px, 400, 100, seed=1)
    found = MATCHERS[name][1](SgbmSettings(min_disparity_px=0, max_disparity_px=32)).match(scene.pair)
    inner = found.measured & (np.arange(400) > MARGIN_PX)
    bias_px = np.median(found.disparity_px[inner]) - disparity_px
    assert inner[:, MARGIN_PX:].mean() > 0.9
    assert abs(bias_px) < 0.06  # SGBM alone: 0.13 at 7.25, 0.19 at 7.75


def test_a_slanted_plane_is_measured() -> None:
    scene = synthetic.slanted_plane(15, 0.04, seed=2)
    found = SgbmMatcher().match(scene.pair)
    error_px = np.abs(found.disparity_px - scene.truth_disparity_px)[found.measured]
    assert np.median(error_px) < 0.15


def test_what_only_one_camera_sees_is_filled_from_the_background_and_flagged() -> None:
    scene = synthetic.square_in_front(24, 6, seed=4)
    found = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=48)).match(scene.pair)
    assert scene.non_occluded is not None
    hidden = ~scene.non_occluded & (np.arange(320) > 60)
    assert found.known.all()
    assert ((found.flaws[hidden] & Flaw.FILLED) > 0).mean() > 0.7
    assert np.median(found.disparity_px[hidden]) == pytest.approx(6, abs=1)  # and not the 24 of the square
    assert found.confidence[hidden].mean() < 0.5 * found.confidence[scene.non_occluded].mean()


def test_without_fill_unknown_is_nan_with_no_confidence() -> None:
    scene = synthetic.square_in_front(24, 6, seed=4)
    found = SgbmMatcher(SgbmSettings(fill=False)).match(scene.pair)
    assert np.isnan(found.disparity_px).any()
    assert (found.confidence[~found.known] == 0).all()
    assert (found.flaws[~found.known] > 0).all()


def test_no_column_is_lost_on_the_left() -> None:
    scene = synthetic.plane(0.0, seed=5)
    found = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=64, fill=False)).match(scene.pair)
    assert found.known[:, 4:20].mean() > 0.8


def test_what_lands_on_an_empty_corner_of_the_right_view_is_not_believed() -> None:
    scene = synthetic.plane(8, seed=5)
    empty = np.ones(scene.pair.right_valid.shape, np.bool_)
    empty[:40, 200:260] = False
    found = SgbmMatcher(SgbmSettings(fill=False)).match(replace(scene.pair, right_valid=empty))
    assert not found.known[:40, 210:266].any()
    assert ((found.flaws[:40, 210:266] & Flaw.OUTSIDE_OVERLAP) > 0).all()


def test_a_bare_wall_is_flagged_flat() -> None:
    scene = synthetic.plane(8, seed=6)
    grey = np.full_like(scene.pair.left, 120)
    found = SgbmMatcher().match(replace(scene.pair, left=grey, right=grey))
    assert ((found.flaws & Flaw.FLAT) > 0).all()


@pytest.mark.parametrize("truth_px", [-12.0, 3.0, 30.0, 90.0])
def test_the_search_range_is_found(truth_px: float) -> None:
    scene = synthetic.plane(truth_px, 420, 120, seed=7)
    found = SgbmMatcher().match(scene.pair)
    middle = found.disparity_px[:, 120:300]
    assert np.median(middle) == pytest.approx(truth_px, abs=0.2)


def test_confidence_orders_errors_on_a_real_pair(motorcycle: Scene) -> None:
    found = SgbmMatcher().match(motorcycle.pair)
    error_px = np.abs(found.disparity_px - motorcycle.truth_disparity_px)
    known = np.isfinite(error_px)
    order = np.argsort(-found.confidence[known], kind="stable")
    sorted_error = error_px[known][order]
    half = len(sorted_error) // 2
    assert (sorted_error[:half] > 2).mean() < 0.25 * (sorted_error[half:] > 2).mean()


@pytest.fixture(scope="module")
def motorcycle() -> Scene:
    return builtin_scene()


def _stop(picture: np.ndarray) -> np.ndarray:
    light = np.where(picture <= 10.3, picture / 255 / 12.92, ((picture / 255 + 0.055) / 1.055) ** 2.4)
    light = np.clip(2 * light, 0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("change", [_stop, lambda v: 255 * (v / 255) ** 0.8, lambda v: 0.5 * v])
def test_an_unequal_exposure_costs_little(motorcycle: Scene, change) -> None:  # type: ignore[no-untyped-def]
    matcher = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=80))
    changed = np.rint(change(motorcycle.pair.right.astype(np.float64))).astype(np.uint8)
    scores = [
        score_scene(matcher.match(pair).disparity_px, motorcycle).all.bad2
        for pair in (motorcycle.pair, replace(motorcycle.pair, right=changed))
    ]
    assert scores[1] < 1.3 * scores[0]


def test_quality_on_the_built_in_pair_stays(motorcycle: Scene) -> None:
    score = score_scene(SgbmMatcher().match(motorcycle.pair).disparity_px, motorcycle)
    assert score.all.totbad2 < 10.5
    assert score.all.invalid == 0


def test_a_large_pair_is_matched_smaller_and_comes_back_with_crisp_edges() -> None:
    scene = synthetic.square_in_front(24, 6, 640, 320, seed=8, side_px=140)
    settings = SgbmSettings(working_megapixels=0.06)
    found = SgbmMatcher(settings).match(scene.pair)
    assert found.disparity_px.shape == (320, 640)
    between = (found.disparity_px > 8) & (found.disparity_px < 22)
    assert between.mean() < 0.005  # nothing is invented between the two surfaces
    assert np.median(found.disparity_px[120:200, 280:360]) == pytest.approx(24, abs=0.5)


@pytest.mark.parametrize(
    "change",
    [{"block_px": 4}, {"block_px": -3}, {"small_jump_cost": 70}, {"min_disparity_px": 9, "max_disparity_px": 9}],
)
def test_nonsense_settings_are_refused(change: dict) -> None:
    with pytest.raises(ConfigError, match="sgbm"):
        SgbmSettings(**change)


def test_a_picture_too_small_to_match_is_refused() -> None:
    with pytest.raises(InputError, match="too small"):
        SgbmMatcher().match(synthetic.plane(1, 40, 12).pair)


def test_the_range_that_is_said_to_be_searched_is_searched_to_its_end() -> None:
    scene = synthetic.square_in_front(28, 6, 320, 160, seed=1)
    matcher = SgbmMatcher(SgbmSettings(min_disparity_px=2, max_disparity_px=20))
    searched = matcher.searched_px(320, 160)
    assert searched == (2, 34)  # whole multiples of 16 from the lowest
    found = matcher.match(scene.pair).disparity_px[70:90, 150:170]
    assert np.abs(found - 28).max() < 1  # beyond the setting, inside what is searched


def test_a_large_pair_is_searched_in_steps_of_its_working_size() -> None:
    matcher = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=50, working_megapixels=0.5))
    searched = matcher.searched_px(2000, 1000)
    assert searched == (0, 64)  # 25 px at half size, that is 32
    assert SgbmMatcher(SgbmSettings()).searched_px(2000, 1000) is None
