"""Clipped lamps of an 8-bit photo get their energy back before they are blurred."""

import cv2
import numpy as np
from numpy.typing import NDArray

CLIPPED_AT = 0.97  # linear: code values of 252 and more, in the mean of the channels
LARGEST_SHARE = 0.03  # a lamp's side over the picture's longer side
DARK_BELOW, BRIGHT_ABOVE = 0.15, 0.5  # light around a lamp: full recovery below, none above
RING_PX = 3
GAIN = 12.0


def with_recovered_highlights(linear: NDArray[np.float32], amount: float = 1.0) -> NDArray[np.float32]:
    """The photo in linear light with its lamps made brighter than white.

    Rule: a connected region whose channels reach 0.97 of white in the mean is a lamp if it is small (the root of its
    area under 3 % of the picture's longer side) and stands out: the mean light in the ring from 2 to 3 px around it is
    below 0.5. Its light is multiplied by 1 + amount * 12 * s * c, where s falls from 1 (a point) to 0 (the largest
    size) and c from 1 (ring below 0.15) to 0 (ring above 0.5). White walls, paper and sky are left alone.
    """
    if amount <= 0:
        return linear
    mean = (linear[..., 0] + linear[..., 1] + linear[..., 2]) * np.float32(1 / 3)
    clipped = (mean >= CLIPPED_AT).astype(np.uint8)
    if not clipped.any():
        return linear
    _, labels, stats, _ = cv2.connectedComponentsWithStats(clipped, connectivity=8)
    side = np.sqrt(stats[:, cv2.CC_STAT_AREA].astype(np.float64)) / (LARGEST_SHARE * max(mean.shape))
    size_gain = np.clip(1 - side, 0, 1)
    size_gain[0] = 0
    grown, inner = (cv2.dilate(labels.astype(np.float32), _square(r)).astype(np.int64) for r in (RING_PX, 1))
    ring = (grown > 0) & (inner == 0)
    count = np.bincount(grown[ring], minlength=len(stats))
    around = np.bincount(grown[ring], mean[ring], minlength=len(stats)) / np.maximum(count, 1)
    contrast = np.clip((BRIGHT_ABOVE - around) / (BRIGHT_ABOVE - DARK_BELOW), 0, 1) * (count > 0)
    gain = (1 + amount * GAIN * size_gain * contrast).astype(np.float32)
    return linear * gain[labels][..., None]


def _square(reach: int) -> NDArray[np.uint8]:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
