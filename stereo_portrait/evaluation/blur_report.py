"""Every lens blur method on every truth: scores, means, picture strips and error maps."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture
from stereo_portrait.evaluation.blur_scores import BlurScore, score
from stereo_portrait.evaluation.optics_scenes import FOCUS, SCENES
from stereo_portrait.evaluation.truth_cache import Case, case
from stereo_portrait.rendering import Renderer
from stereo_portrait.rendering.highlights import with_recovered_highlights
from stereo_portrait.rendering.light import linear_from_srgb, srgb_from_linear

Given = Literal["exact", "clipped", "soft-depth", "grown-depth", "shrunk-depth"]
GIVEN: tuple[Given, ...] = ("exact", "clipped", "soft-depth", "grown-depth", "shrunk-depth")
ERROR_GAIN = 4
Map = NDArray[np.float32]


def cases(scenes: tuple[str, ...] = (), focus: tuple[str, ...] = (), seed: int = 0) -> Iterator[Case]:
    """The truths asked for (none named: all), traced or read from the cache one at a time."""
    for name in scenes or tuple(SCENES):
        for at in focus or FOCUS:
            yield case(name, at, seed)


def handed_over(truth: Case, given: Given, recover: float = 1.0) -> tuple[Map, Map]:
    """What the renderer gets: linear light and signed radius.

    exact: linear light with its highlights and the true disparity; clipped: 8-bit sRGB, highlights recovered by the
    project's rule; soft-depth: disparity blurred with sigma 1.5 px; grown-depth and shrunk-depth: edges of what is near
    moved 2 px outwards and inwards.
    """
    linear, disparity = truth.linear, truth.disparity_px
    square = np.ones((5, 5), np.uint8)
    if given == "clipped":
        linear = with_recovered_highlights(linear_from_srgb(srgb_from_linear(linear)), recover)
    elif given == "soft-depth":
        disparity = cv2.GaussianBlur(disparity, (0, 0), 1.5)
    elif given == "grown-depth":
        disparity = cv2.dilate(disparity, square)
    elif given == "shrunk-depth":
        disparity = cv2.erode(disparity, square)
    radius = (disparity - truth.focus_disparity_px) * truth.blur_per_px
    return linear, np.asarray(radius, np.float32)


def measured(renderer: Renderer, truth: Case, given: Given, recover: float = 1.0) -> tuple[Map, BlurScore]:
    """One picture and its score; the time is the better of two runs, so that compilation does not count."""
    linear, radius = handed_over(truth, given, recover)
    picture, best = linear, float("inf")
    for _ in range(2):
        started = time.perf_counter()
        picture = renderer.render(linear, radius, Aperture())
        best = min(best, (time.perf_counter() - started) * 1000)
        if best > 2000:
            break
    return picture, score(picture, truth.truth, truth.radius_px, truth.lamps, best)


def mean_of(scores: list[BlurScore]) -> dict[str, float | None]:
    """The mean of every number over the cases that have it; None where none has."""
    rows = [asdict(s) for s in scores]
    means: dict[str, float | None] = {}
    for key in rows[0]:
        values = [row[key] for row in rows if np.isfinite(row[key])]
        means[key] = float(np.mean(values)) if values else None
    return means


def plain(found: BlurScore) -> dict[str, float | None]:
    """A score for JSON, which knows no NaN."""
    return {key: value if np.isfinite(value) else None for key, value in asdict(found).items()}


def strip(truth: Case, pictures: dict[str, Map]) -> NDArray[np.uint8]:
    """Top row: pinhole, truth, every method; bottom row: 4 x its difference from the truth around grey."""
    true = srgb_from_linear(truth.truth)
    top, bottom = [srgb_from_linear(truth.linear), true], [np.full_like(true, 128), np.full_like(true, 128)]
    for picture in pictures.values():
        mine = srgb_from_linear(picture)
        top.append(mine)
        difference = 128 + ERROR_GAIN * (mine.astype(np.int32) - true.astype(np.int32))
        bottom.append(np.clip(difference, 0, 255).astype(np.uint8))
    return np.vstack((np.hstack(top), np.hstack(bottom)))


def write_strip(folder: Path, truth: Case, pictures: dict[str, Map]) -> None:
    """Write `strip` as scene-focus.png."""
    from stereo_portrait.export.photo import write_photo

    write_photo(folder / f"{truth.name.replace('/', '-')}.png", strip(truth, pictures))


def table(means: dict[str, dict[str, float | None]]) -> str:
    """Means as text, one line a method."""
    columns: list[tuple[str, str, Callable[[float], str]]] = [
        ("PSNR", "psnr", "{:.2f}".format),
        ("edge", "edge_psnr", "{:.2f}".format),
        ("SSIM", "ssim", "{:.4f}".format),
        ("edge", "edge_ssim", "{:.4f}".format),
        ("lamps", "highlight_psnr", "{:.2f}".format),
        ("ms", "ms", "{:.0f}".format),
    ]
    lines = [f"{'method':10s}" + "".join(f"{head:>9s}" for head, _, _ in columns)]
    for name, mean in means.items():
        cells: list[Any] = ["-" if (value := mean[key]) is None else show(value) for _, key, show in columns]
        lines.append(f"{name:10s}" + "".join(f"{cell:>9s}" for cell in cells))
    return "\n".join(lines)
