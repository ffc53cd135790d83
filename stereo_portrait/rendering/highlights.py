"""Clipped lamps of a photo get their energy back before they are blurred."""

import numpy as np
from numpy.typing import NDArray

CLIPPED_AT = 0.97  # linear; 8-bit code values of 252 and more


def with_recovered_highlights(linear: NDArray[np.float32], amount: float = 1.0) -> NDArray[np.float32]:
    """The photo in linear light with its small clipped regions made brighter than white.

    Rule: a region of pixels whose brightest channel reaches 0.97 is a lamp if it is small (its area's root is under
    4 % of the picture's longer side); its pixels are multiplied by 1 + amount * gain, where the gain falls
    with the region's size from 12 (a few pixels) to 1. Large white areas (sky, paper) are left alone.
    """
    import cv2

    if amount <= 0:
        return linear
    clipped = linear.max(axis=2) >= CLIPPED_AT
    if not clipped.any():
        return linear
    _, labels, stats, _ = cv2.connectedComponentsWithStats(clipped.astype(np.uint8), connectivity=8)
    side = np.sqrt(stats[:, cv2.CC_STAT_AREA].astype(np.float64)) / max(linear.shape[:2])
    gain = np.where(side < 0.04, 12.0 * np.clip(1 - side / 0.04, 0, 1) ** 2, 0.0)
    gain[0] = 0
    factor = (1 + amount * gain).astype(np.float32)[labels]
    return linear * factor[..., None]
