"""What lies behind a pixel's surface: the nearest plainly farther values in four directions.

A matcher that likes smooth surfaces closes the gaps between spokes and slats; what is seen through them is the
background that shows again beyond the rim.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands

Map = NDArray[np.float32]
FARTHER_PX = 2.0  # so much smaller a disparity is another surface
BEYOND = 2  # px past the first farther pixel: edges are ramps


def surfaces_behind(disparity_px: Map) -> tuple[NDArray[np.int32], Map]:
    """(2, H, W) flat index and (2, H, W) distance in px of two sources of every pixel.

    They are the second and the third farthest surface of those to the left, to the right, above and below. A direction
    without a farther value counts as the pixel itself. The farthest of four is often a stray.
    """
    height, width = disparity_px.shape
    sideways = np.empty((2, height, width), np.int32)
    upright = np.empty((2, width, height), np.int32)
    in_bands(_along_rows, height, disparity_px.size, disparity_px, sideways)
    in_bands(_along_rows, width, disparity_px.size, np.ascontiguousarray(disparity_px.T), upright)
    chosen, away_px = np.empty((2, height, width), np.int32), np.empty((2, height, width), np.float32)
    in_bands(_middle_two, height, disparity_px.size, disparity_px, sideways, upright, chosen, away_px)
    return chosen, away_px


@numba.njit(cache=True, nogil=True)
def _along_rows(top: int, bottom: int, values: Any, found: Any) -> None:
    """Column of the nearest value to the left, and to the right, that is smaller by FARTHER_PX; -1 where none."""
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
                at: Any = -1
                if low > 0:
                    at = np.int32(stack[low - np.uint32(1)])
                    at = max(at - BEYOND, 0) if way == 0 else min(at + BEYOND, width - 1)
                found[way, y, x] = at
                while count > 0 and heights[count - np.uint32(1)] >= value:
                    count -= np.uint32(1)
                stack[count] = x
                heights[count] = value
                count += np.uint32(1)


@numba.njit(cache=True, nogil=True)
def _middle_two(top: int, bottom: int, values: Any, sideways: Any, upright: Any, chosen: Any, away_px: Any) -> None:
    width = values.shape[1]
    at, far = np.empty(4, np.int32), np.empty(4, np.int32)
    depth = np.empty(4, np.float32)
    for y in range(top, bottom):
        for x in range(width):
            for way in range(2):
                column, row = sideways[way, y, x], upright[way, x, y]
                beside, above = column if column >= 0 else x, row if row >= 0 else y
                at[way], far[way], depth[way] = y * width + beside, abs(beside - x), values[y, beside]
                at[2 + way], far[2 + way], depth[2 + way] = above * width + x, abs(above - y), values[above, x]
            for i in range(1, 4):  # four are sorted by hand sooner than by a call
                k = i
                while k > 0 and depth[k] < depth[k - 1]:
                    at[k], at[k - 1] = at[k - 1], at[k]
                    far[k], far[k - 1] = far[k - 1], far[k]
                    depth[k], depth[k - 1] = depth[k - 1], depth[k]
                    k -= 1
            for place in range(2):
                chosen[place, y, x] = at[1 + place]
                away_px[place, y, x] = far[1 + place]
