"""A second matcher that shares no flaw with SGBM: each pixel alone, judged by the pixels of like colour around it.

SGBM keeps surfaces smooth and so fattens edges and bridges gaps; adaptive support weights (Yoon & Kweon, "Adaptive
Support-Weight Approach for Correspondence Search", PAMI 2006; in two passes as Wang et al., "High-Quality Real-Time
Stereo Using Adaptive Cost Aggregation", 3DPVT 2006) do neither, and are lost where there is no texture. Costs are
colour and slope differences (Rhemann et al., "Fast Cost-Volume Filtering", CVPR 2011). Works at half size.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, Mask

Map = NDArray[np.float32]
RADIUS_PX = 6  # of half-size pixels
SHARPNESS = 10.0  # grey levels after which a neighbour counts 1/e
NEARNESS_PX = 5.0  # half-size pixels after which a neighbour counts 1/e
LEAST_WEIGHT = 0.03
COLOUR_CAP, SLOPE_CAP = 24.0, 8.0  # grey levels
SPECKLE_PX = 30
WHOLE = 65535.0  # the cost 1, as it is kept
MOST_STEPS = 384  # half-size disparities; a wider range is searched from its near end


@dataclass(frozen=True, slots=True, eq=False)
class LocalMatch:
    """What the local matcher says, at half size; disparities in full-size pixels."""

    costs: NDArray[np.uint16]  # (H/2, W/2, steps) in units of 1 / WHOLE: step k is disparity 2 (first_step + k) px
    first_step: int
    disparity_px: Map  # (H/2, W/2): where both views agree, elsewhere filled from the background
    agreed: Mask  # (H/2, W/2)
    least: Map  # (H/2, W/2) the lowest cost, in [0, 1]


def local_match(left: Image, right: Image, lowest_px: float, highest_px: float) -> LocalMatch:
    """Match (H, W, 3) pictures of even size over disparities lowest_px to highest_px."""
    size = (left.shape[1] // 2, left.shape[0] // 2)
    small_left, small_right = (cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (left, right))
    last = int(np.ceil(highest_px / 2)) + 1
    first = max(int(np.floor(lowest_px / 2)) - 1, last - MOST_STEPS + 1)
    costs = np.empty((size[1], size[0], last - first + 1), np.uint16)
    guide = cv2.medianBlur(small_left, 3)
    likeness = np.exp(-np.arange(3 * 256, dtype=np.float32) / np.float32(3 * SHARPNESS))
    nearness = np.exp(-np.arange(RADIUS_PX + 1, dtype=np.float32) / np.float32(NEARNESS_PX))
    across = np.empty_like(costs)
    weights = (guide, likeness, nearness)
    views = (small_left, small_right, _slopes(small_left), _slopes(small_right))
    in_bands(_rows, size[1], costs.size, *views, *weights, first, across)
    in_bands(_columns, size[1], costs.size, across, *weights, costs)
    disparity_px, least = np.empty((2, *guide.shape[:2]), np.float32)
    agreed = np.empty(guide.shape[:2], np.bool_)
    in_bands(_winners, size[1], costs.size, costs, first, disparity_px, agreed, least)
    marked = np.where(agreed, np.rint(disparity_px * 16), -16000).astype(np.int16)
    cv2.filterSpeckles(marked, -16000, SPECKLE_PX, 40)
    agreed &= marked > -16000
    in_bands(_fill_from_background, size[1], agreed.size, disparity_px, agreed)
    return LocalMatch(costs, first, disparity_px, agreed, least)


def _slopes(picture: Image) -> Map:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1, scale=0.5), np.float32)


@numba.njit(cache=True, inline="always")
def _unlike(guide: Any, y: int, x: int, v: int, u: int) -> Any:
    """Summed colour difference of two pixels, grey levels."""
    total: Any = 0
    for channel in range(3):
        total += abs(np.int32(guide[y, x, channel]) - np.int32(guide[v, u, channel]))
    return total


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def _rows(
    top: int,
    bottom: int,
    left: Any,
    right: Any,
    slope_left: Any,
    slope_right: Any,
    guide: Any,
    likeness: Any,
    nearness: Any,
    first: int,
    out: Any,
) -> None:
    """Costs, averaged along each row. The right row lies reversed, so that it is read forwards."""
    _, width, steps = out.shape
    row, sums = np.empty((width, steps), np.float32), np.empty(steps, np.float32)
    there = np.empty((4, width), np.float32)
    for y in range(top, bottom):
        for u in range(width):
            for channel in range(3):
                there[channel, width - 1 - u] = right[y, u, channel]
            there[3, width - 1 - u] = slope_right[y, u]
        red, green, blue, slopes = there[0], there[1], there[2], there[3]
        for x in range(width):
            costs = row[x]
            begin = min(max(0, x - first - (width - 1)), steps)
            end = max(begin, min(steps, x - first + 1))
            costs[:begin] = WHOLE
            costs[end:] = WHOLE
            shift = width - 1 - x + first
            r, g, b = np.float32(left[y, x, 0]), np.float32(left[y, x, 1]), np.float32(left[y, x, 2])
            slope = slope_left[y, x]
            for k in range(begin, end):
                at = shift + k
                colour = abs(r - red[at]) + abs(g - green[at]) + abs(b - blue[at])
                unlike_slope = min(abs(slope - slopes[at]), np.float32(SLOPE_CAP)) * np.float32(WHOLE / 2 / SLOPE_CAP)
                costs[k] = min(colour, np.float32(3 * COLOUR_CAP)) * np.float32(WHOLE / 6 / COLOUR_CAP) + unlike_slope
        for x in range(width):
            sums[:] = 0
            total = np.float32(0)
            for u in range(max(0, x - RADIUS_PX), min(width, x + RADIUS_PX + 1)):
                weight = likeness[_unlike(guide, y, x, y, u)] * nearness[abs(u - x)]
                if weight >= np.float32(LEAST_WEIGHT):
                    total += weight
                    beside = row[u]
                    for k in range(steps):
                        sums[k] += weight * beside[k]
            share = np.float32(1) / total
            for k in range(steps):
                out[y, x, k] = np.uint16(sums[k] * share)


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def _columns(top: int, bottom: int, across: Any, guide: Any, likeness: Any, nearness: Any, out: Any) -> None:
    """The same along columns."""
    height, width, steps = out.shape
    sums = np.empty(steps, np.float32)
    for y in range(top, bottom):
        for x in range(width):
            sums[:] = 0
            total = np.float32(0)
            for v in range(max(0, y - RADIUS_PX), min(height, y + RADIUS_PX + 1)):
                weight = likeness[_unlike(guide, y, x, v, x)] * nearness[abs(v - y)]
                if weight >= np.float32(LEAST_WEIGHT):
                    total += weight
                    there = across[v, x]
                    for k in range(steps):
                        sums[k] += weight * there[k]
            share = np.float32(1) / total
            for k in range(steps):
                out[y, x, k] = np.uint16(sums[k] * share)


@numba.njit(cache=True, nogil=True)
def _winners(top: int, bottom: int, costs: Any, first: int, disparity: Any, agreed: Any, least: Any) -> None:
    """Best disparity with its parabola's fraction in full-size px, whether the right view agrees, its cost."""
    _, width, steps = costs.shape
    for y in range(top, bottom):
        winner = np.empty(width, np.int32)
        theirs = np.full(width, -1000, np.int32)
        their_cost = np.full(width, 1 << 20, np.int32)
        for x in range(width):
            best, lowest = 0, np.int32(1 << 20)
            for k in range(steps):
                cost = np.int32(costs[y, x, k])
                if cost < lowest:
                    best, lowest = k, cost
                at = x - first - k
                if 0 <= at < width and cost < their_cost[at]:
                    their_cost[at], theirs[at] = cost, k
            winner[x] = best
            least[y, x] = np.float32(lowest) * np.float32(1 / WHOLE)
            fraction = np.float32(0)
            if 0 < best < steps - 1:
                before, after = np.float32(costs[y, x, best - 1]), np.float32(costs[y, x, best + 1])
                bend = before + after - np.float32(2 * lowest)
                if bend > np.float32(0):
                    fraction = (before - after) / (2 * bend)
            disparity[y, x] = np.float32(2) * (np.float32(first + best) + fraction)
        for x in range(width):
            at = x - first - winner[x]
            agreed[y, x] = 0 <= at < width and abs(theirs[at] - winner[x]) <= 1


@numba.njit(cache=True, nogil=True)
def _fill_from_background(top: int, bottom: int, disparity: Any, agreed: Any) -> None:
    """In place: what both views do not agree on takes the smaller of the nearest agreed values in its row."""
    width = disparity.shape[1]
    for y in range(top, bottom):
        x = 0
        while x < width:
            if agreed[y, x]:
                x += 1
                continue
            end = x
            while end < width and not agreed[y, end]:
                end += 1
            if x > 0 or end < width:
                before = disparity[y, x - 1] if x > 0 else disparity[y, end]
                after = disparity[y, end] if end < width else before
                disparity[y, x:end] = min(before, after)
            x = end
