from dataclasses import replace

import numpy as np
import pytest

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.fallback.measures import before_background, carried_inwards, disparity_sigma, untrusted_regions
from stereo_portrait.fallback.parallax_range import Judgement, ParallaxJudge
from stereo_portrait.fallback.parallax_settings import ParallaxSettings
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.sources import synthetic

NEAR_PX, FAR_PX = 40.0, 12.0


@pytest.fixture(scope="module")
def pair() -> RectifiedPair:
    return synthetic.square_in_front(NEAR_PX, FAR_PX, 480, 240, seed=3, side_px=130).pair


def subject_of(pair: RectifiedPair) -> np.ndarray:
    y, x = np.mgrid[0 : pair.rig.height_px, 0 : pair.rig.width_px]
    inside = (np.abs(x - pair.rig.width_px / 2) < 65) & (np.abs(y - pair.rig.height_px / 2) < 65)
    return inside.astype(np.float32)


def matched(pair: RectifiedPair, low: int | None = None, high: int | None = None) -> DisparityMap:
    return SgbmMatcher(SgbmSettings(min_disparity_px=low, max_disparity_px=high)).match(pair)


def judged(pair: RectifiedPair, high: int | None = None, **more: object) -> Judgement:
    subject = subject_of(pair)
    searched = None if high is None else (0.0, float(high))
    found = matched(pair, None if high is None else 0, high)
    return ParallaxJudge().decide(found, pair, subject, subject, searched, **more)  # type: ignore[arg-type]


def test_an_untouched_pair_stays_stereo_and_says_the_numbers(pair: RectifiedPair) -> None:
    found = judged(pair)
    assert found.decision.use == "stereo"
    assert not found.distrusted.any()
    assert found.decision.measured["subject_margin_px"] == pytest.approx(NEAR_PX - FAR_PX, abs=1)
    assert found.decision.measured["subject_coverage"] > 0.95
    assert found.decision.reasons[0].startswith("stereo: ")


def test_a_subject_nearer_than_the_search_is_found_by_searching_again(pair: RectifiedPair) -> None:
    asked: list[tuple[float, float]] = []

    def again(low: float, high: float) -> DisparityMap:
        asked.append((low, high))
        return matched(pair, int(low), int(high))

    found = judged(pair, high=28, match_again=again)
    assert found.decision.use == "stereo"
    assert found.decision.reasons[0].startswith("too near: ")
    assert found.decision.measured["retried_to_px"] >= NEAR_PX
    assert asked == [(0.0, 92.0)]
    middle = found.disparity.disparity_px[120, 240]
    assert middle == pytest.approx(NEAR_PX, abs=1)


def test_a_subject_nearer_than_the_search_is_fused_where_searching_again_is_not_possible(pair: RectifiedPair) -> None:
    found = judged(pair, high=28)
    subject = subject_of(pair) > 0.5
    assert found.decision.use == "fused"
    assert found.distrusted[subject].mean() > 0.8
    assert found.distrusted[~subject].mean() < 0.15


def test_a_subject_at_the_background_s_disparity_is_too_far(pair: RectifiedPair) -> None:
    flat = synthetic.square_in_front(FAR_PX, FAR_PX, 480, 240, seed=3, side_px=130).pair
    found = judged(flat)
    assert found.decision.use == "monocular"
    assert any(reason.startswith("too far: ") for reason in found.decision.reasons)
    assert found.distrusted.all()


def test_a_subject_that_only_the_photo_shows_in_front_is_too_far() -> None:
    wall = synthetic.slanted_plane(30, 0.05, 480, 240, seed=3).pair
    found = judged(wall)
    assert found.decision.use == "monocular"
    assert "the photo shows it in front" in " ".join(found.decision.reasons)


def test_rows_that_do_not_correspond_are_unreliable(pair: RectifiedPair) -> None:
    found = judged(replace(pair, row_error_px=2.0))
    assert found.decision.use == "monocular"
    assert "the rig has moved" in found.decision.reasons[0]


@pytest.mark.parametrize("gain", [4.0, 0.04])
def test_a_ruined_exposure_is_unreliable(pair: RectifiedPair, gain: float) -> None:
    ruined = np.clip(pair.right * gain, 0, 255).astype(np.uint8)
    found = judged(replace(pair, right=ruined))
    assert found.decision.use == "monocular"
    assert "exposure is ruined" in found.decision.reasons[0]


def test_pictures_that_are_no_pair_are_unreliable(pair: RectifiedPair) -> None:
    other = synthetic.plane(10, 480, 240, seed=99).pair.right
    found = judged(replace(pair, right=other))
    assert found.decision.use == "monocular"


def test_a_pair_without_subject_or_monocular_depth_is_judged_too(pair: RectifiedPair) -> None:
    found = ParallaxJudge().decide(matched(pair), pair)
    assert found.decision.use == "stereo"


def test_the_visible_blur_is_reported_for_the_lens_that_is_asked(pair: RectifiedPair) -> None:
    found = ParallaxJudge().decide(matched(pair), pair, blur_per_px=0.5)
    assert found.decision.measured["blur_span_px"] == pytest.approx(0.5 * (NEAR_PX - FAR_PX), abs=1)
    assert found.decision.measured["blur_error_px"] < 1


def test_every_number_is_finite(pair: RectifiedPair) -> None:
    for found in (judged(pair), judged(pair, high=28)):
        assert all(np.isfinite(v) for v in found.decision.measured.values())


def test_a_region_is_distrusted_and_single_pixels_are_not() -> None:
    rig = synthetic.rig_of(200, 100)
    disparity = np.full((100, 200), 10, np.float32)
    disparity[::7, ::5] = np.nan
    disparity[30:70, 80:140] = np.nan
    known = ~np.isnan(disparity)
    found = DisparityMap(disparity, known.astype(np.float32), np.zeros(known.shape, np.uint8), rig)
    nothing = np.zeros(known.shape, np.bool_)
    regions = untrusted_regions(found, np.ones(known.shape, np.bool_), nothing)
    assert regions[35:65, 85:135].all()
    assert not regions[:, :70].any()


def test_the_background_is_carried_behind_the_subject() -> None:
    slope = np.tile(np.linspace(5, 10, 200, dtype=np.float32), (100, 1))
    region = np.zeros(slope.shape, np.bool_)
    region[30:70, 80:120] = True
    raised = slope + np.where(region, np.float32(6), np.float32(0))
    assert np.median(before_background(raised, region)) == pytest.approx(6, abs=0.3)
    assert before_background(raised, np.zeros_like(region)).size == 0
    assert np.isfinite(carried_inwards(slope, ~region)).all()


def test_noise_of_known_size_is_measured_on_a_slant() -> None:
    rig = synthetic.rig_of(200, 100)
    noise = np.random.default_rng(0).normal(0, 0.4, (100, 200))
    disparity = (np.tile(np.linspace(5, 60, 200), (100, 1)) + noise).astype(np.float32)
    one = np.ones(disparity.shape, np.float32)
    found = DisparityMap(disparity, one, np.zeros(disparity.shape, np.uint8), rig)
    assert disparity_sigma(found) == pytest.approx(0.4, rel=0.1)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"parallax\.least_coverage"):
        ParallaxSettings(least_coverage=2)
