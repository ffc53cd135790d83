"""The disparities that the guided network chooses among at every pixel."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.refinement.local_match import LocalMatch, local_match
from stereo_portrait.refinement.sources_around import smooth_surface
from stereo_portrait.refinement.surfaces_behind import Behind, surfaces_behind

Map = NDArray[np.float32]
CANDIDATES = 5
"""base, median, farther, a second matcher's, the surface behind"""
MEDIAN, FARTHER, LOCAL, BEHIND = 1, 2, 3, 4
FARTHER_PX = 9  # side of the window whose smallest disparity is offered
AROUND_PX, AROUND_STEP = 64, 4  # how far around, and which pixels of that, say what is plausible
STRANGE_PX = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Values without NaN, and where some of them come from."""

    px: Map  # (CANDIDATES, H, W)
    behind: Behind
    local: LocalMatch | None  # None without a second view


def candidates_of(left: Image, right: Image | None, base_px: Map, median_px: Map, believed: Mask) -> Candidates:
    """Every candidate, (H, W) with H and W even; see `evidence_of`.

    Without a second view a smooth surface through what is believed takes the second matcher's place.
    """
    behind = surfaces_behind(median_px)
    px = np.empty((CANDIDATES, *base_px.shape), np.float32)
    px[0], px[MEDIAN], px[BEHIND] = base_px, median_px, behind.px
    cv2.erode(base_px, np.ones((FARTHER_PX, FARTHER_PX), np.uint8), dst=px[FARTHER])
    if right is None:
        px[LOCAL] = smooth_surface(base_px, believed)
        return Candidates(px, behind, None)
    rows = np.ones((2 * AROUND_PX + 1, 1), np.uint8)  # `_plausible` would drop what lies beyond these ranges
    lowest_px, highest_px = (
        cv2.erode(base_px.min(1, keepdims=True), rows),
        cv2.dilate(base_px.max(1, keepdims=True), rows),
    )
    local = local_match(left, right, lowest_px.ravel(), highest_px.ravel())
    px[LOCAL] = _plausible(local.disparity_px, median_px)
    return Candidates(px, behind, local)


def _plausible(local_px: Map, median_px: Map) -> Map:
    """(H, W) the second matcher's (H/2, W/2) where the surroundings hold such a disparity at all, else the median."""
    coarse = np.ascontiguousarray(median_px[::AROUND_STEP, ::AROUND_STEP])
    kernel = np.ones((2 * AROUND_PX // AROUND_STEP + 1,) * 2, np.uint8)
    size = local_px.shape[::-1]
    low, high = (
        cv2.resize(spread(coarse, kernel), size, interpolation=cv2.INTER_NEAREST) for spread in (cv2.erode, cv2.dilate)
    )
    strange = (local_px < low - STRANGE_PX) | (local_px > high + STRANGE_PX)
    offered, full = np.where(strange, np.float32(np.nan), local_px), median_px.shape[::-1]
    offered = cv2.resize(offered, full, interpolation=cv2.INTER_NEAREST)
    return np.where(np.isnan(offered), median_px, offered)
