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
REACH_PX = 20.0  # distance over which it falls to a third


def filled_by_colour(photo: Image, depth: DepthMap) -> DepthMap:
    """Every hole becomes the mean inverse depth of the nearest measured pixels left, right, above and below.

    Weights are exp(-colour difference / COLOUR_SIGMA) / distance^4: nearly the nearest one, but an edge in the photo
    stops a value and steps between rows are smoothed. Measured pixels stay to the bit; a frame without any measurement
    stays empty.
    """
    holes = ~depth.known
    if not holes.any() or holes.all():
        return depth
    soft = cv2.boxFilter(photo, -1, (3, 3))
    inverse, near_px = _filled(depth.inverse_depth_per_m, soft, sources_around(~holes))
    with np.errstate(divide="ignore"):
        depth_m = np.where(holes, np.float32(1) / inverse, depth.depth_m).astype(np.float32)
    guess = np.float32(SURE) * np.exp(-near_px / np.float32(REACH_PX))
    confidence = np.where(holes, guess, depth.confidence).astype(np.float32)
    flaws = np.where(holes, depth.flaws | np.uint8(Flaw.FILLED), depth.flaws).astype(np.uint8)
    return replace(depth, depth_m=depth_m, confidence=confidence, flaws=flaws)


@numba.njit(cache=True, parallel=True)
def _filled(inverse: Any, photo: Any, sources: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(H, W) inverse depth without holes, and the distance in px to the nearest source."""
    height, width = inverse.shape
    out = inverse.copy()
    near = np.zeros((height, width), np.float32)
    for y in numba.prange(height):
        for x in range(width):
            if not np.isnan(inverse[y, x]):
                continue
            total, weight, nearest = 0.0, 0.0, 1e9
            for side in range(4):
                at = sources[side, y, x]
                if at < 0:
                    continue
                row, column = at // width, at % width
                away = float(abs(row - y) + abs(column - x))
                unlike = 0.0
                for channel in range(3):
                    unlike += abs(float(photo[y, x, channel]) - float(photo[row, column, channel])) / 3
                share = np.exp(-unlike / COLOUR_SIGMA) / away**4 + 1e-15
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
