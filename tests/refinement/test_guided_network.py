"""The guided network improves a map, takes any size, and steps aside without harm when it cannot work."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from stereo_portrait.core.capture import Scene
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.networks import weights
from stereo_portrait.refinement import guided_network
from stereo_portrait.refinement.guided_input import network_input
from stereo_portrait.refinement.guided_network import (
    GuidedNetworkRefiner,
    GuidedNetworkSettings,
)
from stereo_portrait.refinement.weighted_median import WeightedMedianRefiner
from stereo_portrait.sources import synthetic
from stereo_portrait.sources.builtin_scene import builtin_scene

NETWORKS = Path(weights.__file__).parent


@pytest.fixture(scope="module")
def scene() -> Scene:
    return synthetic.square_in_front(30, 6, 320, 160, seed=2)


@pytest.fixture(scope="module")
def measured(scene: Scene) -> DisparityMap:
    return matched(scene)


def matched(scene: Scene, **settings: float) -> DisparityMap:
    return SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=64, **settings)).match(scene.pair)  # type: ignore[arg-type]


def bad_share(found: DisparityMap, scene: Scene, limit_px: float) -> float:
    return float((np.abs(found.disparity_px - scene.truth_disparity_px) > limit_px).mean())


@pytest.mark.parametrize("limit_px", [0.5, 2.0])
def test_far_fewer_pixels_are_wrong_than_after_the_weighted_median(limit_px: float) -> None:
    scenes = [synthetic.square_in_front(30, 6, 320, 160, seed=seed) for seed in range(1, 5)]
    pairs = [(matched(s), s) for s in scenes]
    refined, classical = (
        sum(bad_share(r.refine(found, s.pair), s, limit_px) for found, s in pairs)
        for r in (GuidedNetworkRefiner(), WeightedMedianRefiner())
    )
    assert refined < 0.8 * classical


def test_a_right_picture_exposed_half_as_long_is_refined_as_well() -> None:
    real = builtin_scene()
    darker = np.rint(255 * 0.5 * (real.pair.right / 255) ** 1.2).astype(np.uint8)
    pair = replace(real.pair, right=darker)
    found = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=real.max_disparity_px)).match(pair)
    classical, refined = (r.refine(found, pair) for r in (WeightedMedianRefiner(), GuidedNetworkRefiner()))
    assert bad_share(refined, real, 2) < 0.85 * bad_share(classical, real, 2)


def test_a_slant_is_measured_more_finely() -> None:
    slant = synthetic.slanted_plane(20, 0.06, 320, 160, seed=1)
    found = matched(slant)
    before, after = (bad_share(d, slant, 0.25) for d in (found, GuidedNetworkRefiner().refine(found, slant.pair)))
    assert after < 0.85 * before


@pytest.mark.parametrize(("near_px", "far_px"), [(30, 8), (24, 10)])
def test_the_background_shows_through_the_spokes_of_a_wheel(near_px: float, far_px: float) -> None:
    wheel = synthetic.wheel_in_front(near_px, far_px, seed=3)
    found = matched(wheel)
    y, x = np.mgrid[:240, :320]
    inside = np.hypot(x - 0.58 * 320, y - 120) < 70
    gaps = inside & (wheel.truth_disparity_px == far_px)

    def closed(disparity: DisparityMap) -> float:
        return float((np.abs(disparity.disparity_px - far_px) > 2)[gaps].mean())

    refined = closed(GuidedNetworkRefiner().refine(found, wheel.pair))
    assert refined < 0.6 * closed(WeightedMedianRefiner().refine(found, wheel.pair))
    assert refined < 0.04


def test_confidence_is_lower_where_the_map_is_wrong(scene: Scene, measured: DisparityMap) -> None:
    refined = GuidedNetworkRefiner().refine(measured, scene.pair)
    wrong = np.abs(refined.disparity_px - scene.truth_disparity_px) > 1
    assert refined.confidence.min() >= 0
    assert refined.confidence.max() <= 1
    assert refined.confidence[wrong].mean() < refined.confidence[~wrong].mean() - 0.1
    assert (refined.confidence[(refined.flaws & Flaw.FILLED) > 0] <= 0.5).all()


@pytest.mark.parametrize(("width_px", "height_px"), [(97, 41), (64, 17), (130, 99)])
def test_any_size_works(width_px: int, height_px: int) -> None:
    scene = synthetic.square_in_front(12, 4, width_px, height_px, seed=1, side_px=10)
    refined = GuidedNetworkRefiner().refine(matched(scene), scene.pair)
    assert refined.disparity_px.shape == (height_px, width_px)
    assert np.isfinite(refined.disparity_px).all()


def test_unknown_stays_unknown(scene: Scene, measured: DisparityMap) -> None:
    holes = (measured.flaws & Flaw.FILLED) > 0
    open_map = replace(measured, disparity_px=np.where(holes, np.float32(np.nan), measured.disparity_px))
    refined = GuidedNetworkRefiner().refine(open_map, scene.pair)
    assert np.array_equal(refined.known, ~holes)
    assert (refined.confidence[holes] == 0).all()


def test_a_map_without_evidence_is_refined_classically(scene: Scene, measured: DisparityMap) -> None:
    bare = replace(measured, evidence=None)
    refined = GuidedNetworkRefiner().refine(bare, scene.pair)
    assert np.array_equal(refined.disparity_px, WeightedMedianRefiner().refine(bare, scene.pair).disparity_px)


def test_missing_or_damaged_weights_are_said_and_do_no_harm(
    scene: Scene, measured: DisparityMap, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network at all")
    classical = WeightedMedianRefiner().refine(measured, scene.pair).disparity_px
    for path in (broken, tmp_path / "absent.onnx"):
        refiner = GuidedNetworkRefiner(GuidedNetworkSettings(network=str(path)))
        assert np.array_equal(refiner.refine(measured, scene.pair).disparity_px, classical)
        assert refiner.notice is not None
        assert path.name in refiner.notice


def test_tiles_leave_no_seam(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    tall = synthetic.square_in_front(20, 6, 96, 640, seed=3, side_px=60)
    found = matched(tall)
    whole = GuidedNetworkRefiner().refine(found, tall.pair)
    monkeypatch.setattr(guided_network, "TILE_ROWS", 64)
    tiled = GuidedNetworkRefiner().refine(found, tall.pair)
    assert np.abs(whole.disparity_px - tiled.disparity_px).max() < 1e-3
    assert np.abs(whole.confidence - tiled.confidence).max() < 1e-3


def test_a_network_of_another_kind_is_refused_and_the_median_does_the_work(
    scene: Scene, measured: DisparityMap
) -> None:
    other = NETWORKS / "subject_small.onnx"
    refiner = GuidedNetworkRefiner(GuidedNetworkSettings(network=str(other)))
    classical = WeightedMedianRefiner().refine(measured, scene.pair).disparity_px
    assert np.array_equal(refiner.refine(measured, scene.pair).disparity_px, classical)
    assert refiner.notice is not None
    assert other.name in refiner.notice


def test_sums_of_16_bits_never_run_over_on_processors_that_use_them(measured: DisparityMap) -> None:
    """The runtime's whole numbers and plain floats in its place say the same."""
    assert measured.evidence is not None
    told = np.ascontiguousarray(network_input(measured.evidence).features.transpose(1, 2, 0))[None]
    exact = onnxruntime.SessionOptions()
    exact.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    path = str(NETWORKS / "guided_stereo.onnx")
    quick, plain = (
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, {"features": told})
        for options in (onnxruntime.SessionOptions(), exact)
    )
    assert np.abs(quick[0].astype(int) - plain[0]).max() <= 1


def test_the_same_input_gives_the_same_bits(scene: Scene, measured: DisparityMap) -> None:
    first, second = (GuidedNetworkRefiner().refine(measured, scene.pair) for _ in range(2))
    assert np.array_equal(first.disparity_px, second.disparity_px)
    assert np.array_equal(first.confidence, second.confidence)


def test_a_photo_above_the_working_size_is_refined_on_its_own_grid() -> None:
    scene = synthetic.square_in_front(30, 6, 320, 160, seed=2)
    found = matched(scene, working_megapixels=0.0128)  # half of each side
    assert found.evidence is not None
    assert found.evidence.left.shape[:2] == (80, 160)
    refined = GuidedNetworkRefiner().refine(found, scene.pair)
    assert refined.disparity_px.shape == (160, 320)
    assert bad_share(refined, scene, 0.5) < 0.8 * bad_share(found, scene, 0.5)
    assert bad_share(refined, scene, 2) < 0.01


def test_nonsense_threads_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"guided\.threads"):
        GuidedNetworkSettings(threads=-1)
