"""Match a large pair at a bounded size and bring the answer back without blurring a depth edge."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap

STRIP_ROWS = 256
SMALLEST_GAIN = 0.9  # a pair that would shrink by less is matched as it is
SMOOTH_RANGE_PX = 1.0  # a small pixel whose neighbourhood spans less lies on one surface
COLOUR_SIGMA = 12.0  # grey levels: how different a colour may be and still belong to the same surface


def working_size(width_px: int, height_px: int, megapixels: float) -> tuple[int, int]:
    """(width, height) at which a pair of this size is matched: its own unless that is plainly too large."""
    scale = float(np.sqrt(megapixels * 1e6 / (height_px * width_px)))
    if scale > SMALLEST_GAIN:
        return width_px, height_px
    return max(16, round(width_px * scale)), max(16, round(height_px * scale))


def at_working_size(
    pair: RectifiedPair, megapixels: float, match: Callable[[RectifiedPair, float], DisparityMap]
) -> DisparityMap:
    """Run `match(smaller pair, scale)` at no more than `megapixels` and return its map on the pair's own grid."""
    height_px, width_px = pair.left.shape[:2]
    size = working_size(width_px, height_px, megapixels)
    if size == (width_px, height_px):
        return match(pair, 1.0)
    small = replace(
        pair,
        left=cv2.resize(pair.left, size, interpolation=cv2.INTER_AREA),
        right=cv2.resize(pair.right, size, interpolation=cv2.INTER_AREA),
        left_valid=cv2.resize(pair.left_valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
        right_valid=cv2.resize(pair.right_valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
        rig=pair.rig.resized(*size),
    )
    found = match(small, size[0] / width_px)
    source = chosen_neighbour(small.left, pair.left)
    stretch = np.float32(width_px / size[0])

    def enlarge(
        small_px: NDArray[np.float32], confidence: NDArray[np.float32], flaws: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
        return enlarged(small_px, source) * stretch, _taken(confidence, source), _taken(flaws, source)

    evidence = None if found.evidence is None else replace(found.evidence, enlarge=enlarge)
    return DisparityMap(*enlarge(found.disparity_px, found.confidence, found.flaws), pair.rig, evidence)


def enlarged(disparity_px: NDArray[np.float32], source: NDArray[np.int32]) -> NDArray[np.float32]:
    """(h, w) -> (H, W), values unscaled: bilinear inside a surface, one neighbour's value where surfaces meet."""
    height, width = source.shape
    kernel = np.ones((3, 3), np.uint8)
    unknown = np.isnan(disparity_px)
    high = cv2.dilate(np.where(unknown, np.float32(1e6), disparity_px), kernel)
    low = cv2.erode(np.where(unknown, np.float32(-1e6), disparity_px), kernel)
    inside = ((high - low) < SMOOTH_RANGE_PX).astype(np.float32)
    blended = cv2.resize(
        np.where(unknown, np.float32(0), disparity_px), (width, height), interpolation=cv2.INTER_LINEAR
    )
    smooth = cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR) > 0.999
    return np.where(smooth, blended, _taken(disparity_px, source)).astype(np.float32)


def chosen_neighbour(small: NDArray[np.uint8], large: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(H, W) flat index into the small grid: of the four small pixels around a large one, the one that fits best.

    Fit is colour difference against the small picture plus distance; each large pixel copies one small pixel's value,
    so no value is invented between two surfaces (joint nearest-neighbour upsampling, after Kopf et al., SIGGRAPH 2007).
    """
    (h, w), (height, width) = small.shape[:2], large.shape[:2]
    x = np.clip((np.arange(width, dtype=np.float32) + 0.5) * w / width - 0.5, 0, w - 1)
    y = np.clip((np.arange(height, dtype=np.float32) + 0.5) * h / height - 0.5, 0, h - 1)
    x0, y0 = np.minimum(x.astype(np.int32), max(w - 2, 0)), np.minimum(y.astype(np.int32), max(h - 2, 0))
    colours = small.reshape(-1, 3).astype(np.int16)
    index = np.empty((height, width), np.int32)
    for top in range(0, height, STRIP_ROWS):
        rows = slice(top, min(top + STRIP_ROWS, height))
        here = large[rows].astype(np.int16)
        best = np.full(here.shape[:2], np.inf, np.float32)
        chosen = np.zeros(here.shape[:2], np.int32)
        for dy in (0, 1):
            for dx in (0, 1):
                at_y, at_x = np.minimum(y0[rows] + dy, h - 1), np.minimum(x0 + dx, w - 1)
                candidate = at_y[:, None] * w + at_x[None, :]
                colour = np.abs(colours[candidate] - here).sum(axis=2, dtype=np.int32) / (3 * COLOUR_SIGMA)
                away = np.abs(y[rows] - at_y)[:, None] + np.abs(x - at_x)[None, :]
                cost = (colour + away).astype(np.float32)
                better = cost < best
                best[better] = cost[better]
                chosen[better] = candidate[better]
        index[rows] = chosen
    return index


def _taken(values: NDArray, index: NDArray[np.int32]) -> NDArray:
    return values.reshape(-1)[index]
