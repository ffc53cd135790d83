"""The disparities that the guided network chooses among at every pixel."""

from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
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
    rows = np.ones((2 * AROUND_PX + 1, 1), np.uint8)  # `_where_plausible` would drop what lies beyond these ranges
    lowest_px = cv2.erode(base_px.min(1, keepdims=True), rows)
    highest_px = cv2.dilate(base_px.max(1, keepdims=True), rows)
    local = local_match(left, right, lowest_px.ravel(), highest_px.ravel())
    low_px, high_px = _around(median_px)
    in_bands(_where_plausible, len(median_px), px.size, local.disparity_px, low_px, high_px, median_px, px[LOCAL])
    return Candidates(px, behind, local)


def _around(median_px: Map) -> tuple[Map, Map]:
    """The lowest and the highest disparity within AROUND_PX, for every AROUND_STEP-th pixel."""
    coarse = np.ascontiguousarray(median_px[::AROUND_STEP, ::AROUND_STEP])
    window = np.ones((2 * AROUND_PX // AROUND_STEP + 1,) * 2, np.uint8)
    return cv2.erode(coarse, window), cv2.dilate(coarse, window)


@numba.njit(cache=True, nogil=True)
def _where_plausible(top: int, bottom: int, local: Any, low: Any, high: Any, median: Any, out: Any) -> None:
    """The second matcher's (H/2, W/2) where the surroundings hold such a disparity at all, else the median."""
    for y in range(top, bottom):
        half, least, most, safe, into = local[y >> 1], low[y // AROUND_STEP], high[y // AROUND_STEP], median[y], out[y]
        for x in range(into.shape[0]):
            offered, far = half[x >> 1], x // AROUND_STEP
            within = (offered >= least[far] - np.float32(STRANGE_PX)) & (offered <= most[far] + np.float32(STRANGE_PX))
            into[x] = offered if within else safe[x]
