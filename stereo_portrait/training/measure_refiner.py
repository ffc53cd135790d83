"""What docs/refinement.md says in numbers, measured again.

python -m stereo_portrait.training.measure_refiner trust|portraits|sensor|speed --scenes DIR --frames DIR [--json]

`--scenes` holds scenes in any layout that `evaluate` reads; `--frames` holds depth camera frames as NAME_color.png or
.jpg with NAME_depth.png beside it (16 bit, millimetres, 0 = nothing). `trust` prints sparsification areas and how often
stated confidence is right; `portraits` renders with true, classical and network disparity; `sensor` hides a fifth of
what was measured and restores it; `speed` takes times, with memory
kept as the commands keep it. The table of disparity errors is `evaluate`'s.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Scene
from stereo_portrait.core.depth import DepthMap, DisparityMap
from stereo_portrait.core.memory import keep_memory
from stereo_portrait.core.portrait import Aperture
from stereo_portrait.evaluation.blur_scores import psnr
from stereo_portrait.matching.consistency import left_right_difference
from stereo_portrait.matching.fill import background_fill
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.refinement.evidence_layout import COSTS, SIDE_COSTS, as_numbers
from stereo_portrait.refinement.guided_input import SENSOR_TOP, network_input
from stereo_portrait.refinement.guided_network import GuidedNetworkRefiner
from stereo_portrait.refinement.sensor_fill import filled_by_colour
from stereo_portrait.refinement.sources_around import NEAREST, smooth_surface, sources_around, taken
from stereo_portrait.refinement.weighted_median import WeightedMedianRefiner
from stereo_portrait.refinement.wls import WlsRefiner
from stereo_portrait.rendering.bokeh import BokehRenderer
from stereo_portrait.rendering.light import linear_from_srgb, srgb_from_linear
from stereo_portrait.sources.dataset_scenes import load_scenes

Map = NDArray[np.float32]
DROPPED = np.linspace(0, 0.95, 20)
ERROR_CAP_PX = 4.0  # a lost pixel is lost, however far off
WIDEST_RADIUS_PX = 16.0
LEAST_KNOWN = 0.5  # a portrait cannot be made from lidar's dots
HIDDEN = 0.2
FARTHEST_M = 20.0


def matched(scene: Scene) -> DisparityMap:
    """The default matcher over the scene's published range."""
    return SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=scene.max_disparity_px)).match(scene.pair)


def sparsification(error: Map, doubt: Map) -> float:
    """Area between the error left after dropping the most doubtful pixels and after dropping the worst ones, over the
    error of all (Ilg et al., "Uncertainty Estimates and Multi-Hypotheses Networks for Optical Flow", ECCV 2018)."""
    errors = np.minimum(error, ERROR_CAP_PX)

    def curve(order: NDArray[np.intp]) -> NDArray[np.float64]:
        kept = errors[order]
        return np.array([kept[int(share * kept.size) :].mean() for share in DROPPED])

    gap = curve(np.argsort(-doubt, kind="stable")) - curve(np.argsort(-errors, kind="stable"))
    return float(np.trapezoid(gap, DROPPED) / max(float(errors.mean()), 1e-6))


def unfolded(features: Map, channel: int) -> Map:
    """(H, W) one channel of the folded features."""
    four = features[4 * channel : 4 * channel + 4]
    return four.reshape(2, 2, *four.shape[1:]).transpose(2, 0, 3, 1).reshape(2 * four.shape[1], 2 * four.shape[2])


def trust(scenes: list[Scene]) -> dict[str, Any]:
    """Sparsification areas by the network's confidence and by two classical measures, and calibration."""
    found: dict[str, Any] = {}
    for scene in scenes:
        measured = matched(scene)
        refined = GuidedNetworkRefiner().refine(measured, scene.pair)
        evidence = measured.evidence
        assert evidence is not None
        told = as_numbers(network_input(evidence).features)
        height, width = refined.disparity_px.shape
        margin = np.minimum(unfolded(told, SIDE_COSTS), unfolded(told, SIDE_COSTS + 1))[:height, :width]
        cost = unfolded(told, COSTS)[:height, :width]
        difference = np.minimum(left_right_difference(evidence.raw_left_px, evidence.raw_right_px), 64)
        known = np.isfinite(scene.truth_disparity_px)
        error = np.abs(refined.disparity_px - scene.truth_disparity_px)[known]
        sure = refined.confidence[known]
        about = (sure > 0.85) & (sure < 0.95)
        found[scene.name] = {
            "confidence": sparsification(error, 1 - sure),
            "left-right": sparsification(error, difference[known]),
            "margin": sparsification(error, (cost - margin)[known]),
            "right at 0.9": float((error[about] < 1).mean()) if about.any() else float("nan"),
            "pixels at 0.9": float(about.mean()),
        }
    return found


def portraits(scenes: list[Scene]) -> dict[str, Any]:
    """PSNR, dB, of portraits by classical and by network disparity to the one by true disparity."""
    found: dict[str, Any] = {}
    renderer = BokehRenderer()
    for scene in scenes:
        truth = scene.truth_disparity_px
        known = np.isfinite(truth)
        if known.mean() < LEAST_KNOWN:
            continue
        whole = np.where(known, truth, background_fill(np.where(known, truth, np.nan).astype(np.float32)))
        low, high = (float(v) for v in np.percentile(truth[known], (2, 98)))
        measured = matched(scene)
        maps = {
            "truth": whole.astype(np.float32),
            "median": WeightedMedianRefiner().refine(measured, scene.pair).disparity_px,
            "network": GuidedNetworkRefiner().refine(measured, scene.pair).disparity_px,
        }
        linear = linear_from_srgb(scene.pair.left)
        for focus, at_px in (("near", high - 0.1 * (high - low)), ("far", low + 0.1 * (high - low))):
            pictures = {}
            for name, disparity in maps.items():
                guess = np.where(known, disparity, whole).astype(np.float32)  # where nobody knows, nobody is judged
                radius = ((guess - np.float32(at_px)) * np.float32(WIDEST_RADIUS_PX / (high - low))).astype(np.float32)
                pictures[name] = srgb_from_linear(renderer.render(linear, radius, Aperture())).astype(np.float32) / 255
            found[f"{scene.name}, {focus}"] = {n: psnr(pictures[n], pictures["truth"]) for n in ("median", "network")}
    return found


def frames(folder: Path) -> Iterator[tuple[str, NDArray[np.uint8], Map]]:
    """Name, photo and depth in metres (NaN: nothing) of every frame."""
    for path in sorted(folder.glob("*_depth.png")):
        name = path.name.removesuffix("_depth.png")
        photo = next(p for p in (folder / f"{name}_color{s}" for s in (".png", ".jpg")) if p.exists())
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        colour = np.ascontiguousarray(cv2.imread(str(photo), cv2.IMREAD_COLOR)[..., ::-1])
        yield name, colour, np.where(depth > 0, depth, np.float32(np.nan))


def hidden(depth_m: Map, seed: int) -> NDArray[np.bool_]:
    """A fifth of the measured pixels: half along depth edges, the rest in blobs."""
    rng = np.random.default_rng(seed)
    known = ~np.isnan(depth_m)
    inverse = np.where(known, 1 / depth_m, 0).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    high = cv2.dilate(inverse, kernel)
    low = cv2.erode(np.where(known, inverse, np.float32(9)), kernel)
    edge = (high - low > 0.05 * high) & known
    hide = np.zeros(depth_m.shape, np.bool_)
    for size in range(3, 41, 2):
        shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        band = (cv2.dilate(edge.astype(np.uint8), shape) > 0) & known
        if band.sum() > HIDDEN / 2 * known.sum():
            break
        hide = band
    height, width = depth_m.shape
    while hide.sum() < HIDDEN * known.sum():
        blob = np.zeros((height, width), np.uint8)
        middle = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(6, 40)), int(rng.integers(6, 40)))
        cv2.ellipse(blob, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        hide |= (blob > 0) & known
    return hide


def classical_fills(photo: NDArray[np.uint8], inverse: Map) -> dict[str, Map]:
    """Inverse depth without holes by what libraries and papers offer."""
    holes = np.isnan(inverse)
    scale = np.float32(SENSOR_TOP / np.nanpercentile(inverse, 98))
    behind = background_fill(inverse)
    weight = (~holes).astype(np.float32)
    values = np.nan_to_num(inverse * scale) * weight
    sources = sources_around(~holes)
    votes = np.where(holes, np.float32(0.4), np.float32(1))

    def normalised(smooth: Callable[[Map], Map]) -> Map:
        top, bottom = smooth(values), smooth(weight)
        return np.where(bottom > 0.02, top / np.maximum(bottom, 0.02), behind * scale) / scale

    guide = photo.astype(np.float32)
    return {
        "nearest background": behind,
        "nearest": taken(inverse, sources[NEAREST], behind),
        "smooth surface": smooth_surface(inverse, ~holes),
        "weighted median": WeightedMedianRefiner().cleaned(behind * scale, votes, holes, photo) / scale,
        "joint bilateral": normalised(lambda v: cv2.ximgproc.jointBilateralFilter(guide, v, 31, 12.0, 12.0)),
        "guided filter": normalised(lambda v: cv2.ximgproc.guidedFilter(photo, v, 12, 100.0)),
    }


def sensor(folder: Path) -> dict[str, Any]:
    """Mean absolute error, mm, where measured depth was hidden, by method and frame."""
    found: dict[str, Any] = {}
    for index, (name, photo, depth_m) in enumerate(frames(folder)):
        hide = hidden(depth_m, index)
        shown = np.where(hide, np.float32(np.nan), depth_m).astype(np.float32)
        flat = np.ones(shown.shape, np.float32)
        frame = DepthMap(shown, flat, np.zeros(shown.shape, np.uint8), "sensor")
        answers = classical_fills(photo, frame.inverse_depth_per_m)
        answers["by colour"] = filled_by_colour(photo, frame).inverse_depth_per_m
        found[name] = {}
        for method, inverse in answers.items():
            guess_m = np.clip(1 / np.maximum(inverse, 1e-3), 0, FARTHEST_M)
            found[name][method] = float(1000 * np.abs(guess_m - depth_m)[hide].mean())
    return found


def speed(scenes: list[Scene]) -> dict[str, Any]:
    """Best of five, ms per megapixel, in one run."""
    keep_memory()
    found: dict[str, Any] = {}
    refiners = {"network": GuidedNetworkRefiner(), "median": WeightedMedianRefiner(), "wls": WlsRefiner()}
    for scene in scenes:
        measured = matched(scene)
        megapixels = measured.disparity_px.size / 1e6
        times: dict[str, float] = {}
        for name, refiner in refiners.items():
            taken_ms = []
            for _ in range(6):
                started = time.perf_counter()
                refiner.refine(measured, scene.pair)
                taken_ms.append(1e3 * (time.perf_counter() - started) / megapixels)
            times[name] = min(taken_ms[1:])
        found[scene.name] = times
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("trust", "portraits", "sensor", "speed"))
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--frames", type=Path)
    options = parser.parse_args()
    if options.what == "sensor":
        found = sensor(options.frames)
    else:
        scenes = [replace(s, name=s.name) for s in load_scenes(str(options.scenes))]
        found = {"trust": trust, "portraits": portraits, "speed": speed}[options.what](scenes)
    means = {key: float(np.nanmean([row[key] for row in found.values()])) for key in next(iter(found.values()))}
    for name, row in [*found.items(), ("mean", means)]:
        print(f"{name:22s}" + "".join(f"  {k} {v:.3f}" for k, v in row.items()))
    print(json.dumps({"rows": found, "mean": means}))


if __name__ == "__main__":
    main()
