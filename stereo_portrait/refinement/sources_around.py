"""Where a pixel without a trusted value could take one from: the nearest trusted ones, a surface through them all."""

from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Mask

Map = NDArray[np.float32]
NEAREST = 4  # place of the nearest source of all


def sources_around(known: Mask) -> NDArray[np.int32]:
    """(5, H, W) flat index of the nearest known pixel to the left, right, above, below, and the nearest of these.

    -1 where there is none; a known pixel is its own source.
    """
    height, width = known.shape
    source = np.empty((5, height, width), np.int32)
    in_bands(_sideways, height, known.size, known, source)
    in_bands(_up_and_down, width, known.size, known, source)
    in_bands(_nearest, height, known.size, source)
    return source


def taken(values: Map, source: NDArray[np.int32], otherwise: Map) -> Map:
    """(H, W) the value at each pixel's source."""
    return np.where(source >= 0, values.ravel()[source], otherwise).astype(np.float32)


def smooth_surface(values: Map, known: Mask) -> Map:
    """(H, W) averages of what is known, from the finest scale that knows anything near (push and pull on a pyramid)."""
    weight = known.astype(np.float32)
    sums, weights = [np.where(known, values, np.float32(0)).astype(np.float32)], [weight]
    while min(sums[-1].shape) > 4:
        size = tuple(-(-n // 2) for n in sums[-1].shape[::-1])
        sums.append(cv2.resize(sums[-1], size, interpolation=cv2.INTER_AREA))
        weights.append(cv2.resize(weights[-1], size, interpolation=cv2.INTER_AREA))
    found = sums[-1] / np.maximum(weights[-1], 1e-6)
    for total, share in zip(sums[-2::-1], weights[-2::-1], strict=True):
        coarse = cv2.resize(found, total.shape[::-1], interpolation=cv2.INTER_LINEAR)
        found = np.where(share > 1e-3, total / np.maximum(share, 1e-6) * share, 0) + coarse * (1 - share)
    return np.asarray(found, np.float32)


@numba.njit(cache=True, nogil=True)
def _sideways(top: int, bottom: int, known: Any, source: Any) -> None:
    width = known.shape[1]
    for y in range(top, bottom):
        last = -1
        for x in range(width):
            if known[y, x]:
                last = y * width + x
            source[0, y, x] = last
        last = -1
        for x in range(width - 1, -1, -1):
            if known[y, x]:
                last = y * width + x
            source[1, y, x] = last


@numba.njit(cache=True, nogil=True)
def _up_and_down(first: int, end: int, known: Any, source: Any) -> None:
    """A band of columns."""
    height, width = known.shape
    for y in range(height):
        for x in range(first, end):
            above = source[2, y - 1, x] if y > 0 else -1
            source[2, y, x] = y * width + x if known[y, x] else above
    for y in range(height - 1, -1, -1):
        for x in range(first, end):
            below = source[3, y + 1, x] if y < height - 1 else -1
            source[3, y, x] = y * width + x if known[y, x] else below


@numba.njit(cache=True, nogil=True)
def _nearest(top: int, bottom: int, source: Any) -> None:
    width = source.shape[2]
    for y in range(top, bottom):
        for x in range(width):
            best = 1 << 30
            source[NEAREST, y, x] = -1
            for side in range(4):
                at = source[side, y, x]
                if at >= 0:
                    away = abs(at // width - y) + abs(at % width - x)
                    if away < best:
                        best = away
                        source[NEAREST, y, x] = at
