"""What every refiner must do, and what each is for."""

import numpy as np
import pytest

from stereo_portrait.core.capture import Scene
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.evaluation.metrics import score_scene
from stereo_portrait.matching.sgbm import SgbmMatcher
from stereo_portrait.refinement import REFINERS
from stereo_portrait.sources import synthetic
from stereo_portrait.sources.builtin_scene import builtin_scene


@pytest.fixture(scope="module")
def matched() -> tuple[Scene, DisparityMap]:
    scene = builtin_scene()
    return scene, SgbmMatcher().match(scene.pair)


@pytest.mark.parametrize("name", REFINERS)
def test_an_exact_map_of_a_plane_stays_exact(name: str) -> None:
    scene = synthetic.plane(9.5, 200, 80)
    everywhere = np.ones((80, 200), np.float32)
    exact = DisparityMap(scene.truth_disparity_px, everywhere, np.zeros((80, 200), np.uint8), scene.pair.rig)
    found = REFINERS[name][1]().refine(exact, scene.pair)
    np.testing.assert_allclose(found.disparity_px, 9.5, atol=1e-3)


@pytest.mark.parametrize("name", REFINERS)
def test_unknown_stays_unknown_and_never_spreads(name: str) -> None:
    scene = synthetic.plane(9.5, 200, 80)
    values = scene.truth_disparity_px.copy()
    values[20:30, 50:60] = np.nan
    trust = np.where(np.isnan(values), 0, 1).astype(np.float32)
    found = REFINERS[name][1]().refine(
        DisparityMap(values, trust, np.zeros((80, 200), np.uint8), scene.pair.rig), scene.pair
    )
    np.testing.assert_array_equal(np.isnan(found.disparity_px), np.isnan(values))


@pytest.mark.parametrize("name", REFINERS)
def test_the_answer_is_the_same_every_time(name: str, matched: tuple[Scene, DisparityMap]) -> None:
    scene, found = matched
    refiner = REFINERS[name][1]()
    first, second = (refiner.refine(found, scene.pair).disparity_px for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_weighted_median_finds_more_true_edges(matched: tuple[Scene, DisparityMap]) -> None:
    scene, found = matched
    before = score_scene(found.disparity_px, scene)
    after = score_scene(REFINERS["median"][1]().refine(found, scene.pair).disparity_px, scene)
    assert after.edge_f1 > before.edge_f1 + 5
    assert after.edge_bad2 < before.edge_bad2
    assert after.all.bad2 < before.all.bad2
