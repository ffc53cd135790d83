"""The disparities that the guided network chooses among at every pixel, and where they were taken from."""

from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.refinement.local_match import LocalMatch, local_match
from stereo_portrait.refinement.sources_around import carry, find_beside, smooth_surface
from stereo_portrait.refinement.surfaces_behind import surfaces_behind

Map = NDArray[np.float32]
CANDIDATES = 14
"""base, raw, median, a second opinion, nearer, farther, nearest believed left, right, above, below, smoothed,
a second matcher's, two surfaces behind"""
SIDES, SMOOTHED, LOCAL, BEHIND = 6, 10, 11, 12  # first of the four directional ones, and so on
SOURCES = 6  # four directions, two behind
NEARER_PX, FARTHER_PX, SMOOTH_PX = 7, 9, 9
AROUND_PX, AROUND_STEP = 64, 4  # how far around, and which pixels of that, say what is plausible
STRANGE_PX = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Values without NaN, and for those carried over the flat index of the pixel that they come from (-1: none)."""

    px: Map  # (CANDIDATES, H, W)
    sources: NDArray[np.int32]  # (SOURCES, H, W)
    away_px: Map  # (2, H, W) how far off those behind are
    local: LocalMatch | None  # None without a second view


def candidates_of(
    left: Image, right: Image | None, base_px: Map, raw_px: Map, right_px: Map | None, median_px: Map, believed: Mask
) -> Candidates:
    """Every candidate, (H, W) with H and W even; `raw_px` without NaN; see `evidence_of` for the rest."""
    sources = np.empty((SOURCES, *base_px.shape), np.int32)
    find_beside(believed, sources)
    sources[4:], away_px = surfaces_behind(median_px)
    px = np.empty((CANDIDATES, *base_px.shape), np.float32)
    px[0], px[1], px[2] = base_px, raw_px, median_px
    px[4] = cv2.dilate(base_px, np.ones((NEARER_PX, NEARER_PX), np.uint8))
    px[5] = cv2.erode(base_px, np.ones((FARTHER_PX, FARTHER_PX), np.uint8))
    in_bands(carry, len(base_px), base_px.size, base_px, sources[:4], base_px, px[SIDES : SIDES + 4])
    px[SMOOTHED] = _smoothed(base_px, believed)
    in_bands(carry, len(base_px), base_px.size, median_px, sources[4:], base_px, px[BEHIND : BEHIND + 2])
    if right is None or right_px is None:
        px[3] = smooth_surface(base_px, believed)
        px[LOCAL] = base_px
        return Candidates(px, sources, away_px, None)
    in_bands(_from_right, base_px.shape[0], base_px.size, np.nan_to_num(right_px, nan=-1e6), base_px, px[3])
    local = local_match(left, right, float(base_px.min()), float(base_px.max()))
    px[LOCAL] = _plausible(np.repeat(np.repeat(local.disparity_px, 2, axis=0), 2, axis=1), median_px)
    return Candidates(px, sources, away_px, local)


def _plausible(local_px: Map, median_px: Map) -> Map:
    """The second matcher's answer where the surroundings hold such a disparity at all, else the median."""
    coarse = np.ascontiguousarray(median_px[::AROUND_STEP, ::AROUND_STEP])
    kernel = np.ones((2 * AROUND_PX // AROUND_STEP + 1,) * 2, np.uint8)
    size = median_px.shape[::-1]
    low, high = (
        cv2.resize(spread(coarse, kernel), size, interpolation=cv2.INTER_NEAREST) for spread in (cv2.erode, cv2.dilate)
    )
    strange = (local_px < low - STRANGE_PX) | (local_px > high + STRANGE_PX)
    return np.where(strange, median_px, local_px).astype(np.float32)


def _smoothed(base_px: Map, believed: Mask) -> Map:
    """The mean of the believed neighbours on one surface; the base elsewhere."""
    kernel = np.ones((5, 5), np.uint8)
    flat = (believed & (cv2.dilate(base_px, kernel) - cv2.erode(base_px, kernel) < 2)).astype(np.float32)
    size = (SMOOTH_PX, SMOOTH_PX)
    share = cv2.boxFilter(flat, -1, size)
    mean = cv2.boxFilter(base_px * flat, -1, size) / np.maximum(share, 1e-3)
    return np.where((flat > 0) & (share > 0.5), mean, base_px).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _from_right(top: int, bottom: int, right_px: Any, base_px: Any, out: Any) -> None:
    """The right view's disparity carried to the left view, the nearest where several land; base where none."""
    width = base_px.shape[1]
    for y in range(top, bottom):
        for x in range(width):
            out[y, x] = -1e6
        for x in range(width):
            disparity = right_px[y, x]
            if disparity < -1e5:
                continue
            at = int(np.floor(np.float32(x) + disparity + np.float32(0.5)))
            if 0 <= at < width and disparity > out[y, at]:
                out[y, at] = disparity
        for x in range(width):
            if out[y, x] < -1e5:
                out[y, x] = base_px[y, x]
