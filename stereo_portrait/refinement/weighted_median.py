"""Colour-weighted median near depth edges and in filled parts: edges snap to the picture's edges."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError

BINS = 512
BIN_PX = 0.25  # finer than any edge; wide windows get coarser bins


@dataclass(frozen=True)
class WeightedMedianSettings:
    """Window and colour tolerance."""

    radius_px: int = 6
    colour_sigma: float = 8.0
    edge_step_px: float = 1.0
    filled_weight: float = 0.4
    least_change_px: float = 1.0
    passes: int = 1
    stride_px: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (
            ("radius_px", 1, 30),
            ("colour_sigma", 0.5, 200),
            ("edge_step_px", 0.1, 64),
            ("filled_weight", 0.0, 1.0),
            ("least_change_px", 0.0, 64),
            ("passes", 1, 5),
            ("stride_px", 1, 4),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"median.{name} must be between {low} and {high}, found {value:g}")


class WeightedMedianRefiner:
    """Replaces a disparity by the weighted median of its window, weights by colour likeness and by trust.

    Small changes are not made: they would flatten slanted surfaces.
    Source: Ma et al., "Constant Time Weighted Median Filtering for Stereo Matching and Beyond", ICCV 2013; here only
    where the window holds a step of more than `edge_step_px` or the pixel was filled: elsewhere it changes nothing.
    """

    notice: str | None = None

    def __init__(self, settings: WeightedMedianSettings | None = None) -> None:
        self.settings = settings or WeightedMedianSettings()

    def refine(self, disparity: DisparityMap, pair: RectifiedPair) -> DisparityMap:
        """The map with crisper edges and better filled parts; unknown stays unknown."""
        s = self.settings
        trust = np.where(disparity.measured, 0.3 + 0.7 * disparity.confidence, s.filled_weight).astype(np.float32)
        filled = (disparity.flaws & Flaw.FILLED) > 0
        return replace(disparity, disparity_px=self.cleaned(disparity.disparity_px, trust, filled, pair.left))

    def cleaned(
        self, found: NDArray[np.float32], trust: NDArray[np.float32], filled: NDArray[np.bool_], guide: Image
    ) -> NDArray[np.float32]:
        """(H, W) of any unit whose edges are steps above `edge_step_px`; NaN stays. `trust` is each value's vote."""
        s = self.settings
        known = ~np.isnan(found)
        trust = np.where(known, trust, np.float32(0))
        guide = cv2.medianBlur(guide, 3)
        table = np.exp(-((np.arange(3 * 255 + 1) / (3 * s.colour_sigma)) ** 2) / 2).astype(np.float32)
        for _ in range(s.passes):
            where = known & (_near_jumps(found, s.radius_px, s.edge_step_px) | filled)
            median = found.copy()
            told = (found, guide, trust, where, table, s.radius_px, s.stride_px, median)
            in_bands(_median_rows, found.shape[0], found.size, *told)
            changed = filled | (np.abs(median - found) > s.least_change_px)
            found = np.where(changed, median, found).astype(np.float32)
        return found


def _near_jumps(disparity_px: NDArray[np.float32], radius_px: int, step_px: float) -> NDArray[np.bool_]:
    """(H, W) True where a step > step_px between 4-neighbours, or the rim of a hole, lies inside the window."""
    values = np.where(np.isnan(disparity_px), np.float32(-1e6), disparity_px)
    jumps = np.zeros(values.shape, np.uint8)
    across = np.abs(np.diff(values, axis=1)) > step_px
    down = np.abs(np.diff(values, axis=0)) > step_px
    jumps[:, :-1] |= across
    jumps[:, 1:] |= across
    jumps[:-1] |= down
    jumps[1:] |= down
    near: NDArray[np.bool_] = cv2.dilate(jumps, np.ones((2 * radius_px + 1,) * 2, np.uint8)) > 0
    return near


@numba.njit(cache=True, nogil=True)
def _median_rows(
    top: int,
    bottom: int,
    disparity: Any,
    guide: Any,
    trust: Any,
    where: Any,
    table: Any,
    radius: int,
    stride: int,
    out: Any,
) -> None:
    """Weighted median by a histogram over the window's own range, then the weighted mean inside the median's bin."""
    height, width = disparity.shape
    weights = np.empty(BINS, np.float32)
    sums = np.empty(BINS, np.float32)
    for y in range(top, bottom):
        for x in range(width):
            if not where[y, x]:
                continue
            y0, y1 = max(0, y - radius), min(height, y + radius + 1)
            x0, x1 = max(0, x - radius), min(width, x + radius + 1)
            low, high = np.float32(1e9), np.float32(-1e9)
            for j in range(y0, y1, stride):
                for i in range(x0, x1, stride):
                    if trust[j, i] > 0:
                        value = disparity[j, i]
                        low = min(low, value)
                        high = max(high, value)
            if high - low < 1e-3:
                continue
            scale = min(np.float32(1 / BIN_PX), np.float32(BINS - 1) / (high - low))
            used = int((high - low) * scale + np.float32(0.5)) + 1
            for slot in range(used):
                weights[slot] = 0
                sums[slot] = 0
            total = np.float32(0)
            r, g, b = np.int32(guide[y, x, 0]), np.int32(guide[y, x, 1]), np.int32(guide[y, x, 2])
            for j in range(y0, y1, stride):
                for i in range(x0, x1, stride):
                    if trust[j, i] > 0:
                        colour = abs(np.int32(guide[j, i, 0]) - r) + abs(np.int32(guide[j, i, 1]) - g)
                        colour += abs(np.int32(guide[j, i, 2]) - b)  # int() of a uint8 stays unsigned in numba
                        weight = table[colour] * trust[j, i]
                        slot = int((disparity[j, i] - low) * scale + np.float32(0.5))
                        weights[slot] += weight
                        sums[slot] += weight * disparity[j, i]
                        total += weight
            if total <= 0:
                continue
            reached = np.float32(0)
            for slot in range(used):
                reached += weights[slot]
                if reached >= np.float32(0.5) * total:
                    out[y, x] = sums[slot] / weights[slot]
                    break
