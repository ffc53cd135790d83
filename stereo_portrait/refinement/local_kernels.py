"""The compiled part of the second matcher; every loop runs along a row, so that it vectorises.

Costs are (H, steps, W) uint16 in units of 1 / WHOLE: averages are sums of products of 16 bits, for which processors
have an instruction.
"""

from typing import Any

import numba
import numpy as np

RADIUS_PX = 6
WINDOW = 2 * RADIUS_PX + 1
SHARPNESS = 10.0  # grey levels after which a neighbour counts 1/e
LEAST_WEIGHT = 0.03
COLOUR_CAP, SLOPE_CAP = 24.0, 8.0  # grey levels
WHOLE = 65535  # the cost 1
FASTMATH = {"contract", "reassoc", "nsz", "arcp", "nnan"}


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def average_along_rows(
    top: int, bottom: int, left: Any, right: Any, guide: Any, nearness: Any, first: int, wanted: Any, out: Any
) -> None:
    """Colour and slope differences, averaged along each row; `left` and `right` (H, 4, W), `guide` (H, 3, W).

    `wanted` (H, 2): from which step to before which. `out` is longer by RADIUS_PX rows at both ends, for the next pass
    to read beyond its window, where what it reads counts nothing.
    """
    width = out.shape[2]
    costs = np.zeros(width + 2 * RADIUS_PX, np.uint16)
    weights, shares = np.empty((WINDOW, width), np.float32), np.empty((WINDOW, width), np.uint16)
    for y in range(top, bottom):
        weights[:] = 0
        for i in range(WINDOW):
            start = min(max(0, RADIUS_PX - i), width)
            end = max(start, min(width, width + RADIUS_PX - i))
            _weights(guide[y], start, guide[y], start + i - RADIUS_PX, nearness[i], weights[i, start:end])
        _to_shares(weights, shares)
        for k in range(wanted[y, 0], wanted[y, 1]):
            start = min(max(0, first + k), width)
            end = max(start, min(width, width + first + k))
            costs[RADIUS_PX:-RADIUS_PX] = WHOLE
            _differences(left[y], start, right[y], start - first - k, costs[RADIUS_PX + start : RADIUS_PX + end])
            _averaged_along(costs, shares, out[RADIUS_PX + y, k])


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def average_along_columns(top: int, bottom: int, across: Any, guide: Any, nearness: Any, wanted: Any, out: Any) -> None:
    """The same along columns; `across` as the pass before leaves it."""
    height, _, width = out.shape
    weights, shares = np.empty((WINDOW, width), np.float32), np.empty((WINDOW, width), np.uint16)
    for y in range(top, bottom):
        weights[:] = 0  # beyond the picture nothing counts
        for v in range(max(0, y - RADIUS_PX), min(height, y + RADIUS_PX + 1)):
            i = v - y + RADIUS_PX
            _weights(guide[y], 0, guide[v], 0, nearness[i], weights[i])
        _to_shares(weights, shares)
        _averaged_across(across[y : y + WINDOW], shares, wanted[y], out[y])


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _weights(here: Any, start: int, there: Any, begin: int, nearness: Any, out: Any) -> None:
    """How much the pixels of one row (3, W) from `start` count for those of another from `begin`: alike, and near."""
    count = out.shape[0]
    red, green, blue = here[0, start : start + count], here[1, start : start + count], here[2, start : start + count]
    r, g, b = there[0, begin : begin + count], there[1, begin : begin + count], there[2, begin : begin + count]
    for x in range(count):
        unlike = abs(red[x] - r[x]) + abs(green[x] - g[x]) + abs(blue[x] - b[x])
        like = max(np.float32(1) - unlike * np.float32(1 / 3 / SHARPNESS / 1024), np.float32(0))
        for _ in range(10):  # to the 1024th power: the exponential
            like *= like
        weight = like * nearness
        out[x] = weight if weight >= np.float32(LEAST_WEIGHT) else np.float32(0)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _to_shares(weights: Any, shares: Any) -> None:
    """Weights (K, W) as whole numbers whose sum over K is WHOLE at most."""
    total = np.zeros(weights.shape[1], np.float32)
    for k in range(weights.shape[0]):
        total += weights[k]
    scale = np.float32(WHOLE) / total
    for k in range(weights.shape[0]):
        row, into = weights[k], shares[k]
        for x in range(row.shape[0]):
            into[x] = np.uint16(np.int32(row[x] * scale[x]))


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _differences(left: Any, start: int, right: Any, begin: int, out: Any) -> None:
    """Half the bounded difference in colour, half that in slope, of two rows (4, W) from `start` and from `begin`."""
    count = out.shape[0]
    red, green, blue = left[0, start : start + count], left[1, start : start + count], left[2, start : start + count]
    r, g, b = right[0, begin : begin + count], right[1, begin : begin + count], right[2, begin : begin + count]
    slope, s = left[3, start : start + count], right[3, begin : begin + count]
    for x in range(count):
        colour = min(abs(red[x] - r[x]) + abs(green[x] - g[x]) + abs(blue[x] - b[x]), np.float32(3 * COLOUR_CAP))
        steep = min(abs(slope[x] - s[x]), np.float32(SLOPE_CAP))
        cost = colour * np.float32(WHOLE / 6 / COLOUR_CAP) + steep * np.float32(WHOLE / 2 / SLOPE_CAP)
        out[x] = np.uint16(np.int32(min(cost, np.float32(WHOLE))))


@numba.njit(cache=True, inline="always")
def _part(share: Any, cost: Any) -> Any:
    """A share of WHOLE of a cost."""
    return np.uint16((np.uint32(share) * np.uint32(cost)) >> np.uint32(16))


@numba.njit(cache=True, nogil=True)
def _averaged_along(costs: Any, shares: Any, out: Any) -> None:
    """Sums over windows of a row; `costs` is longer by RADIUS_PX at both ends. The inner loop is unrolled."""
    for x in range(out.shape[0]):
        total = np.uint16(0)
        for i in range(WINDOW):
            total = np.uint16(total + _part(shares[i, x], costs[x + i]))
        out[x] = total


@numba.njit(cache=True, nogil=True)
def _averaged_across(costs: Any, shares: Any, wanted: Any, out: Any) -> None:
    """Sums over WINDOW rows of `costs`, those steps of it that are `wanted`."""
    for k in range(wanted[0], wanted[1]):
        sums = out[k]
        for x in range(sums.shape[0]):
            total = np.uint16(0)
            for i in range(WINDOW):
                total = np.uint16(total + _part(shares[i, x], costs[i, k, x]))
            sums[x] = total


@numba.njit(cache=True, nogil=True)
def find_winners(
    top: int, bottom: int, costs: Any, first: int, searched: Any, disparity: Any, agreed: Any, least: Any
) -> None:
    """Best disparity in full-size px, with its parabola's fraction; whether the right view agrees; its cost."""
    width = costs.shape[2]
    best, theirs = np.empty(width, np.int16), np.empty(width, np.int16)
    lowest, their_lowest = np.empty(width, np.uint16), np.empty(width, np.uint16)
    for y in range(top, bottom):
        begin, stop = searched[y]
        best[:] = begin
        theirs[:] = -1000
        lowest[:] = WHOLE
        their_lowest[:] = WHOLE
        for k in range(begin, stop):
            step, row = np.int16(k), costs[y, k]
            for x in range(width):  # loads in a branch would keep the loops from vectorising
                cost, kept, low = row[x], best[x], lowest[x]
                best[x] = step if cost < low else kept
                lowest[x] = min(cost, low)
            start = min(max(0, first + k), width)
            end = max(start, min(width, width + first + k))
            seen, those, their_low = row[start:end], theirs[start - first - k :], their_lowest[start - first - k :]
            for x in range(end - start):
                cost, kept, low = seen[x], those[x], their_low[x]
                those[x] = step if cost < low else kept
                their_low[x] = min(cost, low)
        for x in range(width):
            winner: Any = np.int64(best[x])
            cost = np.float32(lowest[x])
            least[y, x] = cost * np.float32(1 / WHOLE)
            fraction = np.float32(0)
            if begin < winner < stop - 1:
                before, after = np.float32(costs[y, winner - 1, x]), np.float32(costs[y, winner + 1, x])
                bend = before + after - np.float32(2) * cost
                if bend > np.float32(0):
                    fraction = (before - after) / (2 * bend)
            disparity[y, x] = np.float32(2) * (np.float32(first + winner) + fraction)
            at = x - first - winner
            agreed[y, x] = 0 <= at < width and abs(np.int64(theirs[at]) - winner) <= 1
