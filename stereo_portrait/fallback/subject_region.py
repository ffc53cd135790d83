"""Which part of a matched pair is the subject, and which pixels lie at the end of the search."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask
from stereo_portrait.core.depth import DisparityMap

FloatMap = NDArray[np.float32]
CREDIBLE = 0.5  # rank correlation


def pinned_pixels(measured: DisparityMap, searched_px: tuple[float, float] | None) -> Mask:
    """(H, W) True within the two nearest levels of the search: what lies beyond piles up there."""
    if searched_px is None:
        return np.zeros(measured.disparity_px.shape, np.bool_)
    pinned: Mask = measured.measured & (measured.disparity_px >= searched_px[1] - 2.0)
    return pinned


def subject_region(
    subject: FloatMap | None, relative: FloatMap | None, measured: DisparityMap, overlap: Mask
) -> Mask | None:
    """The subject's mask if it is one; else the nearest quarter by the photo's own order, if that order is credible.

    Credible: its rank correlation with the measured disparity of the other three quarters is at least 0.5.
    """
    if subject is not None:
        region: Mask = subject > 0.5
        if 0.01 < region.mean() < 0.8:
            return region
    if relative is None:
        return None
    near: Mask = relative > np.percentile(relative, 75)
    rest = measured.measured & overlap & ~near
    seen, known = relative[rest][::17], measured.disparity_px[rest][::17]
    if seen.size < 100 or np.ptp(seen) == 0 or np.ptp(known) < 1.0:
        return None
    from scipy.stats import spearmanr  # slow to import, and seldom needed

    if not spearmanr(seen, known).statistic >= CREDIBLE:
        return None
    return cv2.morphologyEx(near.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
