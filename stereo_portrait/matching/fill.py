"""Fill what could not be measured, from the background side, and say so."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DisparityMap, Flaw

FILLED_CONFIDENCE = 0.15
HOLES_AT_ONCE = 1 << 17  # bounds the memory of the median
COLUMN_REACH_PX = 7  # filled pixels take the median over this many rows up and down, so that rows do not streak


def filled_from_background(disparity: DisparityMap) -> DisparityMap:
    """Every hole takes the smaller (farther) of the nearest known disparities in its row, then flags FILLED.

    Occluded pixels belong to the background: the side with the smaller disparity (Hirschmueller, PAMI 2008, sec. 2.5).
    Neighbouring rows may choose differently; the median along the column takes the streaks out. Rows without any answer
    copy the nearest row that has one; a map with no answer at all becomes disparity zero.
    """
    holes = ~disparity.known
    filled = _without_streaks(background_fill(disparity.disparity_px), holes, COLUMN_REACH_PX)
    confidence = np.where(holes, np.float32(FILLED_CONFIDENCE), disparity.confidence)
    flaws = np.where(holes, disparity.flaws | np.uint8(Flaw.FILLED), disparity.flaws).astype(np.uint8)
    return DisparityMap(filled, confidence, flaws, disparity.rig)


def background_fill(disparity_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) without NaN; see `filled_from_background`."""
    known = ~np.isnan(disparity_px)
    if known.all():
        return disparity_px
    height, width = disparity_px.shape
    columns = np.broadcast_to(np.arange(width, dtype=np.int32), (height, width))
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, width)[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(height)[:, None]
    infinity = np.float32(np.inf)
    from_left = np.where(before >= 0, disparity_px[rows, np.maximum(before, 0)], infinity)
    from_right = np.where(after < width, disparity_px[rows, np.minimum(after, width - 1)], infinity)
    filled = np.where(known, disparity_px, np.minimum(from_left, from_right)).astype(np.float32)
    empty = np.isinf(filled).all(axis=1) | ~known.any(axis=1)
    if empty.all():
        return np.zeros_like(disparity_px)
    if empty.any():
        good = np.flatnonzero(~empty)
        lost = np.flatnonzero(empty)
        nearest = good[np.abs(good[None, :] - lost[:, None]).argmin(axis=1)]
        filled[lost] = filled[nearest]
    return filled


def _without_streaks(filled: NDArray[np.float32], holes: NDArray[np.bool_], reach: int) -> NDArray[np.float32]:
    """Each hole takes the median of its column window; known pixels stay."""
    rows, columns = np.nonzero(holes)
    out = filled.copy()
    for first in range(0, rows.size, HOLES_AT_ONCE):
        some = slice(first, first + HOLES_AT_ONCE)
        near = np.clip(rows[some, None] + np.arange(-reach, reach + 1), 0, filled.shape[0] - 1)
        out[rows[some], columns[some]] = np.partition(filled[near, columns[some, None]], reach, axis=1)[:, reach]
    return out
