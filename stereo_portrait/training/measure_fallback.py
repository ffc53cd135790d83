"""What docs/fallback.md says in numbers, measured again.

python -m stereo_portrait.training.measure_fallback decisions|near|fusion --data DIR

`--data` holds public stereo scenes in the layouts that datasets/*.yaml describe. `decisions` prints the confusion
matrix over scenes and sabotages; `near` renders portraits of scenes whose search was cut below the subject; `fusion`
hides regions of the true disparity and fills them.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask, RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.portrait import Aperture
from stereo_portrait.fallback.monocular import MonocularDepth, MonocularSettings
from stereo_portrait.fallback.stage import Answer, Fallback
from stereo_portrait.fallback.subject import SubjectFinder, SubjectSettings
from stereo_portrait.geometry.row_error import measure_row_error
from stereo_portrait.matching.fill import background_fill
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.refinement import REFINERS, Refiner
from stereo_portrait.rendering import RENDERERS, Renderer
from stereo_portrait.rendering.light import linear_from_srgb, srgb_from_linear
from stereo_portrait.training.fallback_scenes import dense_truth, sabotages, scenes, subject_of

FloatMap = NDArray[np.float32]
LARGEST_RADIUS_PX = 12.0
RIGHT_USE = {
    "untouched": ("stereo",),
    "too near": ("stereo", "fused", "monocular"),
    "too near, no second search": ("fused", "monocular"),
    "too far": ("monocular",),
    "overexposed": ("monocular",),
    "underexposed": ("monocular",),
    "2 px vertical": ("monocular",),
}


def answered(
    stage: Fallback, refiner: Refiner, pair: RectifiedPair, searched: tuple[int, int] | None, retry: bool = True
) -> Answer:
    """Matched, refined and put through the fallback, as the pipeline does."""

    def match(low: float | None, high: float | None) -> DisparityMap:
        limits = [None if v is None else int(v) for v in (low, high)]
        found = SgbmMatcher(SgbmSettings(min_disparity_px=limits[0], max_disparity_px=limits[1])).match(pair)
        return refiner.refine(found, pair)

    rows = replace(pair, row_error_px=measure_row_error(pair).median_px)
    found = match(*(searched or (None, None)))
    return stage.apply(stage.decide(found, rows, searched, match if retry else None))


def measure_decisions(data: Path, stage: Fallback, refiner: Refiner) -> None:
    counts: dict[str, dict[str, int]] = {}
    right = total = 0
    for scene in scenes(data):
        for kind, pair, searched in sabotages(scene, subject_of(scene, stage.finder)):
            answer = answered(stage, refiner, pair, searched, retry="no second" not in kind)
            said = answer.decision.use
            told = {"too near": "too near", "too far": "too far"}.get(kind, "")
            good = said in RIGHT_USE[kind] and any(r.startswith(told) for r in answer.decision.reasons)
            counts.setdefault(kind, {}).setdefault(said, 0)
            counts[kind][said] += 1
            right, total = right + good, total + 1
            mark = "" if good else "   <- WRONG"
            print(f"{scene.name:22} {kind:27} {said:10} {answer.decision.reasons[0][:70]}{mark}", flush=True)
    print("\n| case | stereo | fused | monocular |\n| --- | ---: | ---: | ---: |")
    for kind, by_use in counts.items():
        print(f"| {kind} | " + " | ".join(str(by_use.get(u, 0)) for u in ("stereo", "fused", "monocular")) + " |")
    print(f"\nright: {right} of {total} ({right / total:.1%})")


def measure_fusion(data: Path, stage: Fallback) -> None:
    """Mean absolute error in hidden regions, filled by background and by fusion."""
    sums: dict[str, list[tuple[float, float]]] = {}
    print("| scene | hidden | share | background px | fused px | ratio |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for scene in scenes(data):
        truth = scene.truth_disparity_px
        if np.isfinite(truth).mean() < 0.5 or scene.name.startswith("square"):
            continue
        relative, trust = stage.monocular.relative(scene.pair.left)
        for kind, hole in hidden_regions(*truth.shape):
            given = np.where(hole, np.float32(np.nan), truth).astype(np.float32)
            known = np.isfinite(given)
            flaws = np.where(known, 0, Flaw.NO_MATCH).astype(np.uint8)
            measured = DisparityMap(given, known.astype(np.float32), flaws, scene.pair.rig)
            filled, _ = stage.fusion.fill(measured, hole, relative, trust)
            scored = hole & np.isfinite(truth)
            simple = background_fill(given)
            ours = np.where(filled.known, filled.disparity_px, simple)
            error = tuple(float(np.abs(m - truth)[scored].mean()) for m in (simple, ours))
            sums.setdefault(kind, []).append((error[0], error[1]))
            ratio = error[1] / error[0]
            print(
                f"| {scene.name} | {kind} | {hole.mean():.0%} | {error[0]:.2f} | {error[1]:.2f} | {ratio:.2f} |",
                flush=True,
            )
    for kind, rows in sums.items():
        e = np.array(rows)
        ratios = e[:, 1] / e[:, 0]
        means = e.mean(axis=0)
        print(f"{kind}: mean of ratios {ratios.mean():.2f}, ratio of means {means[1] / means[0]:.2f}")


def hidden_regions(height: int, width: int) -> Iterator[tuple[str, Mask]]:
    """Ellipses, a stripe and a rectangle, 20 to 40 % of the picture."""
    y, x = np.mgrid[0:height, 0:width]
    for seed in (1, 2):
        draw = np.random.default_rng(seed)
        hole = np.zeros((height, width), np.bool_)
        while hole.mean() < 0.28:
            cx, cy = draw.uniform(0.1, 0.9) * width, draw.uniform(0.1, 0.9) * height
            a, b = draw.uniform(0.1, 0.22, 2) * width
            hole |= ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1
        yield f"ellipses {seed}", hole
    yield "stripe", (x > 0.35 * width) & (x < 0.65 * width)
    yield "rectangle", (np.abs(x - 0.55 * width) < 0.25 * width) & (np.abs(y - 0.5 * height) < 0.27 * height)


def measure_near(data: Path, stage: Fallback, refiner: Refiner, pictures: Path | None) -> None:
    """PSNR against the portrait with true disparity, focused on the subject: blind stereo, monocular, fallback."""
    renderer = RENDERERS["bokeh"][1]()
    print("| scene | blind stereo dB | monocular dB | fallback, searched again dB | fallback, filled dB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    means: list[list[float]] = []
    for scene in scenes(data):
        truth = dense_truth(scene)
        if scene.name.startswith("square") or np.isfinite(scene.truth_disparity_px).mean() < 0.5:
            continue
        subject = subject_of(scene, stage.finder)
        cut = next(c for c in sabotages(scene, subject) if c[0] == "too near")[2]
        assert cut is not None
        gain = LARGEST_RADIUS_PX / max(float(np.abs(truth - np.median(truth[subject])).max()), 1.0)
        linear = linear_from_srgb(scene.pair.left)
        wanted = focused(renderer, linear, truth, subject, gain)
        blind = SgbmMatcher(SgbmSettings(min_disparity_px=cut[0], max_disparity_px=cut[1])).match(scene.pair)
        blind = refiner.refine(blind, scene.pair)
        relative, _ = stage.monocular.relative(scene.pair.left)
        images = {
            "truth": wanted,
            "blind": focused(renderer, linear, blind.disparity_px, subject, gain),
            "monocular": focused(renderer, linear, relative, subject, None),
        }
        for name, retry in (("again", True), ("filled", False)):
            answer = answered(stage, refiner, scene.pair, cut, retry)
            if answer.disparity is not None:
                images[name] = focused(renderer, linear, answer.disparity.disparity_px, subject, gain)
            else:
                images[name] = focused(renderer, linear, answer.depth.inverse_depth_per_m, subject, None)
        row = [float(cv2.PSNR(images[k], wanted)) for k in ("blind", "monocular", "again", "filled")]
        means.append(row)
        print(f"| {scene.name} | " + " | ".join(f"{v:.1f}" for v in row) + " |", flush=True)
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            for name, image in images.items():
                cv2.imwrite(str(pictures / f"{scene.name}_{name}.png"), image[..., ::-1])
    print("| mean | " + " | ".join(f"{v:.1f}" for v in np.mean(means, axis=0)) + " |")


def focused(
    renderer: Renderer, linear: FloatMap, inverse: FloatMap, subject: Mask, gain: float | None
) -> NDArray[np.uint8]:
    """The portrait with the subject's median in focus; `gain` None spreads the values over the largest radius."""
    offset = inverse - np.float32(np.median(inverse[subject]))
    slope = gain if gain is not None else LARGEST_RADIUS_PX / max(float(np.abs(offset).max()), 1e-9)
    return srgb_from_linear(renderer.render(linear, (offset * np.float32(slope)).astype(np.float32), Aperture()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("decisions", "near", "fusion"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--refiner", choices=tuple(REFINERS), default="median")
    parser.add_argument("--monocular", default="built-in", help="network, as monocular.network in config.yaml")
    parser.add_argument("--subject", default="built-in", help="network, as subject.network in config.yaml")
    parser.add_argument("--pictures", type=Path, help="folder for the portraits of `near`")
    options = parser.parse_args()
    stage = Fallback(
        monocular=MonocularDepth(MonocularSettings(network=options.monocular)),
        finder=SubjectFinder(SubjectSettings(network=options.subject, matting="none")),
    )
    refiner = REFINERS[options.refiner][1]()
    if options.what == "decisions":
        measure_decisions(options.data, stage, refiner)
    elif options.what == "fusion":
        measure_fusion(options.data, stage)
    else:
        measure_near(options.data, stage, refiner, options.pictures)


if __name__ == "__main__":
    main()
