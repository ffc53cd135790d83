"""Method names of `evaluate` -> a matcher and a refiner, run and timed on scenes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from stereo_portrait.core.capture import RectifiedPair, Scene
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.evaluation.metrics import SceneScore, score_scene
from stereo_portrait.matching import MATCHERS
from stereo_portrait.refinement import REFINERS

Run = Callable[[Scene], DisparityMap]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One method on one scene."""

    scene: Scene
    found: DisparityMap
    score: SceneScore


def method_named(name: str, settings: Mapping[str, Any]) -> Run:
    """ "sgbm", "sgbm+median", "sgbm-hh+wls", ... or the peer "opencv-default".

    The matcher searches the scene's own range [0, max_disparity_px), as the public boards allow, unless the settings
    name one.

    Raises:
        ConfigError: an unknown matcher or refiner.
    """
    if name == "opencv-default":
        return opencv_default
    matcher_name, _, refiner_name = name.partition("+")
    refiner_name = refiner_name or "none"
    if matcher_name not in MATCHERS or refiner_name not in REFINERS:
        matchers, refiners = ", ".join(MATCHERS), ", ".join(REFINERS)
        raise ConfigError(
            f"no method '{name}'; a method is MATCHER or MATCHER+REFINER with matchers {matchers} and refiners "
            f"{refiners}, or opencv-default"
        )
    section, make_matcher = MATCHERS[matcher_name]
    refiner_section, make_refiner = REFINERS[refiner_name]
    build: Any = make_refiner
    refiner = build() if refiner_section is None else build(settings[refiner_section])

    def run(scene: Scene) -> DisparityMap:
        chosen = settings[section]
        if chosen.max_disparity_px is None:
            low_px = 0 if chosen.min_disparity_px is None else chosen.min_disparity_px
            chosen = replace(chosen, min_disparity_px=low_px, max_disparity_px=scene.max_disparity_px)
        make: Any = make_matcher
        found: DisparityMap = refiner.refine(make(chosen).match(scene.pair), scene.pair)
        return found

    return run


def opencv_default(scene: Scene) -> DisparityMap:
    """The peer: `cv2.StereoSGBM.create(0, numDisparities, 3)` on grey pictures, nothing else."""
    count = -(-scene.max_disparity_px // 16) * 16
    left, right = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY) for v in (scene.pair.left, scene.pair.right))
    fixed = cv2.StereoSGBM.create(0, count, 3).compute(left, right)
    known = fixed >= 0
    disparity_px = np.where(known, fixed / np.float32(16), np.float32(np.nan)).astype(np.float32)
    flaws = np.where(known, 0, Flaw.NO_MATCH).astype(np.uint8)
    return DisparityMap(disparity_px, known.astype(np.float32), flaws, scene.pair.rig)


def evaluate(scene: Scene, run: Run, warm: bool = False) -> Outcome:
    """Run and score; `warm` runs once before the clock starts, so that compilation is not counted."""
    if warm:
        run(_corner(scene))
    start_s = time.perf_counter()
    found = run(scene)
    ms = (time.perf_counter() - start_s) * 1000
    return Outcome(scene, found, score_scene(found.disparity_px, scene, ms))


def _corner(scene: Scene) -> Scene:
    """A small piece of the scene, enough to compile and load everything."""
    height, width = min(64, scene.pair.rig.height_px), min(160, scene.pair.rig.width_px)
    rig = replace(scene.pair.rig, width_px=width, height_px=height)
    cut = (slice(0, height), slice(0, width))
    given = scene.pair
    left, right = np.ascontiguousarray(given.left[cut]), np.ascontiguousarray(given.right[cut])
    pair = RectifiedPair(left, right, given.left_valid[cut].copy(), given.right_valid[cut].copy(), rig, scene.name)
    truth = np.ascontiguousarray(scene.truth_disparity_px[cut])
    return Scene(scene.name, pair, truth, None, min(scene.max_disparity_px, 32))
