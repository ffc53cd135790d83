"""Relative depth of a photo joined to trusted stereo without a seam.

`line_fit` says what line brings the photo's depth to disparity, `ways_to_fill` which way of filling errs least. Only
what stereo cannot know is filled. The join solves Laplace's equation for the correction d - (a m + b): it takes
stereo's values along the border of the filled region and keeps the photo's own gradients inside (Perez et al., "Poisson
Image Editing", SIGGRAPH 2003), with a pull towards zero so that a wrong border value does not travel far.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.fallback.continuation import continued
from stereo_portrait.fallback.line_fit import Fit, extrapolates, fitted_line, steepened
from stereo_portrait.fallback.ways_to_fill import Locality, best_filling

FloatMap = NDArray[np.float32]
BEYOND_PULL = 0.02  # strong: the border of a subject that was cut off is background, its values must not travel far
BEYOND_REACH = 0.3  # of the searched range: how far past its end a subject may stand; 0.1 to 0.3 measure alike


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


class Fusion:
    """Fits relative depth to trusted stereo and fills with it; see the module."""

    def __init__(self, settings: FusionSettings | None = None) -> None:
        self.settings = settings or FusionSettings()

    def fit(self, relative: FloatMap, disparity_px: FloatMap, weight: FloatMap) -> Fit:
        """The global fit over pixels with weight > 0; all (H, W)."""
        s = self.settings
        return fitted_line(relative, disparity_px, weight, s.inlier_share, s.least_inliers)

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
        if beyond is None and extrapolates(relative, weight > 0, target):
            return measured, replace(fit, reason="what stereo measured is too flat to give the rest a scale")
        steeper = (
            None if beyond is None else steepened(fit, relative, measured.disparity_px, weight > 0, beyond, beyond_px)
        )
        if steeper is not None:
            guess = (steeper.scale * relative + steeper.shift_px).astype(np.float32)
            known = measured.known & ~target
            correction = np.where(known, measured.disparity_px - guess, np.float32(0)).astype(np.float32)
            joined = guess + continued([correction], known, target, BEYOND_PULL)[0]
            fit = steeper
        else:
            joined = best_filling(
                relative, measured.disparity_px, weight, target, fit, Locality(s.local_share, s.local_tie, s.pull)
            )
        low, high = np.percentile(measured.disparity_px[trusted], (0.5, 99.5))
        high = max(float(high), beyond_px)
        reach = high - low
        joined = np.clip(joined, low - 0.5 * reach, high + 2.0 * reach)
        if beyond is not None:
            joined = pressed(joined, beyond_px, BEYOND_REACH * (beyond_px - float(low)))
        disparity = np.where(target, joined, measured.disparity_px).astype(np.float32)
        trust = np.full(target.shape, s.confidence * fit.inliers, np.float32)
        if trust_relative is not None:
            trust = np.minimum(trust, trust_relative)
        confidence = np.where(target, trust, measured.confidence).astype(np.float32)
        flaws = np.where(target, measured.flaws | np.uint8(Flaw.FILLED), measured.flaws).astype(np.uint8)
        return replace(measured, disparity_px=disparity, confidence=confidence, flaws=flaws), fit


def pressed(disparity_px: FloatMap, end_px: float, reach_px: float) -> FloatMap:
    """What lies above `end_px` pressed into the `reach_px` above it, in order: slope 1 at the end, flat at the top.

    The line that carries the photo's order past the end of the search is anchored far away from there, so its error
    grows with every pixel; most subjects that leave a search leave it by little.
    """
    if reach_px <= 0:
        return disparity_px
    past = np.maximum(disparity_px - np.float32(end_px), 0)
    return np.where(past > 0, end_px + reach_px * np.tanh(past / reach_px), disparity_px).astype(np.float32)
