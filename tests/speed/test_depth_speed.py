"""Matching, fill and refinement in ms per megapixel, beside OpenCV's bare SGBM in the same run."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from stereo_portrait.evaluation.peers import opencv_default
from stereo_portrait.matching.fill import filled_from_background
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.refinement import REFINERS
from stereo_portrait.sources.builtin_scene import builtin_scene

pytestmark = pytest.mark.speed


def best_ms(work: Callable[[], object], rounds: int = 5) -> float:
    """The fastest of several rounds after a warm-up."""
    work()
    times = []
    for _ in range(rounds):
        start_s = time.perf_counter()
        work()
        times.append((time.perf_counter() - start_s) * 1000)
    return min(times)


def test_depth_stages_beside_bare_sgbm() -> None:
    scene = builtin_scene()
    megapixels = scene.truth_disparity_px.size / 1e6
    settings = SgbmSettings(min_disparity_px=0, max_disparity_px=80)
    bare = best_ms(lambda: opencv_default(scene.pair, 80))
    holey = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=80, fill=False)).match(scene.pair)
    full = SgbmMatcher(settings).match(scene.pair)
    rows = {
        "bare SGBM (baseline)": bare,
        "matching, both ways": best_ms(lambda: SgbmMatcher(settings).match(scene.pair)),
        "fill": best_ms(lambda: filled_from_background(holey)),
    }
    for name in REFINERS:
        rows[f"refine: {name}"] = best_ms(lambda name=name: REFINERS[name][1]().refine(full, scene.pair))
    print(f"\n{'stage':24} {'ms':>8} {'ms/MP':>8} {'x bare':>7}")
    for name, ms in rows.items():
        print(f"{name:24} {ms:8.1f} {ms / megapixels:8.1f} {ms / bare:7.2f}")
    assert np.isfinite(list(rows.values())).all()
