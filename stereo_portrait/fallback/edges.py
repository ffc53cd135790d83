"""A network's coarse answer on the photo's grid, with edges where the photo has them and no value in between.

1. Around steps of the answer a colour-weighted median pulls every value to the surface whose colours it shares.
2. On the photo's grid smooth parts are interpolated; where the four coarse neighbours span a step, the one whose colour
   fits best is copied (joint nearest neighbour, after Kopf et al., "Joint Bilateral Upsampling", SIGGRAPH 2007).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image

FloatMap = NDArray[np.float32]
WORKING_LONG_PX = 512  # where the median runs: finer than the networks' own answer
COLOUR_SIGMA = 14.0  # grey levels: how alike colours of one surface are
LEVELS = 255
STEP_SHARE = 0.06  # of the map's range (1st to 99th percentile) inside a window: more is an edge


def sharpened(coarse: FloatMap, photo: Image, radius_share: float = 0.02) -> tuple[FloatMap, NDArray[np.bool_]]:
    """(H, W) of the photo's size, and where an edge made the value a choice rather than an interpolation.

    `radius_share` of the long side is the reach of the median: half the width of the network's soft edges.
    """
    height, width = photo.shape[:2]
    scale = min(1.0, WORKING_LONG_PX / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    guide = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    low, high = (float(v) for v in np.percentile(coarse, (1, 99)))
    step = STEP_SHARE * max(high - low, 1e-6)
    soft = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
    radius = max(2, round(radius_share * max(size)))
    crisp = _weighted_median(soft, guide, radius, step, low, high)
    if size == (width, height):
        return crisp, _range(crisp, 1) > step
    return upsampled(crisp, guide, photo, step)


def upsampled(small: FloatMap, guide: Image, photo: Image, step: float) -> tuple[FloatMap, NDArray[np.bool_]]:
    """(H, W) of `photo`'s size from a small map with its picture `guide`; True where a neighbour was copied."""
    height, width = photo.shape[:2]
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    edge = cv2.resize((_range(small, 1) > step).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    rows, columns = np.nonzero(edge)
    if not rows.size:
        return smooth, edge
    h, w = small.shape
    x = np.clip((columns + 0.5) * w / width - 0.5, 0, w - 1).astype(np.float32)
    y = np.clip((rows + 0.5) * h / height - 0.5, 0, h - 1).astype(np.float32)
    left, top = np.minimum(x.astype(np.int32), max(w - 2, 0)), np.minimum(y.astype(np.int32), max(h - 2, 0))
    here = photo[rows, columns].astype(np.int16)
    best = np.full(rows.shape, np.inf, np.float32)
    value = np.zeros(rows.shape, np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            j, i = np.minimum(top + dy, h - 1), np.minimum(left + dx, w - 1)
            colour = np.abs(guide[j, i].astype(np.int16) - here).sum(axis=1) / (3 * COLOUR_SIGMA)
            cost = (colour + np.abs(x - i) + np.abs(y - j)).astype(np.float32)
            better = cost < best
            best[better], value[better] = cost[better], small[j, i][better]
    smooth[rows, columns] = value
    return smooth, edge


def _weighted_median(soft: FloatMap, guide: Image, radius: int, step: float, low: float, high: float) -> FloatMap:
    """The colour-weighted median where the window holds a step, the soft answer elsewhere.

    Source: Ma et al., "Constant Time Weighted Median Filtering for Stereo Matching and Beyond", ICCV 2013.
    """
    where = _range(soft, radius) > step
    if not where.any() or high <= low:
        return soft
    levels = np.clip(np.rint((soft - low) * (LEVELS / (high - low))), 0, LEVELS).astype(np.uint8)
    cv2.setRNGSeed(0)  # it groups the colours from random beginnings
    median = cv2.ximgproc.weightedMedianFilter(guide, levels, radius, sigma=COLOUR_SIGMA)
    value = median.astype(np.float32) * np.float32((high - low) / LEVELS) + np.float32(low)
    changed = where & (np.abs(value - soft) > 1.5 * (high - low) / LEVELS)
    return np.where(changed, value, soft).astype(np.float32)


def _range(values: FloatMap, radius: int) -> FloatMap:
    kernel = np.ones((2 * radius + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(values, kernel) - cv2.erode(values, kernel), np.float32)
