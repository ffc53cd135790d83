"""Every matcher on exact scenes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stereo_portrait.core.capture import RectifiedPair, Scene
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError, InputError
from stereo_portrait.matching import MATCHERS
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.sources import synthetic


def matched(name: str, scene: Scene, **changes: object) -> DisparityMap:
    make: type[SgbmMatcher] = MATCHERS[name][1]  # type: ignore[assignment]
    return make(SgbmSettings(**{"min_disparity_px": 0, "max_disparity_px": 64, **changes})).match(scene.pair)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MATCHERS)
@pytest.mark.parametrize("disparity_px", [7.0, 7.25, 7.5, 7.75])
def test_a_plane_is_measured_without_a_pull_towards_whole_pixels(name: str, disparity_px: float) -> None:
    found = matched(name, synthetic.plane(disparity_px, 320, 120, seed=1))
    error_px = (found.disparity_px - np.float32(disparity_px))[found.measured]
    assert found.measured.mean() > 0.9
    assert abs(np.median(error_px)) < 0.05  # plain SGBM: -0.17 at 7.25, +0.23 at 7.75
    assert np.abs(error_px).mean() < 0.1


@pytest.mark.parametrize("name", MATCHERS)
def test_a_slant_is_followed(name: str) -> None:
    scene = synthetic.slanted_plane(20, 0.05, 320, 100, seed=3)
    found = matched(name, scene)
    error_px = (found.disparity_px - scene.truth_disparity_px)[found.measured]
    assert found.measured.mean() > 0.85
    assert np.abs(error_px).mean() < 0.15


@pytest.mark.parametrize("name", MATCHERS)
def test_what_the_right_camera_cannot_see_is_flagged_and_filled_from_behind(name: str) -> None:
    scene = synthetic.square_in_front(30, 6, 320, 160, seed=2)
    found = matched(name, scene)
    assert scene.non_occluded is not None
    hidden = ~scene.non_occluded
    hidden[:, :40] = False  # the left rim is hidden by the picture's end, not by the square
    assert not np.isnan(found.disparity_px).any()
    assert ((found.flaws[hidden] & Flaw.FILLED) > 0).mean() > 0.8
    assert np.median(np.abs(found.disparity_px[hidden] - 6)) < 0.5
    invented = found.flaws & (Flaw.NO_MATCH | Flaw.INCONSISTENT | Flaw.OUTSIDE_OVERLAP) > 0
    assert (found.measured & invented).sum() == 0


@pytest.mark.parametrize("name", MATCHERS)
def test_no_column_on_the_left_is_lost(name: str) -> None:
    scene = synthetic.plane(4, 320, 80, seed=4)
    found = matched(name, scene)
    assert found.measured[:, 8:60].mean() > 0.95
    assert (found.flaws[:, :3] & Flaw.OUTSIDE_OVERLAP > 0).mean() > 0.5


def test_confidence_orders_errors() -> None:
    scene = synthetic.square_in_front(30, 6, 400, 200, seed=5)
    found = matched("sgbm", scene)
    bad = np.abs(found.disparity_px - scene.truth_disparity_px) > 1
    low, high = np.percentile(found.confidence, (20, 60))
    assert found.confidence.min() >= 0
    assert found.confidence.max() <= 1
    assert bad[found.confidence >= high].mean() < 0.2 * bad[found.confidence <= low].mean()


def test_without_filling_holes_stay_unknown_and_have_a_reason() -> None:
    found = matched("sgbm", synthetic.square_in_front(30, 6, 320, 160, seed=2), fill=False)
    holes = ~found.known
    assert holes.any()
    assert (found.flaws[holes] & ~np.uint8(Flaw.FLAT) > 0).all()
    assert (found.confidence[holes] == 0).all()
    assert not (found.flaws & Flaw.FILLED).any()


@pytest.mark.parametrize(("low_px", "high_px"), [(3.0, 12.0), (40.0, 55.0), (-9.0, 6.0)])
def test_the_search_range_is_found_alone(low_px: float, high_px: float) -> None:
    scene = synthetic.square_in_front(high_px, low_px, 400, 200, seed=6, side_px=90)
    found = matched("sgbm", scene, min_disparity_px=None, max_disparity_px=None)
    assert scene.non_occluded is not None
    error_px = np.abs(found.disparity_px - scene.truth_disparity_px)[scene.non_occluded & found.measured]
    assert (error_px > 1).mean() < 0.03


@pytest.mark.parametrize("change", ["half", "gamma 0.8", "gamma 1.25", "warmer"])
def test_a_different_exposure_costs_little(change: str) -> None:
    scene = synthetic.square_in_front(25, 8, 320, 160, seed=7)
    share = scene.pair.right / 255.0
    share = {
        "half": 0.5 * share,
        "gamma 0.8": share**0.8,
        "gamma 1.25": share**1.25,
        "warmer": share * np.array([1.0, 0.9, 0.7]),
    }[change]
    pair = replace(scene.pair, right=np.rint(255 * share).astype(np.uint8))
    plain, changed = matched("sgbm", scene), matched("sgbm", replace(scene, pair=pair))
    bad = [(np.abs(f.disparity_px - scene.truth_disparity_px) > 2).mean() for f in (plain, changed)]
    assert bad[1] < 1.3 * bad[0] + 0.002


def test_a_flat_picture_is_flagged_and_not_trusted() -> None:
    scene = synthetic.plane(7, 160, 60)
    grey = np.full_like(scene.pair.left, 127)
    found = matched("sgbm", replace(scene, pair=replace(scene.pair, left=grey, right=grey.copy())))
    assert (found.flaws & Flaw.FLAT > 0).all()
    assert found.confidence.max() < 0.5


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (200, 15)])
def test_a_picture_too_small_is_refused(size: tuple[int, int]) -> None:
    grey, valid = np.zeros((*size, 3), np.uint8), np.ones(size, np.bool_)
    pair = RectifiedPair(grey, grey, valid, valid, synthetic.rig_of(size[1], size[0]), "tiny")
    with pytest.raises(InputError, match="too small"):
        SgbmMatcher().match(pair)


@settings(max_examples=25)
@given(st.integers(16, 70), st.integers(16, 70), st.integers(0, 2**32 - 1), st.booleans())
def test_any_small_noise_gives_a_complete_map(width: int, height: int, seed: int, black: bool) -> None:
    rng = np.random.default_rng(seed)
    left, right = (rng.integers(0, 1 if black else 256, (height, width, 3), np.uint8) for _ in range(2))
    valid = rng.random((height, width)) > 0.1
    found = SgbmMatcher().match(RectifiedPair(left, right, valid, valid, synthetic.rig_of(width, height)))
    assert np.isfinite(found.disparity_px).all()
    assert ((found.flaws[~valid] & Flaw.FILLED) > 0).all()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"block_px": 4}, "block_px must be odd"),
        ({"small_jump_cost": 60}, "larger than sgbm.small_jump_cost"),
        ({"min_disparity_px": 9, "max_disparity_px": 9}, "larger than min_disparity_px"),
        ({"working_megapixels": 0.0}, "working_megapixels must be between"),
    ],
)
def test_an_impossible_setting_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        SgbmSettings(**changes)  # type: ignore[arg-type]
