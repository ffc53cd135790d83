"""Compiled loops of the live depth: fill holes, steady over time, enlarge to the photo. All take bands of rows."""

from typing import Any

import numba
import numpy as np

ALIKE_PX = 1.0  # working pixels of disparity: closer values lie on one surface
PATIENCE = 4  # frames in a row in which a still pixel must disagree with what was held before it is believed
COLOUR_TOLERANCE = 36.0  # sum over three channels


@numba.njit(cache=True, nogil=True)
def fill_rows(first: int, last: int, disparity: Any, filled: Any) -> None:
    """Each hole takes the farther of its nearest known neighbours in the row; an empty row stays NaN."""
    width = disparity.shape[1]
    for y in range(first, last):
        x = 0
        before = np.float32(np.nan)
        while x < width:
            if not np.isnan(disparity[y, x]):
                before = disparity[y, x]
                filled[y, x] = before
                x += 1
                continue
            end = x
            while end < width and np.isnan(disparity[y, end]):
                end += 1
            after = disparity[y, end] if end < width else np.float32(np.nan)
            value = before if np.isnan(after) or before < after else after
            for i in range(x, end):
                filled[y, i] = value
            x = end


@numba.njit(cache=True, nogil=True)
def steady(
    first: int,
    last: int,
    found: Any,
    moved: Any,
    held: Any,
    seen: Any,
    doubt: Any,
    least_share: float,
) -> None:
    """Bring `held` up to date with `found`, in place.

    Where the picture moved (or nothing is held) the new value counts at once. Where it stands still, a like value is
    averaged in, with a share of at least `least_share`; an unlike one is held back until it has come PATIENCE times
    in a row; no value at all changes nothing.
    """
    for y in range(first, last):
        for x in range(found.shape[1]):
            new, old = found[y, x], held[y, x]
            if moved[y, x] or np.isnan(old):
                held[y, x] = new
                seen[y, x] = 1
                doubt[y, x] = 0
            elif not np.isnan(new):
                if abs(new - old) < ALIKE_PX:
                    count: Any = min(np.int32(seen[y, x]) + 1, 250)
                    share = max(np.float32(least_share), np.float32(1) / np.float32(count))
                    held[y, x] = old + (new - old) * share
                    seen[y, x] = count
                    doubt[y, x] = 0
                elif np.int32(doubt[y, x]) + 1 >= PATIENCE:
                    held[y, x] = new
                    seen[y, x] = 1
                    doubt[y, x] = 0
                else:
                    doubt[y, x] = np.int32(doubt[y, x]) + 1


@numba.njit(cache=True, nogil=True)
def change(first: int, last: int, picture: Any, mean: Any, still: Any, out: Any) -> None:
    """(h, w) largest difference of the channels to the running mean, grey levels.

    A mean of n noisy frames is noisy itself; the difference is divided by sqrt(1 + 1 / n), so that noise of one sigma
    looks the same however long a pixel has been still.
    """
    for y in range(first, last):
        for x in range(picture.shape[1]):
            worst = np.float32(0)
            for c in range(picture.shape[2]):
                apart = abs(np.float32(picture[y, x, c]) - mean[y, x, c])
                worst = apart if apart > worst else worst
            out[y, x] = worst / np.sqrt(np.float32(1) + np.float32(1) / np.float32(max(still[y, x], 1)))


@numba.njit(cache=True, nogil=True)
def count_still(first: int, last: int, moved: Any, still: Any) -> None:
    """How many frames each pixel has been still, this one included: 1 where it moved just now, at most 250."""
    for y in range(first, last):
        for x in range(still.shape[1]):
            if moved[y, x]:
                still[y, x] = 1
            elif still[y, x] < 250:
                still[y, x] += 1


@numba.njit(cache=True, nogil=True)
def settle_light(first: int, last: int, picture: Any, still: Any, mean: Any, least_share: float, calm: Any) -> None:
    """Running mean of the picture where it is still, the picture itself where it moves; `calm` is the mean in uint8.

    `still` may be on a smaller grid. Equal weights at first, then the newest frame counts at least `least_share`.
    """
    height, width = picture.shape[:2]
    h, w = still.shape
    for y in range(first, last):
        row = y * h // height
        for x in range(width):
            share = max(np.float32(least_share), np.float32(1) / np.float32(still[row, x * w // width]))
            for c in range(picture.shape[2]):
                value = mean[y, x, c] + (np.float32(picture[y, x, c]) - mean[y, x, c]) * share
                mean[y, x, c] = value
                calm[y, x, c] = np.uint8(value + np.float32(0.5))


@numba.njit(cache=True, nogil=True)
def mixed_light(
    first: int, last: int, photo: Any, calm: Any, radius: Any, sharp_px: float, table: Any, out: Any
) -> None:
    """Linear light of the photo where it is in focus, and of the calm photo where it will be blurred."""
    for y in range(first, last):
        for x in range(radius.shape[1]):
            blurred = abs(radius[y, x]) > sharp_px
            for c in range(3):
                code = calm[y, x, c] if blurred else photo[y, x, c]
                out[y, x, c] = table[code]


@numba.njit(cache=True, nogil=True)
def enlarge(
    first: int, last: int, small: Any, small_photo: Any, photo: Any, gain: float, offset: float, out: Any
) -> None:
    """Rows of out = gain * small + offset on the photo's grid.

    Bilinear inside a surface; where the four neighbours lie on several, the value of the one whose colour and place
    fit best (joint nearest-neighbour upsampling, after Kopf et al., SIGGRAPH 2007).
    """
    h, w = small.shape
    height, width = out.shape
    sy, sx = np.float32(h) / np.float32(height), np.float32(w) / np.float32(width)
    half = np.float32(0.5)
    for y in range(first, last):
        at_y = min(max((np.float32(y) + half) * sy - half, np.float32(0)), np.float32(h - 1))
        y0 = min(np.int32(at_y), h - 2)
        fy = at_y - np.float32(y0)
        for x in range(width):
            at_x = min(max((np.float32(x) + half) * sx - half, np.float32(0)), np.float32(w - 1))
            x0 = min(np.int32(at_x), w - 2)
            fx = at_x - np.float32(x0)
            a, b, c, d = small[y0, x0], small[y0, x0 + 1], small[y0 + 1, x0], small[y0 + 1, x0 + 1]
            low, high = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
            if high - low < ALIKE_PX:
                top, bottom = a + (b - a) * fx, c + (d - c) * fx
                value = top + (bottom - top) * fy
            else:
                best = np.float32(1e9)
                value = a
                red, green, blue = np.int32(photo[y, x, 0]), np.int32(photo[y, x, 1]), np.int32(photo[y, x, 2])
                for j in range(2):
                    for i in range(2):
                        p, q = y0 + j, x0 + i
                        colour = abs(np.int32(small_photo[p, q, 0]) - red)
                        colour += abs(np.int32(small_photo[p, q, 1]) - green)
                        colour += abs(np.int32(small_photo[p, q, 2]) - blue)
                        cost = np.float32(colour) / np.float32(COLOUR_TOLERANCE)
                        cost += abs(fy - np.float32(j)) + abs(fx - np.float32(i))
                        if cost < best:
                            best = cost
                            value = small[p, q]
            out[y, x] = np.float32(gain) * value + np.float32(offset)


@numba.njit(cache=True, nogil=True)
def agree(
    first: int, last: int, forward: Any, backward: Any, low: int, limit: int, slope: Any, found: Any, confidence: Any
) -> None:
    """Left disparity where both views agree, else NaN; `forward` and `backward` count in 1/16 px.

    `backward` is the answer of the mirrored, exchanged pair, so its column c is the right view's width - 1 - c.
    Confidence is the product of two doubts: how far the views disagree, and how little texture there is.
    """
    width = forward.shape[1]
    for y in range(first, last):
        for x in range(width):
            found[y, x] = np.nan
            confidence[y, x] = 0
            here = np.int32(forward[y, x])
            at = x - ((here + 8) >> 4)
            if here < low or at < 0 or at >= width:
                continue
            there = np.int32(backward[y, width - 1 - at])
            if there < low or abs(here - there) > limit:
                continue
            found[y, x] = np.float32(here) / np.float32(16)
            textured = slope[y, x] / (slope[y, x] + np.float32(0.7))
            sure = np.exp(-np.float32(abs(here - there)) / np.float32(16))
            confidence[y, x] = sure * (np.float32(0.3) + np.float32(0.7) * textured)
