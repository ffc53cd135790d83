"""The numbers behind the decision: what two views agree on, how well, and where they do not."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.core.depth import DisparityMap

FloatMap = NDArray[np.float32]
BLACK, WHITE = 4, 250  # grey levels: nothing can be matched below and above
WINDOW_SHARE = 0.04  # of the width: size of the neighbourhood that makes a region
BAND_SHARE = 0.012  # of the width: distance from an outline at which its two sides are read


def clipped_share(view: Image) -> float:
    """Share of pixels that are black or white in all channels."""
    return float(((view <= BLACK) | (view >= WHITE)).all(axis=2).mean())


def tone_span(view: Image) -> float:
    """Grey levels between the 5th and the 95th percentile."""
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    return float(np.subtract(*np.percentile(grey, (95, 5))))


def searched_overlap(measured: DisparityMap) -> Mask:
    """(H, W) True right of the strip that the other camera may not see: x >= the 99th percentile of disparity."""
    known = measured.disparity_px[measured.measured]
    left_px = float(np.percentile(known, 99)) if known.size else 0.0
    columns = np.arange(measured.disparity_px.shape[1])
    overlap = columns >= min(max(left_px, 0.0), 0.5 * len(columns))
    return np.broadcast_to(overlap, measured.disparity_px.shape)


def consistent_share(measured: DisparityMap, where: Mask) -> float:
    """Share of `where` on which left and right agree (measured, not filled)."""
    return float(measured.measured[where].mean()) if where.any() else 0.0


def disparity_sigma(measured: DisparityMap) -> float:
    """Standard deviation of one pixel's disparity: 1.48 MAD of second differences along rows, over sqrt(6).

    Second differences cancel slanted surfaces; the median ignores edges. At least 0.1 px: whole-pixel locking is
    correlated between neighbours and escapes any local estimate.
    """
    d = np.where(measured.measured, measured.disparity_px, np.float32(np.nan))
    step = 3  # pixels apart: closer ones share their matching window
    second = d[:, 2 * step :] - 2 * d[:, step:-step] + d[:, : -2 * step]
    second = second[np.isfinite(second)]
    if second.size < 100:
        return 1.0
    return max(0.1, float(1.4826 * np.median(np.abs(second - np.median(second))) / np.sqrt(6)))


def untrusted_regions(measured: DisparityMap, overlap: Mask, pinned: Mask) -> Mask:
    """(H, W) True in regions where fewer than half of the pixels are measured and not pinned.

    A neighbourhood decides, never a pixel: a third of the pixels beyond the search still pass the left-right check.
    """
    trusted = (measured.measured & ~pinned).astype(np.float32)
    window = max(9, int(WINDOW_SHARE * trusted.shape[1]) | 1)
    density = cv2.boxFilter(trusted, -1, (window, window), borderType=cv2.BORDER_REFLECT)
    found: Mask = (density < 0.5) & overlap
    return found


def before_background(values: FloatMap, region: Mask) -> FloatMap:
    """(N,) how far each known pixel of the region stands before the background interpolated behind it.

    The background is what lies around the region, a little away from its outline, carried inwards by means over
    growing windows. NaN in `values` is left out; empty where there is no region or nothing around it.
    """
    reach = max(3, round(BAND_SHARE * values.shape[1]))
    known = np.isfinite(values)
    around = known & (cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, 3) > reach)
    behind = carried_inwards(values, around)
    inside = region & known & np.isfinite(behind)
    return np.asarray((values - behind)[inside], np.float32)


def carried_inwards(values: FloatMap, known: Mask) -> FloatMap:
    """(H, W) mean of the known values in the smallest window that holds enough of them; NaN where none does."""
    weight = known.astype(np.float32)
    value = np.where(known, values, np.float32(0)).astype(np.float32)
    out = np.full(values.shape, np.nan, np.float32)
    side = 15
    while True:
        share = cv2.boxFilter(weight, -1, (side, side), borderType=cv2.BORDER_CONSTANT)
        total = cv2.boxFilter(value, -1, (side, side), borderType=cv2.BORDER_CONSTANT)
        take = np.isnan(out) & (share > 0.05)
        out[take] = total[take] / share[take]
        if side > 2 * max(values.shape) or not np.isnan(out).any():
            return out
        side = 2 * side + 1
