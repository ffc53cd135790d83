"""The compiled part of what the second view tells the guided network about every candidate.

What is far away in memory is fetched in loops of its own, as the others then vectorise: processors have no way to do
both at once that pays.
"""

from typing import Any

import numba
import numpy as np

from stereo_portrait.refinement.evidence_kernels import FASTMATH, fold, squeezed
from stereo_portrait.refinement.evidence_layout import COSTS, DIFFERENCE, SIDE_COSTS, SUPPORTS
from stereo_portrait.refinement.local_kernels import WHOLE

COST_CAP = 48.0  # grey levels: a worse match is no worse
COST_UNIT = 16.0  # grey levels
SUPPORT_SCALE = 4.0  # support costs lie in [0, 1], most below a third


@numba.njit(cache=True, inline="always")
def _apart(own: Any, a: Any, b: Any, share: Any) -> Any:
    """Difference of one channel to what lies between two pixels."""
    first, second = np.float32(np.int32(a & 255)), np.float32(np.int32(b & 255))
    return abs(np.float32(np.int32(own & 255)) - (first + share * (second - first)))


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _places(disparity: Any, shift: Any, columns: Any, places: Any, shares: Any, inside: Any) -> None:
    """Where x - d - shift lies in the right row: the pixel before it, how far towards the next, and 0 outside."""
    last = np.float32(columns.shape[0] - 1)
    for x in range(columns.shape[0]):
        at = columns[x] - disparity[x] - shift
        held = min(max(at, np.float32(0)), last)
        places[x] = np.int32(held)
        shares[x] = held - np.float32(np.int32(held))
        inside[x] = np.float32(1) if at == held else np.float32(0)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _row_costs(
    left: Any, right: Any, disparity: Any, shift: Any, columns: Any, places: Any, shares: Any, pairs: Any, out: Any
) -> None:
    """Mean absolute colour difference between left x and right x - d - shift, in COST_UNIT.

    left (W), right (W + 1) packed, its last column twice; columns is 0, 1, 2 and so on. `places`, `shares` (W) and
    `pairs` (2, W) are room to work in.
    """
    width = out.shape[0]
    _places(disparity, shift, columns, places, shares, out)
    first, second = pairs[0], pairs[1]
    for x in range(width):
        place = np.uint32(places[x])
        first[x] = right[place]
        second[x] = right[place + np.uint32(1)]
    for x in range(width):
        own, a, b, share = left[x], first[x], second[x], shares[x]
        total = _apart(own, a, b, share) + _apart(own >> 8, a >> 8, b >> 8, share)
        total += _apart(own >> 16, a >> 16, b >> 16, share)
        cost = min(total * np.float32(1 / 3), np.float32(COST_CAP)) * np.float32(1 / COST_UNIT)
        out[x] = cost if out[x] > 0 else np.float32(COST_CAP / COST_UNIT)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _row_slopes(
    grey: Any,
    there: Any,
    disparity: Any,
    columns: Any,
    places: Any,
    shares: Any,
    four: Any,
    products: Any,
    squares: Any,
) -> None:
    """The two sums that a sub-pixel step along the row is made of (Lucas and Kanade), from the four pixels around."""
    width = grey.shape[0]
    _places(disparity, np.float32(0), columns, places, shares, squares)
    before, first, second, after = four[0], four[1], four[2], four[3]
    last = np.int32(width - 1)
    for x in range(width):
        place = places[x]
        before[x] = there[np.uint32(max(place - np.int32(1), np.int32(0)))]
        first[x] = there[np.uint32(place)]
        second[x] = there[np.uint32(min(place + np.int32(1), last))]
        after[x] = there[np.uint32(min(place + np.int32(2), last))]
    for x in range(width):
        share = shares[x]
        wrong = grey[x] - (first[x] + share * (second[x] - first[x]))
        slope = second[x] - before[x] + share * (after[x] - second[x] - first[x] + before[x])
        # a large difference is another surface, or a reflection: no slope can explain it
        slope = np.float32(0) if abs(wrong) > np.float32(24) else slope * np.float32(0.5)
        products[x] = slope * wrong
        squares[x] = slope * slope


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
    raw_px: Any,
    right_px: Any,
    product: Any,
    square: Any,
) -> None:
    """What the right view says: costs, left-right difference, and the two sums of the sub-pixel steps.

    left (H, W) and right (H, W + 1) packed colours; the grey pictures float32.
    """
    count, _, width = candidates.shape
    columns = np.arange(width).astype(np.float32)
    own, row, shares = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    places, pairs, four = np.empty(width, np.int32), np.empty((2, width), np.int32), np.empty((4, width), np.float32)
    for y in range(top, bottom):
        base = candidates[0, y]
        for index in range(count + 2):
            side = index - count  # then the base once more, a pixel to either side
            tested, shift = (candidates[index, y], 0) if side < 0 else (base, 2 * side - 1)
            _row_costs(left[y], right[y], tested, np.float32(shift), columns, places, shares, pairs, row)
            for x in range(width):
                own[x] = row[x] if index == 0 else own[x]
                row[x] -= own[x] if side >= 0 else np.float32(0)
            fold(row, features, COSTS + index if side < 0 else SIDE_COSTS + side, y)
        for x in range(width):
            raw = raw_px[y, x] if raw_px[y, x] == raw_px[y, x] else base[x]  # NaN: nothing
            at = int(np.floor(columns[x] - raw + np.float32(0.5)))
            difference = np.float32(16)
            if 0 <= at < width:
                there = right_px[y, at]
                if not np.isnan(there):
                    difference = min(abs(there - raw), np.float32(16))
            row[x] = squeezed(difference)
        fold(row, features, DIFFERENCE, y)
        _row_slopes(grey_left[y], grey_right[y], base, columns, places, shares, four, product[y], square[y])


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_support(top: int, bottom: int, features: Any, candidates: Any, costs: Any, first: int, searched: Any) -> None:
    """The second matcher's cost of every candidate, between its whole steps along a line; rows of full size.

    What lies beyond the steps that were `searched` costs as much as the last of them.
    """
    count, _, width = candidates.shape
    half = costs.shape[2]
    row, shares = np.empty(width, np.float32), np.empty(width, np.float32)
    places, pairs = np.empty(width, np.int32), np.empty((2, width), np.uint16)
    lower, upper = pairs[0], pairs[1]
    for y in range(top, bottom):
        here = costs[y >> 1].ravel()
        lowest, highest = np.float32(searched[y >> 1, 0]), np.float32(searched[y >> 1, 1] - 1)
        for index in range(count):
            disparity = candidates[index, y]
            for x in range(width):
                at = disparity[x] * np.float32(0.5) - np.float32(first)
                at = min(max(at, lowest), highest)
                places[x] = np.int32(min(at, highest - np.float32(1)))
                shares[x] = at - np.float32(places[x])
            for x in range(width):
                place = np.uint32(places[x] * half + (x >> 1))
                lower[x] = here[place]
                upper[x] = here[place + np.uint32(half)]
            for x in range(width):
                low = np.float32(lower[x])
                row[x] = (low + shares[x] * (np.float32(upper[x]) - low)) * np.float32(SUPPORT_SCALE / WHOLE)
            fold(row, features, SUPPORTS + index, y)
