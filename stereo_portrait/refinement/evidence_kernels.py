"""The compiled part of what one view tells the guided network: row by row, each loop over neighbours in memory."""

from typing import Any

import numba
import numpy as np

from stereo_portrait.refinement.evidence_layout import (
    AWAY,
    OFFSETS,
    REASONS,
    RGB,
    SHAPE,
    TEXTURE,
    UNITS,
    UNLIKE,
    ZERO,
)

FAR_PX = 32.0  # a surface behind that is this far off counts a half
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


@numba.njit(cache=True, inline="always")
def squeezed(value: Any) -> Any:
    """Large steps stay distinct without drowning the small ones: into (-2, 2), half as steep at zero."""
    return np.float32(2) * value / (np.float32(4) + abs(value))


@numba.njit(cache=True, inline="always")
def _difference(one: Any, other: Any) -> Any:
    """Summed colour difference of two packed pixels, grey levels; one load each instead of three."""
    red = abs(np.int32((one & 255) - (other & 255)))
    green = abs(np.int32(((one >> 8) & 255) - ((other >> 8) & 255)))
    blue = abs(np.int32(((one >> 16) & 255) - ((other >> 16) & 255)))
    return np.float32(np.int32(red + green + blue))


@numba.njit(cache=True, inline="always")
def _byte(value: Any) -> Any:
    coded = value * np.float32(UNITS) + np.float32(ZERO + 0.5)
    return np.uint8(min(max(coded, np.float32(0)), np.float32(255)))


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fold(row: Any, features: Any, channel: int, y: int) -> None:
    """A row of pixels, as bytes, into the two planes of its channel."""
    plane = 4 * channel + 2 * (y & 1)
    left, right = features[plane, y >> 1], features[plane + 1, y >> 1]
    for column in range(left.shape[0]):
        left[column] = _byte(row[2 * column])
        right[column] = _byte(row[2 * column + 1])


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_pictures(
    top: int, bottom: int, features: Any, left: Any, grey: Any, soft: Any, source: Any, away_px: Any
) -> None:
    """Colour, texture, how like the surface behind is and how far off; rows of full size. `soft` is (H W), packed."""
    width = left.shape[1]
    row, there = np.empty(width, np.float32), np.empty(width, np.int32)
    for y in range(top, bottom):
        for channel in range(3):
            for x in range(width):
                row[x] = np.float32(left[y, x, channel]) * np.float32(1 / 128) - np.float32(1)
            fold(row, features, RGB + channel, y)
        for x in range(width):
            slope = grey[y, min(x + 1, width - 1)] - grey[y, max(x - 1, 0)]
            row[x] = min(abs(slope) * np.float32(1 / 32), np.float32(2))
        fold(row, features, TEXTURE, y)
        own, places, far = soft[y * width : (y + 1) * width], source[y], away_px[y]
        for x in range(width):
            there[x] = soft[np.uint32(places[x])]
        for x in range(width):
            row[x] = min(_difference(own[x], there[x]) * np.float32(1 / 48), np.float32(3))
        fold(row, features, UNLIKE, y)
        for x in range(width):
            row[x] = far[x] / (far[x] + np.float32(FAR_PX))
        fold(row, features, AWAY, y)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_shape(top: int, bottom: int, features: Any, candidates: Any, mean: Any, reasons: Any) -> None:
    """Where the candidates lie from the base, the base's own shape, and why the matcher rejected it."""
    count, height, width = candidates.shape
    row = np.empty(width, np.float32)
    for y in range(top, bottom):
        base, under = candidates[0, y], candidates[0, min(y + 1, height - 1)]
        for index in range(1, count):
            for x in range(width):
                row[x] = squeezed(candidates[index, y, x] - base[x])
            fold(row, features, OFFSETS + index - 1, y)
        for x in range(width):
            row[x] = squeezed(base[x] - mean[y, x])
        fold(row, features, SHAPE, y)
        for x in range(width - 1):
            row[x] = squeezed(base[x + 1] - base[x])
        row[width - 1] = 0
        fold(row, features, SHAPE + 1, y)
        for x in range(width):
            row[x] = squeezed(under[x] - base[x])
        fold(row, features, SHAPE + 2, y)
        for bit in range(2):
            for x in range(width):
                row[x] = np.float32((reasons[y, x] >> bit) & 1)
            fold(row, features, REASONS + bit, y)
