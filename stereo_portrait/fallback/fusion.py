"""Relative depth fitted to trusted stereo, and joined to it without a seam.

A photo's relative inverse depth m and disparity d are both linear in inverse depth, so d = a m + b. The fit is robust
(least median of squares, then Tukey-weighted least squares), must keep its sign (a > 0: near is near in both) and must
explain most of what stereo measured. Where it varies over the picture, a plane in x and y or a local fit takes over;
which of them, and how much of the photo's relief is believed, is settled by hiding some of what stereo does know,
filling it in every way, and taking the way that errs least. Only what stereo cannot know is filled. The join solves
Laplace's equation for the correction d - (a m + b): it takes stereo's values along the border of the filled region and
keeps the photo's own gradients inside (Perez et al., "Poisson Image Editing", SIGGRAPH 2003), with a pull towards zero
so that a wrong border value does not travel far.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError

FloatMap = NDArray[np.float32]
LEAST_PIXELS = 200
TRIALS = 400
TEST_LONG_PX = 128  # where the ways of filling are tried out
TEST_SHIFTS = ((0.31, 0.0), (-0.31, 0.0), (0.0, 0.31), (0.0, -0.31), (0.4, 0.4), (-0.4, 0.4))  # of width and height
BACKGROUND_MUST_BEAT = 1.0  # of the best other error: repeating the background knows nothing about what is hidden
BEYOND_PULL = 0.02  # strong: the border of a subject that was cut off is background, its values must not travel far
SMALL_SPAN = 0.3  # of the photo's relief
GLOBAL = 0  # place of the plain fit among the ways
SOLVE_LONG_PX = 640  # the correction is smooth: it is solved at this size and brought back


@dataclass(frozen=True)
class FusionSettings:
    """When a fit is believed, how local it may be, how trusted its values are."""

    inlier_share: float = 0.12
    least_inliers: float = 0.35
    local_share: float = 0.15
    local_tie: float = 0.05
    pull: float = 0.0004
    confidence: float = 0.4

    def __post_init__(self) -> None:
        for name, low, high in (
            ("inlier_share", 0.001, 1),
            ("least_inliers", 0, 1),
            ("local_share", 0.02, 1),
            ("local_tie", 0.0001, 100),
            ("pull", 0, 1),
            ("confidence", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"fusion.{name} must be between {low} and {high}, found {value:g}")


@dataclass(frozen=True, slots=True)
class Fit:
    """d = scale * m + shift; what share of the trusted pixels it explains; why it may not be believed."""

    scale: float
    shift_px: float
    inliers: float
    error_px: float  # median |residual|
    reason: str  # "" where the fit is good

    @property
    def good(self) -> bool:
        """True where the fit may be used."""
        return not self.reason


class Fusion:
    """Fits relative depth to trusted stereo and fills with it; see the module."""

    def __init__(self, settings: FusionSettings | None = None) -> None:
        self.settings = settings or FusionSettings()

    def fit(self, relative: FloatMap, disparity_px: FloatMap, weight: FloatMap) -> Fit:
        """The global fit over pixels with weight > 0; all (H, W)."""
        s = self.settings
        use = (weight > 0) & np.isfinite(disparity_px) & np.isfinite(relative)
        count = int(use.sum())
        if count < LEAST_PIXELS:
            return Fit(0.0, 0.0, 0.0, float("inf"), f"only {count} trusted pixels to fit to")
        draw = np.random.default_rng(0)
        chosen = np.flatnonzero(use.ravel())
        if count > 20_000:
            chosen = draw.choice(chosen, 20_000, replace=False)
        m = relative.ravel()[chosen].astype(np.float64)
        d = disparity_px.ravel()[chosen].astype(np.float64)
        w = weight.ravel()[chosen].astype(np.float64)
        span_px = max(float(np.subtract(*np.percentile(d, (98, 2)))), 1.0)
        if np.ptp(m) < 1e-9:
            return Fit(0.0, float(np.median(d)), 0.0, float("inf"), "the photo's depth is flat where stereo is trusted")
        scale, shift = _robust_line(m, d, w * _rarity(d, span_px), draw, s.inlier_share * span_px)
        wrong = np.abs(d - (scale * m + shift))
        inliers = float((w * (wrong < s.inlier_share * span_px)).sum() / w.sum())
        reason = ""
        if scale <= 0:
            reason = "the photo's order of near and far contradicts stereo"
        elif inliers < s.least_inliers:
            reason = f"the photo's depth explains {inliers:.0%} of stereo (at least {s.least_inliers:.0%} is needed)"
        return Fit(scale, shift, inliers, float(np.median(wrong)), reason)

    def fill(
        self,
        measured: DisparityMap,
        distrusted: Mask,
        relative: FloatMap,
        trust_relative: FloatMap | None = None,
        beyond: Mask | None = None,
        beyond_px: float = 0.0,
    ) -> tuple[DisparityMap, Fit]:
        """The map with `distrusted` and unknown pixels filled from the photo's order, flagged FILLED.

        Pixels that the matcher filled from the background (occlusions) stay as they are unless distrusted. A fit that
        cannot be believed leaves the map as it was; `Fit.reason` says why. Where the search ended before the scene did,
        `beyond` marks pixels whose disparity is at least `beyond_px`: the fit is steepened until it respects that.
        """
        s = self.settings
        target = distrusted | ~measured.known
        trusted = measured.measured & ~target
        weight = np.where(trusted, measured.confidence + np.float32(1e-3), np.float32(0)).astype(np.float32)
        fit = self.fit(relative, measured.disparity_px, weight)
        if not fit.good or not target.any():
            return measured, fit
        if beyond is None and _extrapolates(relative, weight > 0, target):
            return measured, replace(fit, reason="what stereo measured is too flat to give the rest a scale")
        steeper = (
            None if beyond is None else _steepened(fit, relative, measured.disparity_px, weight > 0, beyond, beyond_px)
        )
        if steeper is not None:
            guess = (steeper.scale * relative + steeper.shift_px).astype(np.float32)
            known = measured.known & ~target
            correction = np.where(known, measured.disparity_px - guess, np.float32(0)).astype(np.float32)
            joined = guess + continued([correction], known, target, BEYOND_PULL)[0]
            fit = steeper
        else:
            joined = self._best(relative, measured.disparity_px, weight, target, fit)
        low, high = np.percentile(measured.disparity_px[trusted], (0.5, 99.5))
        high = max(float(high), beyond_px)
        reach = high - low
        joined = np.clip(joined, low - 0.5 * reach, high + 2.0 * reach)
        disparity = np.where(target, joined, measured.disparity_px).astype(np.float32)
        trust = np.full(target.shape, s.confidence * fit.inliers, np.float32)
        if trust_relative is not None:
            trust = np.minimum(trust, trust_relative)
        confidence = np.where(target, trust, measured.confidence).astype(np.float32)
        flaws = np.where(target, measured.flaws | np.uint8(Flaw.FILLED), measured.flaws).astype(np.uint8)
        return replace(measured, disparity_px=disparity, confidence=confidence, flaws=flaws), fit

    def _best(self, relative: FloatMap, disparity_px: FloatMap, weight: FloatMap, target: Mask, fit: Fit) -> FloatMap:
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
            ways = self._ways(small[0], small[1], rest, known, ~known, fit)
            truth = small[1][hidden]
            errors.append([float(np.abs(way[hidden] - truth).mean()) for way in ways])
        best = GLOBAL
        if errors:
            mean = np.mean(errors, axis=0)
            mean[-1] /= BACKGROUND_MUST_BEAT
            best = int(mean.argmin())
        known = np.isfinite(disparity_px) & ~target
        return self._ways(relative, disparity_px, weight, known, target, fit, best)[0]

    def _ways(
        self,
        relative: FloatMap,
        disparity_px: FloatMap,
        weight: FloatMap,
        known: Mask,
        target: Mask,
        fit: Fit,
        only: int | None = None,
    ) -> list[FloatMap]:
        """Ways to fill: the fit, a plane, half of each, the fit tilted by a plane, the fit made local, half of that and
        the plane (each joined by the smooth continuation of its error), and the background of the same row."""
        fitted = (fit.scale * relative + fit.shift_px).astype(np.float32)
        plane = _plane(disparity_px, weight)
        tilted = fitted + _plane(disparity_px - fitted, weight)
        local = self._local(relative, disparity_px, weight, fit)
        guesses = [fitted, plane, 0.5 * (tilted + plane), tilted, local, 0.5 * (local + plane)]
        if only is not None:
            if only == len(guesses):
                return [_background(disparity_px, known)]
            guesses = [guesses[only]]
        corrections = [np.where(known, disparity_px - g, np.float32(0)).astype(np.float32) for g in guesses]
        smooth = continued(corrections, known, target, self.settings.pull)
        ways = [guess + correction for guess, correction in zip(guesses, smooth, strict=True)]
        return ways if only is not None else [*ways, _background(disparity_px, known)]

    def _local(self, relative: FloatMap, disparity_px: FloatMap, weight: FloatMap, fit: Fit) -> FloatMap:
        """(H, W) a(x, y) m + b(x, y): weighted least squares in a Gaussian window, tied to the global fit.

        The tie is `local_tie` of the whole picture's weight, so far from trusted pixels the global fit returns.
        """
        s = self.settings
        height, width = relative.shape
        grow = min(1.0, 160 / max(height, width))
        size = (max(8, round(width * grow)), max(8, round(height * grow)))
        sigma = s.local_share * max(size)
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

        tie = s.local_tie * float(w.mean())
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


def _rarity(d: NDArray, span_px: float) -> NDArray:
    """(N,) weight that keeps a wall filling half of the picture from deciding alone: one over the root of the crowd."""
    crowd, edges = np.histogram(d, bins=24)
    place = np.clip(np.searchsorted(edges, d, side="right") - 1, 0, len(crowd) - 1)
    return np.asarray(1.0 / np.sqrt(crowd[place]))


def _robust_line(m: NDArray, d: NDArray, w: NDArray, draw: np.random.Generator, limit: float) -> tuple[float, float]:
    """The rising line with the least truncated error: starts from least squares and from random pairs of points
    (after Rousseeuw, "Least Median of Squares Regression", 1984), settled by Tukey-weighted least squares."""
    share = w / w.sum()
    some = draw.choice(len(m), min(len(m), 1500), replace=False, p=share)
    sm, sd = m[some], d[some]
    first, second = draw.integers(0, len(some), (2, TRIALS))
    apart = np.abs(sm[first] - sm[second]) > 0.1 * np.ptp(sm)
    scales = (sd[first] - sd[second])[apart] / (sm[first] - sm[second])[apart]
    shifts = sd[first][apart] - scales * sm[first][apart]
    start = _weighted_line(m, d, w, 0.0, float(np.median(d)))
    scales, shifts = np.append(scales, start[0]), np.append(shifts, start[1])
    least = limit / max(float(np.ptp(m)), 1e-9)  # a line that stays within the tolerance explains nothing
    rising = scales > least
    if not rising.any():
        return start
    scales, shifts = scales[rising], shifts[rising]
    errors = np.minimum(np.abs(scales[:, None] * sm[None] + shifts[:, None] - sd[None]), 2 * limit).mean(axis=1)
    best = int(errors.argmin())
    scale, shift = float(scales[best]), float(shifts[best])
    for _ in range(10):
        wrong = d - (scale * m + shift)
        width = float(np.clip(4.685 * 1.4826 * np.median(np.abs(wrong)), 0.2 * limit, 3 * limit))
        robust = w * np.clip(1 - (wrong / width) ** 2, 0, None) ** 2
        closer = _weighted_line(m, d, robust, scale, shift)
        if closer[0] <= least:
            break
        scale, shift = closer
    return scale, shift


def _extrapolates(relative: FloatMap, trusted: Mask, target: Mask) -> bool:
    """True where most of the target lies outside the relief that the trusted pixels span, and that span is small."""
    low, high = np.percentile(relative[trusted], (2, 98))
    whole = float(np.subtract(*np.percentile(relative, (98, 2))))
    outside = float(((relative[target] < low) | (relative[target] > high)).mean())
    return bool(outside > 0.5 and high - low < SMALL_SPAN * whole)


def _steepened(
    fit: Fit, relative: FloatMap, disparity_px: FloatMap, trusted: Mask, beyond: Mask, beyond_px: float
) -> Fit | None:
    """The line through the middle of the trusted pixels on which three quarters of `beyond` reach `beyond_px`; None
    where the fit does so already, or where the photo does not show them nearer than the trusted ones."""
    if beyond.sum() < LEAST_PIXELS:
        return None
    middle, middle_px = float(np.median(relative[trusted])), float(np.median(disparity_px[trusted]))
    seen = float(np.percentile(relative[beyond], 25))
    if seen <= middle or fit.scale * seen + fit.shift_px >= beyond_px:
        return None
    scale = (beyond_px - middle_px) / (seen - middle)
    return Fit(scale, middle_px - scale * middle, fit.inliers, fit.error_px, "")


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


def _weighted_line(m: NDArray, d: NDArray, w: NDArray, scale: float, shift: float) -> tuple[float, float]:
    total = w.sum()
    if total <= 0:
        return scale, shift
    mean_m, mean_d = (w * m).sum() / total, (w * d).sum() / total
    variance = (w * (m - mean_m) ** 2).sum()
    if variance <= 1e-12 * total:
        return scale, shift
    found = float((w * (m - mean_m) * (d - mean_d)).sum() / variance)
    return found, float(mean_d - found * mean_m)


def continued(corrections: list[FloatMap], known: Mask, target: Mask, pull: float) -> list[FloatMap]:
    """(H, W) each: the smooth continuation of a correction from `known` into `target`; 0 elsewhere.

    Minimises |grad c|^2 + pull c^2 on the target with the known values given along its border.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    height, width = known.shape
    shrink = min(1.0, SOLVE_LONG_PX / max(height, width))
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    fixed = share > 0.5
    free = (cv2.resize(target.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0) & ~fixed
    unknowns = int(free.sum())
    if not unknowns or not fixed.any():
        return [np.zeros(known.shape, np.float32) for _ in corrections]
    values = []
    for correction in corrections:
        small = cv2.resize((correction * known).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        values.append(np.where(fixed, small / np.maximum(share, 1e-6), 0))
    number = np.full(free.shape, -1, np.int64)
    number[free] = np.arange(unknowns)
    y, x = np.nonzero(free)
    diagonal = np.full(unknowns, max(pull, 1e-9))
    right = np.zeros((unknowns, len(values)))
    rows, columns = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        ny, nx = y + dy, x + dx
        inside = (ny >= 0) & (ny < free.shape[0]) & (nx >= 0) & (nx < free.shape[1])
        ny, nx = np.clip(ny, 0, free.shape[0] - 1), np.clip(nx, 0, free.shape[1] - 1)
        other, border = inside & free[ny, nx], inside & fixed[ny, nx]
        diagonal += other | border
        for index, value in enumerate(values):
            right[:, index] += np.where(border, value[ny, nx], 0)
        rows.append(np.flatnonzero(other))
        columns.append(number[ny, nx][other])
    i, j = np.concatenate(rows), np.concatenate(columns)
    everyone = np.arange(unknowns)
    entries = (np.r_[-np.ones(len(i)), diagonal], (np.r_[i, everyone], np.r_[j, everyone]))
    solved = splu(coo_matrix(entries).tocsc()).solve(right)
    found = []
    for index, value in enumerate(values):
        smooth = value.astype(np.float32)
        smooth[free] = solved[:, index]
        full = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
        found.append(np.where(target, full, 0).astype(np.float32))
    return found
