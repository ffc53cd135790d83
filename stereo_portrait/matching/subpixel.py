"""Sub-pixel disparity without the pull towards whole pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image

Disparity = NDArray[np.float32]
LARGEST_MOVE_PX = 0.5
LEAST_SLOPE = 16.0  # mean squared grey levels a pixel: below it noise would steer
DAMPING = 4.0
NEEDED_GAIN = 0.7  # the squared difference must shrink at least to this share
SMOOTH_RANGE_PX = 2.0  # a window that spans more disparity holds two surfaces


def refine_subpixel(
    disparity_px: Disparity, left: Image, right: Image, iterations: int = 2, window_px: int = 9
) -> Disparity:
    """Undo SGBM's pull by its known curve, then polish by Gauss-Newton where the pictures clearly allow it.

    SGBM fits a parabola to costs that barely notice sub-pixel shifts, so a true fraction of 0.25 comes out as 0.125
    (measured on exact planes); the curve is inverted. Then delta = sum g (L - R(x - d)) / sum g^2 over a window, kept
    only on one smooth textured surface and if the difference shrinks (Lucas and Kanade, IJCAI 1981, along the row).
    NaN stays NaN.
    """
    known = ~np.isnan(disparity_px)
    start = unbent(np.where(known, disparity_px, 0).astype(np.float32))
    size = (window_px, window_px)
    smooth = _range(disparity_px, known, window_px) < SMOOTH_RANGE_PX
    grey_left, grey_right = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float32) for v in (left, right))
    height, width = disparity_px.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    weight = known.astype(np.float32)
    share = np.maximum(cv2.boxFilter(weight, -1, size), 1e-3)
    slope_left, slope_right = (cv2.Scharr(v, cv2.CV_32F, 1, 0, scale=1 / 32) for v in (grey_left, grey_right))
    found = start
    costs = []
    for step in range(iterations + 1):
        at = columns - found
        difference = grey_left - cv2.remap(grey_right, at, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        difference -= cv2.boxFilter(difference * weight, -1, size) / share
        difference *= weight
        costs.append(cv2.boxFilter(difference * difference, -1, size))
        if step == iterations:
            break
        slope = cv2.remap(slope_right, at, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        slope = 0.5 * (slope + slope_left) * weight
        strength = cv2.boxFilter(slope * slope, -1, size)
        delta = np.where(strength > LEAST_SLOPE, -cv2.boxFilter(slope * difference, -1, size) / (strength + DAMPING), 0)
        found = np.clip(found + delta, start - LARGEST_MOVE_PX, start + LARGEST_MOVE_PX).astype(np.float32)
    better = smooth & (costs[-1] < NEEDED_GAIN * costs[0])
    return np.where(known, np.where(better, found, start), np.float32(np.nan)).astype(np.float32)


def unbent(disparity_px: Disparity) -> Disparity:
    """Inverse of SGBM's bend: fractions up to 0.2 were halved, the rest is squeezed into what remains; NaN stays."""
    whole = np.rint(disparity_px)
    fraction = disparity_px - whole
    size = np.abs(fraction)
    true_size = np.where(size < 0.2, 2 * size, 0.4 + (size - 0.2) / 3)
    return (whole + np.sign(fraction) * true_size).astype(np.float32)


def _range(disparity_px: Disparity, known: NDArray[np.bool_], window_px: int) -> Disparity:
    kernel = np.ones((window_px, window_px), np.uint8)
    high = cv2.dilate(np.where(known, disparity_px, np.float32(-1e4)), kernel)
    low = cv2.erode(np.where(known, disparity_px, np.float32(1e4)), kernel)
    spread: Disparity = high - low
    return spread
