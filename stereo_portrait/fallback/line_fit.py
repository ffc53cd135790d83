"""The line that brings a photo's relative inverse depth m to disparity: d = a m + b, both linear in inverse depth.

The fit is robust (least median of squares, then Tukey-weighted least squares), must keep its sign (a > 0: near is near
in both) and must explain most of what stereo measured.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask

FloatMap = NDArray[np.float32]
LEAST_PIXELS = 200
TRIALS = 400
SMALL_SPAN = 0.3  # of the photo's relief


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


def fitted_line(
    relative: FloatMap, disparity_px: FloatMap, weight: FloatMap, inlier_share: float, least_inliers: float
) -> Fit:
    """The global fit over pixels with weight > 0; all (H, W). Inliers lie within `inlier_share` of stereo's span."""
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
    scale, shift = _robust_line(m, d, w * _rarity(d, span_px), draw, inlier_share * span_px)
    wrong = np.abs(d - (scale * m + shift))
    inliers = float((w * (wrong < inlier_share * span_px)).sum() / w.sum())
    reason = ""
    if scale <= 0:
        reason = "the photo's order of near and far contradicts stereo"
    elif inliers < least_inliers:
        reason = f"the photo's depth explains {inliers:.0%} of stereo (at least {least_inliers:.0%} is needed)"
    return Fit(scale, shift, inliers, float(np.median(wrong)), reason)


def extrapolates(relative: FloatMap, trusted: Mask, target: Mask) -> bool:
    """True where most of the target lies outside the relief that the trusted pixels span, and that span is small."""
    low, high = np.percentile(relative[trusted], (2, 98))
    whole = float(np.subtract(*np.percentile(relative, (98, 2))))
    outside = float(((relative[target] < low) | (relative[target] > high)).mean())
    return bool(outside > 0.5 and high - low < SMALL_SPAN * whole)


def steepened(
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
