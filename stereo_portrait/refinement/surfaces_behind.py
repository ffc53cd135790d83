"""What lies behind a pixel's surface: plainly farther values seen beyond it in four directions.

A matcher that likes smooth surfaces closes the gaps between spokes and slats; what is seen through them is the
background that shows again beyond the rim.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands

Map = NDArray[np.float32]
FARTHER_PX = 2.0  # so much smaller a disparity is another surface
SAME_PX = 0.5  # so little above the one before is the same surface
BEYOND = 2  # px past the first farther pixel: edges are ramps


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """For every pixel the second farthest surface of those around; the pixel itself where fewer than two are farther.

    The farthest of all is often a stray.
    """

    px: Map  # (H, W)
    source: NDArray[np.int32]  # (H, W) flat index of the pixel that it was taken from
    away_px: Map  # (H, W) how far off that is


def surfaces_behind(disparity_px: Map) -> Behind:
    """The second farthest of the nearest values to the left, right, above and below that are farther by FARTHER_PX."""
    height, width = disparity_px.shape
    sideways = np.empty((2, height, width), np.int32)
    upright = np.empty((2, width, height), np.int32)
    in_bands(_along_rows, height, disparity_px.size, disparity_px, sideways)
    in_bands(_along_rows, width, disparity_px.size, np.ascontiguousarray(disparity_px.T), upright)
    px, away_px = np.empty((2, height, width), np.float32)
    source = np.empty((height, width), np.int32)
    in_bands(_second_farthest, height, disparity_px.size, disparity_px, sideways, upright, px, source, away_px)
    return Behind(px, source, away_px)


@numba.njit(cache=True, nogil=True)
def _along_rows(top: int, bottom: int, values: Any, found: Any) -> None:
    """Column of the nearest value to the left, and to the right, that is smaller by FARTHER_PX; its own where none."""
    width = values.shape[1]
    stack = np.empty(width, np.uint32)  # columns whose values ascend; what a smaller later value hides is gone
    heights = np.empty(width, np.float32)  # their values
    for y in range(top, bottom):
        row = values[y]
        for way in range(2):
            count, low = np.uint32(0), np.uint32(0)
            for step in range(width):
                x = np.uint32(step if way == 0 else width - 1 - step)
                value = row[x]
                limit = value - np.float32(FARTHER_PX)
                low = min(low, count)  # how many of the stack are below the limit: about as many as for the last pixel
                while low > 0 and heights[low - np.uint32(1)] >= limit:
                    low -= np.uint32(1)
                while low < count and heights[low] < limit:
                    low += np.uint32(1)
                at: Any = np.int32(x)
                if low > 0:
                    at = np.int32(stack[low - np.uint32(1)])
                    at = max(at - BEYOND, 0) if way == 0 else min(at + BEYOND, width - 1)
                found[way, y, x] = at
                while count > 0 and heights[count - np.uint32(1)] >= value:
                    count -= np.uint32(1)
                if count > 0 and value - heights[count - np.uint32(1)] < np.float32(SAME_PX):
                    stack[count - np.uint32(1)] = x
                    continue
                stack[count] = x
                heights[count] = value
                count += np.uint32(1)


@numba.njit(cache=True, nogil=True)
def _second_farthest(
    top: int, bottom: int, values: Any, sideways: Any, upright: Any, px: Any, source: Any, away_px: Any
) -> None:
    """The second smallest of four, by comparing pairs; what is far away in memory is fetched beforehand."""
    width = values.shape[1]
    flat = values.ravel()
    four, ways = np.empty((4, width), np.float32), np.empty((4, width), np.int32)
    columns = np.arange(width).astype(np.int32)
    for y in range(top, bottom):
        here = np.int32(y * width)
        for way in range(2):
            beside, aside, value = sideways[way, y], ways[way], four[way]
            for x in range(width):
                aside[x] = beside[x] - columns[x]
            for x in range(width):
                value[x] = flat[np.uint32(here + beside[x])]
            aside, value = ways[2 + way], four[2 + way]
            for x in range(width):
                row = upright[way, x, y]
                aside[x] = (row - np.int32(y)) * np.int32(width)
                value[x] = flat[np.uint32(row * width + x)]
        _second_of(four, ways, px[y], source[y])
        steps, away = source[y], away_px[y]
        for x in range(width):
            step = steps[x]  # along the row, or whole rows
            far = np.float32(abs(step))
            away[x] = far if far < np.float32(width) else far / np.float32(width)
            steps[x] = here + columns[x] + step


@numba.njit(cache=True, nogil=True)
def _second_of(four: Any, ways: Any, second: Any, way: Any) -> None:
    """The second smallest of each column of `four`, and the number in `ways` that goes with it."""
    for x in range(second.shape[0]):
        a, b, c, d = four[0, x], four[1, x], four[2, x], four[3, x]
        of_a, of_b, of_c, of_d = ways[0, x], ways[1, x], ways[2, x], ways[3, x]
        less, of_less = (a, of_a) if a <= b else (b, of_b)
        more, of_more = (b, of_b) if a <= b else (a, of_a)
        less_too, of_less_too = (c, of_c) if c <= d else (d, of_d)
        more_too, of_more_too = (d, of_d) if c <= d else (c, of_c)
        low, of_low = (less_too, of_less_too) if less_too >= less else (less, of_less)
        high, of_high = (more, of_more) if more <= more_too else (more_too, of_more_too)
        second[x] = low if low <= high else high
        way[x] = of_low if low <= high else of_high
