"""What the guided network sees: candidate disparities for every pixel, and what speaks for each of them.

For candidates that a second view can test: how well the two pictures agree under it. For values carried over from the
nearest believed pixels in four directions: how alike the colours are there and here.

The features come out folded: the four pixels of a 2x2 block become channels of one half-size pixel, which is how the
network takes them. Channel c of pixel (dy, dx) in a block is plane 4 c + 2 dy + dx (PyTorch's pixel_unshuffle).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.refinement.candidates import CANDIDATES, SOURCES, Candidates, candidates_of

Map = NDArray[np.float32]
RGB = 0
OFFSETS = RGB + 3
COSTS = OFFSETS + CANDIDATES - 1
SUPPORTS = COSTS + CANDIDATES
LEAST = SUPPORTS + CANDIDATES
SIDE_COSTS = LEAST + 1
STEPS = SIDE_COSTS + 2
DIFFERENCE = STEPS + 2
REASONS = DIFFERENCE + 1
SHAPE = REASONS + 3
TEXTURE = SHAPE + 3
UNLIKE = TEXTURE + 1
AWAY = UNLIKE + SOURCES
CHANNELS = AWAY + 2
STEP_WINDOWS_PX = (5, 13)
COST_CAP = 48.0  # grey levels: a worse match is no worse
MEAN_PX = 31
SUPPORT_SCALE = 4.0  # support costs lie in [0, 1], most below a third


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Network input for one picture."""

    features: Map  # (4 CHANNELS, H/2, W/2)
    candidates: Map  # (CANDIDATES, H, W) px, no NaN
    doubted: Mask  # (H, W) the matcher did not believe its answer, or had none


def evidence_of(
    left: Image,
    right: Image | None,
    base_px: Map,
    raw_px: Map,
    right_px: Map | None,
    median_px: Map,
    rejected: Mask,
    missing: Mask,
) -> Evidence:
    """Everything the network is told; H and W must be even.

    `base_px` is the judged and filled map (no NaN), `raw_px` what the matcher said before judging (NaN: nothing).
    `right` and `right_px` are None for a depth camera: channels of matching evidence stay zero, and the second opinion
    is a smooth surface through what was measured, where stereo has the right view's answer.
    """
    raw_px = np.where(np.isnan(raw_px), base_px, raw_px).astype(np.float32)
    doubted = rejected | missing
    found = candidates_of(left, right, base_px, raw_px, right_px, median_px, ~doubted)
    height, width = base_px.shape
    features = np.empty((4 * CHANNELS, height // 2, width // 2), np.float32)
    mean = cv2.boxFilter(base_px, -1, (MEAN_PX, MEAN_PX))
    reasons = rejected.astype(np.uint8) + 2 * missing.astype(np.uint8)
    seen_right = left if right is None else right
    other = base_px if right_px is None else right_px
    stereo = right is not None
    grey_left, grey_right = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float32) for v in (left, seen_right))
    product, square = np.zeros_like(base_px), np.zeros_like(base_px)
    soft = cv2.boxFilter(left, -1, (3, 3))
    pictures = (left, seen_right, soft, grey_left, grey_right)
    told = (features, found.px, *pictures, other, found.sources, mean, reasons, stereo, product, square)
    in_bands(_fill, height // 2, features.size, *told)
    _add_support(features, found)
    if stereo:
        for index, window in enumerate(STEP_WINDOWS_PX):
            size = (window, window)
            step = -cv2.boxFilter(product, -1, size) / (cv2.boxFilter(square, -1, size) + np.float32(4))
            _fold(np.clip(step, -1, 1), features[4 * (STEPS + index) : 4 * (STEPS + index + 1)])
    return Evidence(features, found.px, doubted)


def _fold(values: Map, into: Map) -> None:
    for dy in (0, 1):
        for dx in (0, 1):
            into[2 * dy + dx] = values[dy::2, dx::2]


def _add_support(features: Map, found: Candidates) -> None:
    """What the second matcher says of every candidate, and of itself."""
    last = REASONS + 2
    if found.local is None:
        for first, count in ((SUPPORTS, CANDIDATES), (LEAST, 1), (last, 1)):
            features[4 * first : 4 * (first + count)] = 0
        return
    local = found.local
    features[4 * LEAST : 4 * (LEAST + 1)] = np.float32(SUPPORT_SCALE) * local.least
    features[4 * last : 4 * (last + 1)] = ~local.agreed
    in_bands(_support, features.shape[1], features.size, features, found.px, local.costs, local.first_step)


@numba.njit(cache=True, nogil=True)
def _support(top: int, bottom: int, features: Any, candidates: Any, costs: Any, first: int) -> None:
    """The second matcher's cost of every candidate, between its whole steps along a line; rows of half size."""
    count, _, width = candidates.shape
    steps = costs.shape[2]
    for block in range(top, bottom):
        for y in range(2 * block, 2 * block + 2):
            for x in range(width):
                part, column = 2 * (y & 1) + (x & 1), x >> 1
                here = costs[block, column]
                for index in range(count):
                    at = candidates[index, y, x] * np.float32(0.5) - np.float32(first)
                    at = min(max(at, np.float32(0)), np.float32(steps - 1))
                    low = int(at)
                    share = at - np.float32(low)
                    lower, upper = np.float32(here[low]), np.float32(here[min(low + 1, steps - 1)])
                    cost = (lower + share * (upper - lower)) * np.float32(SUPPORT_SCALE / 65535)
                    features[4 * (SUPPORTS + index) + part, block, column] = cost


@numba.njit(cache=True, inline="always")
def _cost(left: Any, right: Any, y: int, x: int, disparity: Any) -> Any:
    """Mean absolute colour difference in grey levels between left (x, y) and right (x - d, y)."""
    width = right.shape[1]
    at = np.float32(x) - disparity
    if at < 0 or at > width - 1:
        return np.float32(COST_CAP)
    first = int(at)
    second = min(first + 1, width - 1)
    share = at - np.float32(first)
    total = np.float32(0)
    for channel in range(3):
        a, b = np.float32(right[y, first, channel]), np.float32(right[y, second, channel])
        total += abs(np.float32(left[y, x, channel]) - (a + share * (b - a)))
    return min(total / np.float32(3), np.float32(COST_CAP))


@numba.njit(cache=True, inline="always")
def _at(row: Any, at: Any) -> Any:
    """Linear interpolation in a row, the last value beyond its ends."""
    last = row.shape[0] - 1
    at = min(max(at, np.float32(0)), np.float32(last))
    first = int(at)
    a, b = row[first], row[min(first + 1, last)]
    return a + (at - np.float32(first)) * (b - a)


@numba.njit(cache=True, inline="always")
def _unlike(picture: Any, y: int, x: int, at: Any) -> Any:
    """Mean absolute colour difference to the pixel with flat index `at`, in sixteenths; 3 where there is none."""
    width = picture.shape[1]
    if at < 0:
        return np.float32(3)
    row, column = at // width, at % width
    if row == y and column == x:
        return np.float32(0)
    total = np.float32(0)
    for channel in range(3):
        total += abs(np.float32(picture[y, x, channel]) - np.float32(picture[row, column, channel]))
    return min(total * np.float32(1 / 48), np.float32(3))


@numba.njit(cache=True, inline="always")
def _squeezed(value: Any) -> Any:
    """Large steps stay distinct without drowning the small ones: into (-2, 2), half as steep at zero."""
    return np.float32(2) * value / (np.float32(4) + abs(value))


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def _fill(
    top: int,
    bottom: int,
    features: Any,
    candidates: Any,
    left: Any,
    right: Any,
    soft: Any,
    grey_left: Any,
    grey_right: Any,
    right_px: Any,
    sources: Any,
    mean: Any,
    reasons: Any,
    stereo: bool,
    product: Any,
    square: Any,
) -> None:
    """Every channel but the sub-pixel steps, whose two sums go to `product` and `square`."""
    count, height, width = candidates.shape
    for block in range(top, bottom):
        for y in range(2 * block, 2 * block + 2):
            for x in range(width):
                part, column = 2 * (y & 1) + (x & 1), x >> 1
                base = candidates[0, y, x]
                for channel in range(3):
                    value = np.float32(left[y, x, channel]) * np.float32(1 / 128) - np.float32(1)
                    features[4 * (RGB + channel) + part, block, column] = value
                own = _cost(left, right, y, x, base) * np.float32(1 / 16) if stereo else np.float32(0)
                features[4 * COSTS + part, block, column] = own
                for index in range(1, count):
                    off = candidates[index, y, x] - base
                    features[4 * (OFFSETS + index - 1) + part, block, column] = _squeezed(off)
                    cost = own
                    if stereo and abs(off) > np.float32(0.02):
                        cost = _cost(left, right, y, x, candidates[index, y, x]) * np.float32(1 / 16)
                    features[4 * (COSTS + index) + part, block, column] = cost
                difference = np.float32(0)
                for index in range(2):
                    features[4 * (SIDE_COSTS + index) + part, block, column] = np.float32(0)
                    features[4 * (STEPS + index) + part, block, column] = np.float32(0)
                if stereo:
                    before = _cost(left, right, y, x, base - np.float32(1)) * np.float32(1 / 16)
                    after = _cost(left, right, y, x, base + np.float32(1)) * np.float32(1 / 16)
                    features[4 * SIDE_COSTS + part, block, column] = before - own
                    features[4 * (SIDE_COSTS + 1) + part, block, column] = after - own
                    at = int(np.floor(np.float32(x) - candidates[1, y, x] + np.float32(0.5)))
                    difference = np.float32(16)
                    if 0 <= at < width:
                        there = right_px[y, at]
                        if not np.isnan(there):
                            difference = min(abs(there - candidates[1, y, x]), np.float32(16))
                    where = np.float32(x) - base
                    wrong = grey_left[y, x] - _at(grey_right[y], where)
                    slope = _at(grey_right[y], where + np.float32(1)) - _at(grey_right[y], where - np.float32(1))
                    slope *= np.float32(0.5)
                    if abs(wrong) > np.float32(24):
                        slope = np.float32(0)  # another surface, or a reflection: no slope can explain it
                    product[y, x] = slope * wrong
                    square[y, x] = slope * slope
                features[4 * DIFFERENCE + part, block, column] = _squeezed(difference)
                features[4 * REASONS + part, block, column] = np.float32(reasons[y, x] & 1)
                features[4 * (REASONS + 1) + part, block, column] = np.float32(reasons[y, x] >> 1)
                features[4 * SHAPE + part, block, column] = _squeezed(base - mean[y, x])
                beside, below = min(x + 1, width - 1), min(y + 1, height - 1)
                features[4 * (SHAPE + 1) + part, block, column] = _squeezed(candidates[0, y, beside] - base)
                features[4 * (SHAPE + 2) + part, block, column] = _squeezed(candidates[0, below, x] - base)
                slope = grey_left[y, min(x + 1, width - 1)] - grey_left[y, max(x - 1, 0)]
                features[4 * TEXTURE + part, block, column] = min(abs(slope) * np.float32(1 / 32), np.float32(2))
                for side in range(SOURCES):
                    unlike = _unlike(soft, y, x, sources[side, y, x])
                    features[4 * (UNLIKE + side) + part, block, column] = unlike
                for place in range(2):
                    at = sources[4 + place, y, x]
                    away = np.float32(abs(at // width - y) + abs(at % width - x))
                    features[4 * (AWAY + place) + part, block, column] = away / (away + np.float32(32))
