"""Where to focus: a pixel, a distance, or the subject found in the depth."""

import re
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap
from stereo_portrait.core.errors import ConfigError, InputError
from stereo_portrait.core.portrait import Focus

CENTRAL_SIGMA = 0.28  # of the picture's size
WINDOW_SHARE = 0.01
LEAST_SHARE = 0.01  # of the picture: smaller near regions are not a subject


@dataclass(frozen=True)
class FocusSettings:
    """What stays sharp."""

    at: str = "auto"
    near_m: float | None = None
    far_m: float | None = None
    keep_subject_sharp: bool = True

    def __post_init__(self) -> None:
        for name in ("near_m", "far_m"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"focus.{name} must be positive, found {value:g}")
        if self.near_m is not None and self.far_m is not None and self.far_m < self.near_m:
            raise ConfigError("focus.far_m must be at least focus.near_m")


def choose_focus(
    depth: DepthMap,
    settings: FocusSettings | None = None,
    subject: NDArray[np.float32] | None = None,
    hint_px: tuple[int, int] | None = None,
) -> Focus:
    """Focus on "auto", "subject", "X,Y" (pixels) or "1.8m".

    "auto" takes, in this order: the subject's mask if one is given, unless the camera that took the photo was focused
    on something else; the point at which that camera was focused; or the near region with the largest sum of
    confidence times centrality: depth is split into near and far by Otsu's threshold on inverse depth, near pixels are
    grouped, and the winning group's median is the focus distance.

    Raises:
        InputError: a point outside the picture, or without depth; metres asked of relative depth; no subject.
    """
    settings = settings or FocusSettings()
    text = settings.at.strip().lower()
    if text == "auto":
        focus = _auto(depth, subject, hint_px)
    elif text == "subject":
        focus = _on_subject_mask(depth, subject)
    elif match := re.fullmatch(r"(-?\d+)\s*,\s*(-?\d+)", text):
        focus = at_point(depth, int(match[1]), int(match[2]), "point")
    elif match := re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*m", text):
        if not depth.metric:
            raise InputError("this depth is relative: it knows near and far but no metres; focus with auto or X,Y")
        if float(match[1]) <= 0:
            raise InputError("--focus must be farther than 0 m")
        focus = Focus(float(match[1]), None, "distance")
    else:
        raise InputError(f"--focus must be auto, subject, X,Y in pixels, or metres such as 1.8m; found '{settings.at}'")
    return _with_range(focus, settings, depth)


def at_point(depth: DepthMap, x_px: int, y_px: int, how: str) -> Focus:
    """The confidence-weighted median depth around a pixel.

    Raises:
        InputError: outside the picture, or nothing known nearby.
    """
    height, width = depth.depth_m.shape
    if not (0 <= x_px < width and 0 <= y_px < height):
        raise InputError(f"--focus {x_px},{y_px} lies outside the picture ({width}x{height})")
    for grow in (1, 3, 9):
        radius = grow * max(2, round(WINDOW_SHARE * width / 2))
        window = (slice(max(0, y_px - radius), y_px + radius + 1), slice(max(0, x_px - radius), x_px + radius + 1))
        inverse = depth.inverse_depth_per_m[window]
        usable = ~np.isnan(inverse)
        if usable.any():
            weight = depth.confidence[window][usable] + np.float32(1e-3)
            return Focus(_distance(_weighted_median(inverse[usable], weight)), (x_px, y_px), how)
    raise InputError(f"no depth is known around {x_px},{y_px}; choose another point or a distance")


def _on_subject_mask(depth: DepthMap, subject: NDArray[np.float32] | None) -> Focus:
    inverse = depth.inverse_depth_per_m
    chosen = np.isfinite(inverse) & (subject > 0.5) if subject is not None else np.zeros(inverse.shape, np.bool_)
    if not chosen.any():
        raise InputError("no subject stands out in this picture; use --focus auto, X,Y or a distance")
    return _on_region(inverse, depth.confidence, chosen, "subject")


def _auto(depth: DepthMap, subject: NDArray[np.float32] | None, hint_px: tuple[int, int] | None) -> Focus:
    inverse = depth.inverse_depth_per_m
    known = np.isfinite(inverse)
    if not known.any():
        raise InputError("no depth is known anywhere in this picture; there is nothing to focus on")
    elsewhere = hint_px is not None and subject is not None and not _on_subject(subject, hint_px)
    if subject is not None and not elsewhere and (chosen := known & (subject > 0.5)).any():
        return _on_region(inverse, depth.confidence, chosen, "subject")
    if hint_px is not None:
        return at_point(depth, hint_px[0], hint_px[1], "camera's focus point")
    height, width = inverse.shape
    low, high = np.percentile(inverse[known], (1, 99))
    levels = np.clip((np.nan_to_num(inverse, nan=low) - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels[known].reshape(-1, 1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    near = (known & (levels > threshold)).astype(np.uint8)
    near = cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    central = np.exp(
        -(((x / width - 0.5) / CENTRAL_SIGMA) ** 2 + ((y / height - 0.5) / CENTRAL_SIGMA) ** 2) / 2
    ).astype(np.float32)
    worth = (depth.confidence + np.float32(0.05)) * central
    count, labels = cv2.connectedComponents(near, connectivity=8)
    if count > 1:
        sums = np.bincount(labels.ravel(), worth.ravel(), count)
        sizes = np.bincount(labels.ravel(), minlength=count)
        sums[0] = 0
        sums[sizes < LEAST_SHARE * height * width] *= 0.1
        return _on_region(inverse, worth, labels == int(sums.argmax()), "auto")
    return _on_region(inverse, worth, known, "auto")


def _on_subject(subject: NDArray[np.float32], point_px: tuple[int, int]) -> bool:
    """Whether a point lies on the subject or within 2 % of the width of it: cameras focus on areas, not on points."""
    reach = max(2, round(0.02 * subject.shape[1]))
    x, y = point_px
    window = subject[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return bool(window.size == 0 or (window > 0.5).any())


def _on_region(inverse: NDArray[np.float32], weight: NDArray[np.float32], region: NDArray[np.bool_], how: str) -> Focus:
    middle = _weighted_median(inverse[region], weight[region] + np.float32(1e-6))
    rows, columns = np.nonzero(region)
    centre = np.array([np.median(columns), np.median(rows)])
    spread = max(float(np.std(inverse[region])), 1e-6)
    away = np.abs(inverse[region] - middle) / spread + np.hypot(columns - centre[0], rows - centre[1]) / len(inverse)
    best = int(away.argmin())
    return Focus(_distance(middle), (int(columns[best]), int(rows[best])), how)


def _weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order[int(np.searchsorted(reached, reached[-1] / 2))]])


def _distance(inverse: float) -> float:
    return 1.0 / max(inverse, 1e-6)


def _with_range(focus: Focus, settings: FocusSettings, depth: DepthMap) -> Focus:
    if settings.near_m is None and settings.far_m is None:
        return focus
    if not depth.metric:
        raise InputError("a focus range in metres needs metric depth; this depth is relative")
    near = min(settings.near_m or focus.distance_m, focus.distance_m)
    far = max(settings.far_m or focus.distance_m, focus.distance_m)
    return Focus(focus.distance_m, focus.chosen_at_px, focus.how, (near, far))
