"""The compiled part of the guided network's evidence: row by row, each loop over neighbours in memory."""

from typing import Any

import numba
import numpy as np

from stereo_portrait.refinement.evidence_layout import (
    AWAY,
    COSTS,
    DIFFERENCE,
    OFFSETS,
    REASONS,
    RGB,
    SHAPE,
    SIDE_COSTS,
    SUPPORTS,
    TEXTURE,
    UNLIKE,
)
from stereo_portrait.refinement.local_match import WHOLE

COST_CAP = 48.0  # grey levels: a worse match is no worse
COST_UNIT = 16.0  # grey levels
FAR_PX = 32.0  # a surface behind that is this far off counts a half
SUPPORT_SCALE = 4.0  # support costs lie in [0, 1], most below a third
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


@numba.njit(cache=True, inline="always")
def _squeezed(value: Any) -> Any:
    """Large steps stay distinct without drowning the small ones: into (-2, 2), half as steep at zero."""
    return np.float32(2) * value / (np.float32(4) + abs(value))


@numba.njit(cache=True, inline="always")
def _fold(row: Any, features: Any, channel: int, y: int) -> None:
    """A row of pixels into the two planes of its channel."""
    left, right = features[4 * channel + 2 * (y & 1), y >> 1], features[4 * channel + 2 * (y & 1) + 1, y >> 1]
    for column in range(left.shape[0]):
        left[column] = row[2 * column]
        right[column] = row[2 * column + 1]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_pictures(
    top: int, bottom: int, features: Any, left: Any, grey: Any, soft: Any, sources: Any, away_px: Any
) -> None:
    """Colour, texture, and how like the sources are; rows of full size. `soft` is (H W, 3)."""
    width = left.shape[1]
    row = np.empty(width, np.float32)
    for y in range(top, bottom):
        for channel in range(3):
            for x in range(width):
                row[x] = np.float32(left[y, x, channel]) * np.float32(1 / 128) - np.float32(1)
            _fold(row, features, RGB + channel, y)
        for x in range(width):
            slope = grey[y, min(x + 1, width - 1)] - grey[y, max(x - 1, 0)]
            row[x] = min(abs(slope) * np.float32(1 / 32), np.float32(2))
        _fold(row, features, TEXTURE, y)
        for side in range(sources.shape[0]):
            for x in range(width):
                here, at = y * width + x, sources[side, y, x]
                total = np.float32(144)  # nothing there: as unlike as can be
                if at >= 0:
                    total = np.float32(0)
                    for channel in range(3):
                        total += abs(np.float32(soft[here, channel]) - np.float32(soft[at, channel]))
                row[x] = min(total * np.float32(1 / 48), np.float32(3))
            _fold(row, features, UNLIKE + side, y)
        for place in range(away_px.shape[0]):
            for x in range(width):
                away = away_px[place, y, x]
                row[x] = away / (away + np.float32(FAR_PX))
            _fold(row, features, AWAY + place, y)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_shape(top: int, bottom: int, features: Any, candidates: Any, mean: Any, reasons: Any) -> None:
    """Where the candidates lie from the base, the base's own shape, and why the matcher rejected it."""
    count, height, width = candidates.shape
    row = np.empty(width, np.float32)
    for y in range(top, bottom):
        base, under = candidates[0, y], candidates[0, min(y + 1, height - 1)]
        for index in range(1, count):
            for x in range(width):
                row[x] = _squeezed(candidates[index, y, x] - base[x])
            _fold(row, features, OFFSETS + index - 1, y)
        for x in range(width):
            row[x] = _squeezed(base[x] - mean[y, x])
        _fold(row, features, SHAPE, y)
        for x in range(width - 1):
            row[x] = _squeezed(base[x + 1] - base[x])
        row[width - 1] = 0
        _fold(row, features, SHAPE + 1, y)
        for x in range(width):
            row[x] = _squeezed(under[x] - base[x])
        _fold(row, features, SHAPE + 2, y)
        for bit in range(2):
            for x in range(width):
                row[x] = np.float32((reasons[y, x] >> bit) & 1)
            _fold(row, features, REASONS + bit, y)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _row_costs(left: Any, right: Any, disparity: Any, shift: Any, columns: Any, out: Any) -> None:
    """Mean absolute colour difference between left x and right x - d - shift, in COST_UNIT.

    left (3, W), right (3, W + 1), its last column twice; columns is 0, 1, 2 and so on.
    """
    width = out.shape[0]
    last = np.float32(width - 1)
    for x in range(width):
        at = columns[x] - disparity[x] - shift
        inside = min(max(at, np.float32(0)), last)
        first = np.int32(inside)
        share = inside - np.float32(first)
        place = np.uint32(first)
        a, b = right[0, place], right[0, place + np.uint32(1)]
        total = abs(left[0, x] - (a + share * (b - a)))
        a, b = right[1, place], right[1, place + np.uint32(1)]
        total += abs(left[1, x] - (a + share * (b - a)))
        a, b = right[2, place], right[2, place + np.uint32(1)]
        total += abs(left[2, x] - (a + share * (b - a)))
        cost = min(total * np.float32(1 / 3), np.float32(COST_CAP)) * np.float32(1 / COST_UNIT)
        out[x] = cost if at == inside else np.float32(COST_CAP / COST_UNIT)


@numba.njit(cache=True, inline="always")
def _at(row: Any, at: Any) -> Any:
    """Linear interpolation in a row, the last value beyond its ends."""
    last = row.shape[0] - 1
    at = min(max(at, np.float32(0)), np.float32(last))
    first = int(at)
    a, b = row[first], row[min(first + 1, last)]
    return a + (at - np.float32(first)) * (b - a)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_costs(
    top: int,
    bottom: int,
    features: Any,
    candidates: Any,
    left: Any,
    right: Any,
    grey_left: Any,
    grey_right: Any,
    right_px: Any,
    product: Any,
    square: Any,
) -> None:
    """What the right view says: costs, left-right difference, and the two sums of the sub-pixel steps.

    left (H, 3, W) and right (H, 3, W + 1) float32 grey levels.
    """
    count, _, width = candidates.shape
    columns = np.arange(width).astype(np.float32)
    own, row = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(top, bottom):
        base = candidates[0, y]
        _row_costs(left[y], right[y], base, np.float32(0), columns, own)
        _fold(own, features, COSTS, y)
        for index in range(1, count):
            _row_costs(left[y], right[y], candidates[index, y], np.float32(0), columns, row)
            _fold(row, features, COSTS + index, y)
        for side in range(2):
            _row_costs(left[y], right[y], base, np.float32(2 * side - 1), columns, row)
            for x in range(width):
                row[x] -= own[x]
            _fold(row, features, SIDE_COSTS + side, y)
        for x in range(width):
            raw = candidates[1, y, x]
            at = int(np.floor(columns[x] - raw + np.float32(0.5)))
            difference = np.float32(16)
            if 0 <= at < width:
                there = right_px[y, at]
                if not np.isnan(there):
                    difference = min(abs(there - raw), np.float32(16))
            row[x] = _squeezed(difference)
            where = columns[x] - base[x]
            wrong = grey_left[y, x] - _at(grey_right[y], where)
            slope = _at(grey_right[y], where + np.float32(1)) - _at(grey_right[y], where - np.float32(1))
            slope *= np.float32(0.5)
            if abs(wrong) > np.float32(24):
                slope = np.float32(0)  # another surface, or a reflection: no slope can explain it
            product[y, x] = slope * wrong
            square[y, x] = slope * slope
        _fold(row, features, DIFFERENCE, y)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_support(top: int, bottom: int, features: Any, candidates: Any, costs: Any, first: int) -> None:
    """The second matcher's cost of every candidate, between its whole steps along a line; rows of full size."""
    count, _, width = candidates.shape
    steps = costs.shape[2]
    row = np.empty(width, np.float32)
    for y in range(top, bottom):
        for index in range(count):
            for x in range(width):
                at = candidates[index, y, x] * np.float32(0.5) - np.float32(first)
                at = min(max(at, np.float32(0)), np.float32(steps - 1))
                low = np.int32(at)
                here = costs[y >> 1, x >> 1]
                lower, upper = np.float32(here[low]), np.float32(here[min(low + 1, steps - 1)])
                row[x] = (lower + (at - np.float32(low)) * (upper - lower)) * np.float32(SUPPORT_SCALE / WHOLE)
            _fold(row, features, SUPPORTS + index, y)
