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
from numpy.typing import ArrayLike, NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.refinement.local_kernels import (
    RADIUS_PX,
    average_along_columns,
    average_along_rows,
    find_winners,
)

Map = NDArray[np.float32]
NEARNESS_PX = 5.0  # half-size pixels after which a neighbour counts 1/e
SPECKLE_PX = 30
MOST_STEPS = 384  # half-size disparities; a wider range is searched from its near end


@dataclass(frozen=True, slots=True, eq=False)
class LocalMatch:
    """What the local matcher says, at half size; disparities in full-size pixels."""

    costs: NDArray[np.uint16]  # (H/2, steps, W/2) in units of 1 / WHOLE: step k is disparity 2 (first_step + k) px
    first_step: int
    searched: NDArray[
        np.int16
    ]  # (H/2, 2) the first of the steps that a row's costs are known for, and one past the last
    disparity_px: Map  # (H/2, W/2): where both views agree, elsewhere filled from the background
    agreed: Mask  # (H/2, W/2)
    least: Map  # (H/2, W/2) the lowest cost, in [0, 1]


def local_match(left: Image, right: Image, lowest_px: ArrayLike, highest_px: ArrayLike) -> LocalMatch:
    """Match (H, W, 3) pictures of even size over lowest_px to highest_px: one number, or (H,), one for each row."""
    width, height = left.shape[1] // 2, left.shape[0] // 2
    halves = [cv2.resize(v, (width, height), interpolation=cv2.INTER_AREA) for v in (left, right)]
    first, searched = _steps(np.broadcast_to(lowest_px, 2 * height), np.broadcast_to(highest_px, 2 * height))
    costs = np.empty((height, int(searched.max()), width), np.uint16)
    across = np.empty((height + 2 * RADIUS_PX, *costs.shape[1:]), np.uint16)
    guide = np.ascontiguousarray(cv2.medianBlur(halves[0], 3).transpose(0, 2, 1), np.float32)
    nearness = np.exp(-np.abs(np.arange(-RADIUS_PX, RADIUS_PX + 1, dtype=np.float32)) / np.float32(NEARNESS_PX))
    window = np.ones((2 * RADIUS_PX + 1, 1), np.uint8)
    wanted = np.hstack([cv2.erode(searched[:, :1], window), cv2.dilate(searched[:, 1:], window)])
    in_bands(average_along_rows, height, costs.size, *map(_seen, halves), guide, nearness, first, wanted, across)
    in_bands(average_along_columns, height, costs.size, across, guide, nearness, searched, costs)
    disparity_px, least = np.empty((2, height, width), np.float32)
    agreed = np.empty((height, width), np.bool_)
    in_bands(find_winners, height, costs.size, costs, first, searched, disparity_px, agreed, least)
    marked = np.where(agreed, np.rint((disparity_px - 2 * first) * 16), -16000).astype(np.int16)
    cv2.filterSpeckles(marked, -16000, SPECKLE_PX, 40)
    agreed &= marked > -16000
    in_bands(_fill_from_background, height, agreed.size, disparity_px, agreed)
    return LocalMatch(costs, first, searched, disparity_px, agreed, least)


def _steps(lowest_px: Map, highest_px: Map) -> tuple[int, NDArray[np.int16]]:
    """The first step of all, and (H/2, 2) from which to before which a half-size row is searched, counted from it."""
    low, high = lowest_px.reshape(-1, 2).min(1), highest_px.reshape(-1, 2).max(1)
    last = np.ceil(high / 2) + 1
    first = np.maximum(np.floor(low / 2) - 1, last.max() - MOST_STEPS + 1)
    last = np.maximum(last, first + 1)
    return int(first.min()), np.stack([first - first.min(), last + 1 - first.min()], 1).astype(np.int16)


def _seen(picture: Image) -> Map:
    """(H, 4, W) red, green, blue and the slope of grey."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    return np.stack([*cv2.split(picture), slope], axis=1, dtype=np.float32)


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
