"""The compiled part of the sub-pixel steps: sums over two windows, row by row, that vectorise."""

from typing import Any

import numba
import numpy as np

from stereo_portrait.refinement.evidence_kernels import FASTMATH, fold
from stereo_portrait.refinement.evidence_layout import STEPS

NARROW, WIDE = 2, 6  # half of the windows' sides
LEAST_SLOPE = 4.0  # grey levels squared a pixel: steps over less are made smaller


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_steps(top: int, bottom: int, features: Any, product: Any, square: Any) -> None:
    """A sub-pixel step over each window from the two sums it is made of (Lucas and Kanade); rows of full size.

    Beyond its sides the picture, of more than WIDE pixels either way, is mirrored.
    """
    width = product.shape[1]
    columns = np.empty((2, 2, width + 2 * WIDE), np.float32)  # of window, of product and square
    sums, four = np.empty((2, 2, width), np.float32), np.empty(width + 2 * WIDE, np.float32)
    row = np.empty(width, np.float32)
    for y in range(top, bottom):
        for part in range(2):
            picture = product if part == 0 else square
            narrow, wide = columns[0, part], columns[1, part]
            _column_sums(picture, y, NARROW, 0, narrow)
            for x in range(WIDE, WIDE + width):
                wide[x] = narrow[x]
            _column_sums(picture, y, WIDE, NARROW + 1, wide)
            _mirrored(narrow)
            _mirrored(wide)
            _five(narrow, sums[0, part])
            _thirteen(wide, four, sums[1, part])
        for window in range(2):
            slopes, squares = sums[window, 0], sums[window, 1]
            side = 2 * (NARROW if window == 0 else WIDE) + 1
            least = np.float32(LEAST_SLOPE * side * side)
            for x in range(width):
                step = -slopes[x] / (squares[x] + least)
                row[x] = min(max(step, np.float32(-1)), np.float32(1))
            fold(row, features, STEPS + window, y)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _column_sums(picture: Any, y: int, reach: int, begun: int, out: Any) -> None:
    """Sums of the rows y - reach to y + reach; with `begun` those nearer than that are there already."""
    height, width = picture.shape
    inner = out[WIDE : WIDE + width]
    if begun == 0:
        here = picture[y]
        for x in range(width):
            inner[x] = here[x]
    for away in range(max(begun, 1), reach + 1):
        above, below = picture[_inside(y - away, height)], picture[_inside(y + away, height)]
        for x in range(width):
            inner[x] += above[x] + below[x]


@numba.njit(cache=True, inline="always")
def _inside(place: int, count: int) -> int:
    """Mirrored at the first and the last."""
    place = abs(place)
    place = place if place < count else 2 * (count - 1) - place
    return min(max(place, 0), count - 1)


@numba.njit(cache=True, nogil=True)
def _mirrored(row: Any) -> None:
    """Fill the ends of a row that is longer by WIDE on both sides."""
    width = row.shape[0] - 2 * WIDE
    for away in range(1, WIDE + 1):
        row[WIDE - away] = row[WIDE + _inside(-away, width)]
        row[WIDE + width - 1 + away] = row[WIDE + _inside(width - 1 + away, width)]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _five(row: Any, out: Any) -> None:
    first = row[WIDE - NARROW :]
    for x in range(out.shape[0]):
        out[x] = first[x] + first[x + 1] + first[x + 2] + first[x + 3] + first[x + 4]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _thirteen(row: Any, four: Any, out: Any) -> None:
    """By sums of four: fewer additions."""
    for x in range(row.shape[0] - 3):
        four[x] = row[x] + row[x + 1] + row[x + 2] + row[x + 3]
    for x in range(out.shape[0]):
        out[x] = four[x] + four[x + 4] + four[x + 8] + row[x + 12]
