"""Which way of filling a region errs least, tried out on what stereo does know.

Where the line from the photo's depth to disparity varies over the picture, a plane in x and y or a local fit takes
over; which of them, and how much of the photo's relief is believed, is settled by hiding some of what stereo does know,
filling it in every way, and taking the way that errs least.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask
from stereo_portrait.fallback.continuation import continued
from stereo_portrait.fallback.line_fit import Fit

FloatMap = NDArray[np.float32]
TEST_LONG_PX = 128  # where the ways of filling are tried out
TEST_SHIFTS = ((0.31, 0.0), (-0.31, 0.0), (0.0, 0.31), (0.0, -0.31), (0.4, 0.4), (-0.4, 0.4))  # of width and height
CLEARLY = 0.6  # of the best other way's error
MAJORITY = 0.5  # of the hidden copies
GLOBAL = 0  # place of the plain fit among the ways


@dataclass(frozen=True)
class Locality:
    """How local a fit may be, and how fast a correction fades; `FusionSettings` says more."""

    share: float
    tie: float
    pull: float


def best_filling(
    relative: FloatMap, disparity_px: FloatMap, weight: FloatMap, target: Mask, fit: Fit, how: Locality
) -> FloatMap:
    """(H, W) the way of filling that errs least on trusted pixels hidden behind shifted copies of the target."""
    height, width = relative.shape
    grow = min(1.0, TEST_LONG_PX / max(height, width))
    size = (max(8, round(width * grow)), max(8, round(height * grow)))
    small = [cv2.resize(v, size, interpolation=cv2.INTER_NEAREST) for v in (relative, disparity_px, weight)]
    hole = cv2.resize(target.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    errors: list[list[float]] = []
    for hidden in _hidden_copies(hole, small[2] > 0):
        rest = np.where(hidden, np.float32(0), small[2]).astype(np.float32)
        known = rest > 0
        ways = _ways(small[0], small[1], rest, known, ~known, fit, how)
        truth = small[1][hidden]
        errors.append([float(np.abs(way[hidden] - truth).mean()) for way in ways])
    best = _least(np.array(errors)) if errors else GLOBAL
    known = np.isfinite(disparity_px) & ~target
    return _ways(relative, disparity_px, weight, known, target, fit, how, best)[0]


def _least(errors: NDArray[np.float64]) -> int:
    """The way to take, from (copies, ways) errors whose last way is the background of the row.

    The other ways err alike wherever they are tried. The background errs by nothing where it continues across the
    hole and by the whole relief where it does not, so that one copy could decide its mean: it is taken where it is
    clearly better in most copies.
    """
    best = int(errors[:, :-1].mean(axis=0).argmin())
    votes = float((errors[:, -1] < CLEARLY * errors[:, best]).mean())
    return errors.shape[1] - 1 if votes >= MAJORITY else best


def _ways(
    relative: FloatMap,
    disparity_px: FloatMap,
    weight: FloatMap,
    known: Mask,
    target: Mask,
    fit: Fit,
    how: Locality,
    only: int | None = None,
) -> list[FloatMap]:
    """Ways to fill: the fit, a plane, half of each, the fit tilted by a plane, the fit made local, half of that and
    the plane (each joined by the smooth continuation of its error), and the background of the same row."""
    fitted = (fit.scale * relative + fit.shift_px).astype(np.float32)
    plane = _plane(disparity_px, weight)
    tilted = fitted + _plane(disparity_px - fitted, weight)
    local = _local(relative, disparity_px, weight, fit, how)
    guesses = [fitted, plane, 0.5 * (tilted + plane), tilted, local, 0.5 * (local + plane)]
    if only is not None:
        if only == len(guesses):
            return [_background(disparity_px, known)]
        guesses = [guesses[only]]
    corrections = [np.where(known, disparity_px - g, np.float32(0)).astype(np.float32) for g in guesses]
    smooth = continued(corrections, known, target, how.pull)
    ways = [guess + correction for guess, correction in zip(guesses, smooth, strict=True)]
    return ways if only is not None else [*ways, _background(disparity_px, known)]


def _local(relative: FloatMap, disparity_px: FloatMap, weight: FloatMap, fit: Fit, how: Locality) -> FloatMap:
    """(H, W) a(x, y) m + b(x, y): weighted least squares in a Gaussian window, tied to the global fit.

    The tie is `how.tie` of the whole picture's weight, so far from trusted pixels the global fit returns.
    """
    height, width = relative.shape
    grow = min(1.0, 160 / max(height, width))
    size = (max(8, round(width * grow)), max(8, round(height * grow)))
    sigma = how.share * max(size)
    base = (fit.scale * relative + fit.shift_px).astype(np.float32)
    wrong = np.where(weight > 0, disparity_px - base, np.float32(0)).astype(np.float32)
    limit = max(6 * 1.4826 * fit.error_px, 1.0)
    w = np.where(np.abs(wrong) < limit, weight, np.float32(0)).astype(np.float32)
    middle = float(np.median(relative))
    spread = max(float(relative.std()), 1e-9)
    m = ((relative - middle) / spread).astype(np.float32)

    def blurred(values: FloatMap) -> FloatMap:
        small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float64)

    tie = how.tie * float(w.mean())
    s0 = blurred(w) + tie
    s1, s2 = blurred(w * m), blurred(w * m * m) + tie
    t0, t1 = blurred(w * wrong), blurred(w * wrong * m)
    determinant = s0 * s2 - s1 * s1
    slope = (s0 * t1 - s1 * t0) / determinant
    offset = (s2 * t0 - s1 * t1) / determinant
    slope = np.clip(slope, -0.6 * fit.scale * spread, 2.0 * fit.scale * spread)  # near stays near
    full = (width, height)
    a = cv2.resize(slope.astype(np.float32), full, interpolation=cv2.INTER_LINEAR)
    b = cv2.resize(offset.astype(np.float32), full, interpolation=cv2.INTER_LINEAR)
    return np.asarray(base + a * m + b, np.float32)


def _plane(values: FloatMap, weight: FloatMap) -> FloatMap:
    """(H, W) the plane through the weighted values, settled by absolute rather than squared error."""
    height, width = values.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    chosen = np.flatnonzero(weight.ravel() > 0)
    chosen = chosen[:: max(1, len(chosen) // 8000)]
    basis = np.stack([np.ones(len(chosen)), x.ravel()[chosen], y.ravel()[chosen]], axis=1)
    wanted = values.ravel()[chosen].astype(np.float64)
    w = weight.ravel()[chosen].astype(np.float64)
    found = np.zeros(3)
    for _ in range(8):
        found = np.linalg.lstsq(basis * np.sqrt(w)[:, None], wanted * np.sqrt(w), rcond=None)[0]
        w = weight.ravel()[chosen] / np.maximum(np.abs(wanted - basis @ found), 0.1)
    return np.asarray(found[0] + found[1] * x + found[2] * y, np.float32)


def _background(disparity_px: FloatMap, known: Mask) -> FloatMap:
    """(H, W) the farther of the nearest known neighbours in the row, then in the column (Hirschmueller 2008)."""
    out = np.where(known, disparity_px, np.float32(np.nan)).astype(np.float32)
    for axis in (1, 0):
        lines = out if axis else out.T
        there = np.isfinite(lines)
        length = lines.shape[1]
        place = np.broadcast_to(np.arange(length), lines.shape)
        before = np.maximum.accumulate(np.where(there, place, -1), axis=1)
        after = np.minimum.accumulate(np.where(there, place, length)[:, ::-1], axis=1)[:, ::-1]
        rows = np.arange(len(lines))[:, None]
        left = np.where(before >= 0, lines[rows, np.maximum(before, 0)], np.inf)
        right = np.where(after < length, lines[rows, np.minimum(after, length - 1)], np.inf)
        filled = np.where(there, lines, np.minimum(left, right))
        filled = np.where(np.isfinite(filled), filled, np.nan).astype(np.float32)
        out = filled if axis else filled.T
    return np.asarray(out, np.float32)


def _hidden_copies(hole: Mask, trusted: Mask) -> list[Mask]:
    """Shifted copies of the hole, cut to trusted pixels, that hold enough of them and leave enough."""
    height, width = hole.shape
    found = []
    for across, down in TEST_SHIFTS:
        moved = np.roll(hole, (round(down * height), round(across * width)), axis=(0, 1)) & trusted
        if moved.sum() > 0.02 * hole.size and moved.sum() < 0.7 * trusted.sum():
            found.append(moved)
    return found
