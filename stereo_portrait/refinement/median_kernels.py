"""The compiled part of the weighted median: that most pixels already hold it is quick to see.

Arrays grown by `radius` on every side, and by BLOCK more on the right, hold float32 without NaN; what has no vote has
trust 0.
"""

from typing import Any

import numba
import numpy as np

BIN_PX = 0.25  # finer than any edge
GAP = 64  # pixels: a narrower gap between two runs is not worth a stop
HOLE = -1e6  # stands for NaN where neighbours are compared
LEAST_SIDE = 7  # votes a side that a first count needs
IN_REACH = 0.4  # share of the first count that makes a second worth while
BLOCK = 32  # runs of pixels, and votes, are looked at in multiples of this, which vectorise without a rest
FASTMATH = {"contract", "reassoc", "nsz", "arcp", "nnan"}


@numba.njit(cache=True, inline="always")
def _likeness(difference: Any, scale: Any) -> Any:
    """exp(-16 scale difference^2), nearly: a little narrower, and nothing beyond; multiplications vectorise."""
    y = max(np.float32(1) - scale * difference * difference, np.float32(0))
    for _ in range(4):
        y *= y
    return y


@numba.njit(cache=True, nogil=True)
def lay_out(
    top: int,
    bottom: int,
    found: Any,
    trust: Any,
    step: Any,
    radius: int,
    values: Any,
    votes: Any,
    known: Any,
    jumps: Any,
) -> None:
    """Rows of `found` and their votes into the grown arrays, 0 where nothing is known; what is known, and jumps.

    `jumps` (H, W) is 1 beside a step > `step` to a neighbour above, below, left or right, and at the rim of a hole.
    """
    height, width = found.shape
    room = np.empty((3, width + 2), np.float32)  # the row above, this one and the one below, longer by a pixel each way
    above, here, below = room[0], room[1], room[2]
    for y in range(top, bottom):
        for row in range(3):
            there, line = found[min(max(y + row - 1, 0), height - 1)], room[row]
            for x in range(width):
                line[x + 1] = there[x] if there[x] == there[x] else np.float32(HOLE)  # NaN
            line[0], line[width + 1] = line[1], line[width]
        value, vote, own, jump, sure = values[y + radius], votes[y + radius], known[y], jumps[y], trust[y]
        for x in range(width):
            level = here[x + 1]
            finite = abs(found[y, x]) < np.float32(np.inf)  # NaN compares false
            value[x + radius] = level if finite else np.float32(0)
            vote[x + radius] = sure[x] if finite else np.float32(0)
            own[x] = finite
            across = (abs(here[x] - level) > step) | (abs(here[x + 2] - level) > step)
            jump[x] = across | (abs(above[x + 1] - level) > step) | (abs(below[x + 1] - level) > step)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def median_rows(
    top: int,
    bottom: int,
    values: Any,
    trust: Any,
    guide: Any,
    where: Any,
    reach: Any,
    scale: Any,
    radius: int,
    stride: int,
    out: Any,
    changed: Any,
) -> None:
    """Rows of `out` become the weighted median where it lies farther than `reach` off; `changed` says where.

    `values`, `trust` and the planes of `guide` are grown, `reach` is at the right; the others are (H, W). A quarter of
    a large window's votes tells where a majority for another value is in reach; there all of them are counted.
    """
    width = where.shape[1]
    sparse = 2 * stride if len(range(0, 2 * radius + 1, 2 * stride)) >= LEAST_SIDE else stride
    needed = np.float32(IN_REACH if sparse > stride else 0.5)
    balance = np.empty((3, width + BLOCK), np.float32)
    count = (len(range(0, 2 * radius + 1, stride)) ** 2 + BLOCK - 1) // BLOCK * BLOCK
    told, votes, weights = np.zeros(count, np.float32), np.zeros(count, np.float32), np.zeros(count, np.float32)
    for y in range(top, bottom):
        end = 0
        while True:
            start = end
            while start < width and not where[y, start]:
                start += 1
            if start == width:
                break
            end, x = start, start
            while x < min(end + GAP, width):
                if where[y, x]:
                    end = x + 1
                x += 1
            _weigh(values, trust, guide, y, start, end, radius, sparse, reach[y], scale, balance)
            for x in range(start, end):
                total, below, above = balance[0, x - start], balance[1, x - start], balance[2, x - start]
                if where[y, x] and total > 0 and max(below, above) > needed * total:
                    _window(values, trust, guide, y, x, radius, stride, scale, told, votes, weights)
                    if sparse > stride and not _outvoted(values[y + radius, x + radius], told, weights, reach[y, x]):
                        continue
                    out[y, x] = _median(told, weights)
                    changed[y, x] = 1


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _weigh(
    values: Any,
    trust: Any,
    guide: Any,
    y: int,
    start: int,
    end: int,
    radius: int,
    stride: int,
    reach: Any,
    scale: Any,
    balance: Any,
) -> None:
    """For a run of pixels: the weight of all votes, of those more than `reach` below its value, and above."""
    count = (end - start + BLOCK - 1) // BLOCK * BLOCK
    total, below, above = balance[0, :count], balance[1, :count], balance[2, :count]
    balance[:, :count] = 0
    first, last = start + radius, start + radius + count
    own, allowed = values[y + radius, first:last], reach[start : start + count]
    red, green = guide[0, y + radius, first:last], guide[1, y + radius, first:last]
    blue = guide[2, y + radius, first:last]
    for j in range(y, y + 2 * radius + 1, stride):
        for i in range(0, 2 * radius + 1, stride):
            first, last = start + i, start + i + count
            beside, vote = values[j, first:last], trust[j, first:last]
            r, g, b = guide[0, j, first:last], guide[1, j, first:last], guide[2, j, first:last]
            for x in range(count):
                difference = abs(r[x] - red[x]) + abs(g[x] - green[x]) + abs(b[x] - blue[x])
                weight = _likeness(difference, scale) * vote[x]
                off = beside[x] - own[x]
                total[x] += weight
                below[x] += weight if off < -allowed[x] else np.float32(0)
                above[x] += weight if off > allowed[x] else np.float32(0)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _window(
    values: Any,
    trust: Any,
    guide: Any,
    y: int,
    x: int,
    radius: int,
    stride: int,
    scale: Any,
    told: Any,
    votes: Any,
    weights: Any,
) -> None:
    """What the pixels of one window say, and each one's weight."""
    side = 2 * radius + 1
    red, green, blue = (
        guide[0, y + radius, x + radius],
        guide[1, y + radius, x + radius],
        guide[2, y + radius, x + radius],
    )
    wide = len(range(0, side, stride))
    place = 0
    for j in range(y, y + side, stride):
        for i in range(wide):
            at, into = np.uint32(x + i * stride), np.uint32(place + i)
            told[into] = values[j, at]
            votes[into] = trust[j, at]
            weights[into] = abs(guide[0, j, at] - red) + abs(guide[1, j, at] - green) + abs(guide[2, j, at] - blue)
        place += wide
    for k in range(told.shape[0]):  # a few beyond the window have no vote
        weights[k] = _likeness(weights[k], scale) * votes[k]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _outvoted(own: Any, told: Any, weights: Any, reach: Any) -> Any:
    """Whether more than half of the votes lie farther than `reach` below the value, or above."""
    total, below, above = np.float32(0), np.float32(0), np.float32(0)
    for k in range(told.shape[0]):
        off = told[k] - own
        total += weights[k]
        below += weights[k] if off < -reach else np.float32(0)
        above += weights[k] if off > reach else np.float32(0)
    return max(below, above) > np.float32(0.5) * total


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _median(told: Any, weights: Any) -> Any:
    """The weighted mean of what lies within BIN_PX of the weighted median, found by halving the range."""
    total = np.float32(0)
    low, high = np.float32(1e9), np.float32(-1e9)
    for k in range(told.shape[0]):
        total += weights[k]
        low = min(low, told[k] if weights[k] > 0 else np.float32(1e9))
        high = max(high, told[k] if weights[k] > 0 else np.float32(-1e9))
    low -= np.float32(BIN_PX / 4)
    while high - low > np.float32(BIN_PX):
        middle = np.float32(0.5) * (low + high)
        if middle <= low or middle >= high:  # no number lies between: values of millions have coarser steps
            break
        below = np.float32(0)
        for k in range(told.shape[0]):
            below += weights[k] if told[k] <= middle else np.float32(0)
        if below >= np.float32(0.5) * total:
            high = middle
        else:
            low = middle
    weight, value = np.float32(0), np.float32(0)
    for k in range(told.shape[0]):
        share = weights[k] if low < told[k] <= high else np.float32(0)
        weight += share
        value += share * (told[k] - low)
    return low + value / weight if weight > 0 else high
