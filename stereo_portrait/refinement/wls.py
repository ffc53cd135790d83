"""Weighted least squares: smooth where the picture is smooth."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.core.errors import ConfigError


@dataclass(frozen=True)
class WlsSettings:
    """Strength of the smoothing and what counts as an edge."""

    strength: float = 500.0
    colour_sigma: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1e6:
            raise ConfigError(f"wls.strength must be between 0 and 1000000, found {self.strength:g}")
        if not 0 < self.colour_sigma <= 255:
            raise ConfigError(f"wls.colour_sigma must be between 0 and 255, found {self.colour_sigma:g}")


class WlsRefiner:
    """Confidence-weighted fast global smoothing: F(c d) / F(c), F guided by the left picture.

    Source: Min et al., "Fast Global Image Smoothing Based on Weighted Least Squares", TIP 2014 (cv2.ximgproc).
    """

    notice: str | None = None

    def __init__(self, settings: WlsSettings | None = None) -> None:
        self.settings = settings or WlsSettings()

    def refine(self, disparity: DisparityMap, pair: RectifiedPair) -> DisparityMap:
        """The smoothed map; unknown stays unknown."""
        known = disparity.known
        trust = np.where(disparity.measured, np.maximum(disparity.confidence, 0.05), 0.01).astype(np.float32)
        trust[~known] = 0
        values = np.where(known, disparity.disparity_px, 0).astype(np.float32) * trust
        smoother = cv2.ximgproc.createFastGlobalSmootherFilter(
            pair.left, self.settings.strength, self.settings.colour_sigma
        )
        top, bottom = smoother.filter(values), smoother.filter(trust)
        smooth = top / np.maximum(bottom, 1e-6)
        return replace(disparity, disparity_px=np.where(known, smooth, np.float32(np.nan)).astype(np.float32))
