"""The disparities that a pair holds, found by a coarse look."""

import cv2
import numpy as np

from stereo_portrait.core.capture import Image

COARSE_WIDTH_PX = 256
WIDEST_SHARE = 0.45  # of the picture's width: beyond it two pictures barely overlap
MARGIN_SHARE = 0.12
MARGIN_PX = 4
STEP_PX = 16  # SGBM searches whole multiples of this


def searched_top(low_px: int, high_px: int) -> int:
    """Where a search of SGBM from low_px to at least high_px really ends."""
    return low_px + -(-max(high_px - low_px, 1) // STEP_PX) * STEP_PX


def find_range(left: Image, right: Image) -> tuple[int, int]:
    """(lowest, highest) disparity in pixels worth searching.

    A small copy is matched over the widest range, negative disparities included (unequal principal points); the 0.5th
    and 99.9th percentile of what both views agree on, with a margin, is the answer (the near end is generous: a near
    thing may be small). Nothing agreed on: (0, a quarter of the width).
    """
    height_px, width_px = left.shape[:2]
    scale = min(1.0, COARSE_WIDTH_PX / width_px)
    size = (max(16, round(width_px * scale)), max(16, round(height_px * scale)))
    small = [cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (left, right)]
    low = -(-int(0.12 * size[0]) // 16) * 16
    count = -(-int((WIDEST_SHARE + 0.12) * size[0]) // 16) * 16
    found = _agreed(small[0], small[1], -low, count)
    fallback = (0, max(16, round(width_px / 4)))
    if found.size < 0.02 * size[0] * size[1]:
        return fallback
    bottom, top = np.percentile(found, (0.5, 99.9)) / scale
    margin = MARGIN_PX + MARGIN_SHARE * max(top - bottom, 8)
    lowest = int(np.floor(bottom - margin))
    if bottom > -2:
        lowest = max(0, lowest)
    return lowest, max(int(np.ceil(top + margin)), lowest + 16)


def _agreed(left: Image, right: Image, low: int, count: int) -> np.ndarray:
    engine = cv2.StereoSGBM.create(
        minDisparity=low,
        numDisparities=count,
        blockSize=5,
        P1=8 * 75,
        P2=64 * 75,
        preFilterCap=31,
        uniquenessRatio=12,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    pad = low + count
    padded = [cv2.copyMakeBorder(v, 0, 0, pad, -low, cv2.BORDER_REPLICATE) for v in (left, right)]
    width = left.shape[1]
    forward = engine.compute(padded[0], padded[1])[:, pad : pad + width]
    flipped = [np.ascontiguousarray(v[:, ::-1]) for v in (right, left)]
    padded = [cv2.copyMakeBorder(v, 0, 0, pad, -low, cv2.BORDER_REPLICATE) for v in flipped]
    backward = engine.compute(padded[0], padded[1])[:, pad : pad + width][:, ::-1]
    cv2.filterSpeckles(forward := np.ascontiguousarray(forward), (low - 1) * 16, 60, 16)
    columns = np.arange(width)[None, :]
    at = columns - np.rint(forward / 16).astype(int)
    inside = (at >= 0) & (at < width) & (forward >= low * 16)
    there = np.take_along_axis(backward, np.clip(at, 0, width - 1), axis=1)
    good = inside & (there >= low * 16) & (np.abs(forward - there) <= 16)
    return forward[good] / 16.0
