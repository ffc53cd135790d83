"""Holes in a depth camera's frame, filled by what is measured around them and alike in colour."""

from dataclasses import replace
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image
from stereo_portrait.core.depth import DepthMap, Flaw
from stereo_portrait.refinement.sources_around import sources_around

COLOUR_SIGMA = 16.0  # grey levels: how unlike a source may be and still count
SURE = 0.4  # confidence of a filled pixel beside a measured one
FADING_PX = 20.0  # distance over which it falls to a third
REACH_PX = 64  # how far to look in every direction
DIRECTIONS = np.stack([f(np.arange(16) * np.pi / 8) for f in (np.sin, np.cos)], axis=1).astype(np.float32)
"""(dy, dx) of unit length."""


def filled_by_colour(photo: Image, depth: DepthMap) -> DepthMap:
    """Every hole becomes the mean inverse depth of the nearest measured pixels in sixteen directions.

    Weights are exp(-colour difference / COLOUR_SIGMA) / distance^4, the difference being the largest on the way: nearly
    the nearest one, but an edge in the photo stops a value. Where all are farther than REACH_PX, the nearest in row and
    column are asked. Measured pixels stay to the bit; a frame without any measurement stays empty.
    """
    holes = ~depth.known
    if not holes.any() or holes.all():
        return depth
    soft = cv2.boxFilter(photo, -1, (3, 3))
    inverse, near_px = _filled(depth.inverse_depth_per_m, soft, DIRECTIONS, sources_around(~holes))
    with np.errstate(divide="ignore"):
        depth_m = np.where(holes, np.float32(1) / inverse, depth.depth_m).astype(np.float32)
    guess = np.float32(SURE) * np.exp(-near_px / np.float32(FADING_PX))
    confidence = np.where(holes, guess, depth.confidence).astype(np.float32)
    flaws = np.where(holes, depth.flaws | np.uint8(Flaw.FILLED), depth.flaws).astype(np.uint8)
    return replace(depth, depth_m=depth_m, confidence=confidence, flaws=flaws)


@numba.njit(cache=True, inline="always")
def _unlike(photo: Any, y: int, x: int, row: int, column: int) -> Any:
    """Mean absolute colour difference of two pixels, grey levels."""
    total = np.float32(0)
    for channel in range(3):
        total += abs(np.float32(photo[y, x, channel]) - np.float32(photo[row, column, channel]))
    return total / np.float32(3)


@numba.njit(cache=True, parallel=True)
def _filled(inverse: Any, photo: Any, directions: Any, sources: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(H, W) inverse depth without holes, and the distance in px to the nearest source."""
    height, width = inverse.shape
    out = inverse.copy()
    near = np.zeros((height, width), np.float32)
    for y in numba.prange(height):
        for x in range(width):
            if not np.isnan(inverse[y, x]):
                continue
            total, weight, nearest = 0.0, 0.0, 1e9
            for k in range(directions.shape[0]):
                unlike = np.float32(0)
                for step in range(1, REACH_PX + 1):
                    row = y + int(np.rint(step * directions[k, 0]))
                    column = x + int(np.rint(step * directions[k, 1]))
                    if row < 0 or row >= height or column < 0 or column >= width:
                        break
                    unlike = max(unlike, _unlike(photo, y, x, row, column))
                    if not np.isnan(inverse[row, column]):
                        share = np.exp(-float(unlike) / COLOUR_SIGMA) / float(step) ** 4 + 1e-15
                        total += share * inverse[row, column]
                        weight += share
                        nearest = min(nearest, float(step))
                        break
            if weight == 0:
                for side in range(4):
                    at = sources[side, y, x]
                    if at < 0:
                        continue
                    row, column = at // width, at % width
                    away = float(abs(row - y) + abs(column - x))
                    share = np.exp(-float(_unlike(photo, y, x, row, column)) / COLOUR_SIGMA) / away**4 + 1e-15
                    total += share * inverse[row, column]
                    weight += share
                    nearest = min(nearest, away)
            if weight > 0:
                out[y, x] = total / weight
                near[y, x] = nearest
            else:  # neither its row nor its column holds a measurement
                out[y, x] = -1
    for y in range(height):  # such pixels take what was found above or below them
        for x in range(width):
            if out[y, x] < 0 and y > 0:
                out[y, x], near[y, x] = out[y - 1, x], near[y - 1, x] + 1
    for y in range(height - 1, -1, -1):
        for x in range(width):
            if out[y, x] < 0 and y < height - 1:
                out[y, x], near[y, x] = out[y + 1, x], near[y + 1, x] + 1
    return out, near
