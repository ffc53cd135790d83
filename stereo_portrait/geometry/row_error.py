"""How far a rectified pair's rows are off, measured from matched features; and whether left and right are swapped."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, RectifiedPair

MIN_MATCHES = 25
WORKING_WIDTH_PX = 1600
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RowError:
    """Vertical error of matched features, in pixels of the pair."""

    median_px: float | None  # median of |y_left - y_right|: what disparity suffers from; None: too few matches
    offset_px: float  # median of y_right - y_left: a plain shift of the rows
    sigma_px: float  # standard error of the offset
    matches: int
    confidence: float  # 0..1: grows with matches and with how much of the picture they cover
    swapped: bool  # disparities are negative: left and right are exchanged
    median_disparity_px: float


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatches:
    """Points seen in both views, sub-pixel."""

    left_px: Array  # (n, 2) x, y
    right_px: Array  # (n, 2)


def measure_row_error(pair: RectifiedPair) -> RowError:
    """The pair's row error; its median is None where fewer than 25 features can be matched with certainty."""
    found = matched_features(pair.left, pair.right)
    keep = _masked(found.left_px, pair.left_valid) & _masked(found.right_px, pair.right_valid)
    return measured(FeatureMatches(found.left_px[keep], found.right_px[keep]), pair)


def measured(found: FeatureMatches, pair: RectifiedPair) -> RowError:
    """The row error that these matches show."""
    if len(found.left_px) < MIN_MATCHES:
        return RowError(None, 0.0, float("inf"), len(found.left_px), 0.0, False, float("nan"))
    vertical_px = found.right_px[:, 1] - found.left_px[:, 1]
    disparity_px = found.left_px[:, 0] - found.right_px[:, 0] + pair.rig.doffs_px
    offset_px = float(np.median(vertical_px))
    spread_px = 1.4826 * float(np.median(np.abs(vertical_px - offset_px)))
    count = len(vertical_px)
    return RowError(
        median_px=float(np.median(np.abs(vertical_px))),
        offset_px=offset_px,
        sigma_px=float(1.2533 * max(spread_px, 0.02) / np.sqrt(count)),
        matches=count,
        confidence=float(min(1.0, count / 150) * _spread(found.left_px, pair.left.shape)),
        swapped=bool(np.mean(disparity_px < -1.0) > 0.5),
        median_disparity_px=float(np.median(disparity_px)),
    )


def matched_features(left: Image, right: Image, max_vertical: float = 0.06, wanted: int = 900) -> FeatureMatches:
    """Points of the left view found in the right one, within `max_vertical` (share of the height) of their row.

    ORB descriptors propose, a two-way check and local agreement in the vertical filter, Lucas-Kanade gives the fraction
    of a pixel. Sources: Rublee et al., "ORB", ICCV 2011; Bouguet, "Pyramidal Implementation of the Lucas Kanade
    Feature Tracker", 2000.
    """
    scale = min(1.0, WORKING_WIDTH_PX / left.shape[1])
    grey_left, grey_right = (_grey(view, scale) for view in (left, right))
    nothing = FeatureMatches(np.empty((0, 2)), np.empty((0, 2)))
    orb = cv2.ORB.create(wanted, scaleFactor=1.4, nlevels=4, edgeThreshold=15, patchSize=25, fastThreshold=8)
    points_left, words_left = orb.detectAndCompute(grey_left, None)
    points_right, words_right = orb.detectAndCompute(grey_right, None)
    if words_left is None or words_right is None or len(points_left) < 8 or len(points_right) < 8:
        return nothing
    xy_left = np.array([p.pt for p in points_left], np.float32)
    xy_right = np.array([p.pt for p in points_right], np.float32)
    reach_px = max(3.0, max_vertical * grey_left.shape[0])
    distance = _distances(np.asarray(words_left, np.uint8), np.asarray(words_right, np.uint8))
    distance[np.abs(xy_left[:, None, 1] - xy_right[None, :, 1]) > reach_px] = 999
    forward, backward = distance.argmin(axis=1), distance.argmin(axis=0)
    index = np.arange(len(xy_left))
    best = distance[index, forward]
    keep = np.flatnonzero((backward[forward] == index) & (best < 60))
    near = np.abs(xy_right[forward[keep]][:, None] - xy_right[None]).max(axis=2) < 4
    second = np.where(near, 999, distance[keep]).min(axis=1)
    keep = keep[best[keep] < 0.85 * second]
    if len(keep) < 8:
        return nothing
    start, guess = xy_left[keep], xy_right[forward[keep]]
    start, guess, good = _sub_pixel(grey_left, grey_right, start, guess)
    if good.sum() < 8:
        return nothing
    start, guess = start[good].astype(np.float64), guess[good].astype(np.float64)
    agreed = _agreeing(start, guess, grey_left.shape[0])
    centre = 0.5 - 0.5 * scale  # integer pixel centres: x_full = (x + 0.5) / scale - 0.5
    return FeatureMatches((start[agreed] + centre) / scale, (guess[agreed] + centre) / scale)


def _distances(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(n, m) Hamming distances of packed bits, as a product of +-1 rows."""
    x = np.unpackbits(a, axis=1).astype(np.float32) * 2 - 1
    y = np.unpackbits(b, axis=1).astype(np.float32) * 2 - 1
    return ((x.shape[1] - x @ y.T) / 2).astype(np.int32)


def _sub_pixel(
    grey_left: NDArray[np.uint8], grey_right: NDArray[np.uint8], start: NDArray, guess: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    there, found = _tracked(grey_left, grey_right, start, guess)
    back, returned = _tracked(grey_right, grey_left, there, start)
    good = found & returned
    good &= np.abs(back - start).max(axis=1) < 0.3
    good &= np.abs(there - guess).max(axis=1) < 4
    return start, there, good


def _tracked(
    source: NDArray[np.uint8], target: NDArray[np.uint8], points: NDArray, guess: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.01)
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        source,
        target,
        points[:, None],
        guess[:, None].copy(),
        winSize=(17, 17),
        maxLevel=0,
        criteria=stop,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(found, np.float32)[:, 0], np.asarray(status)[:, 0] == 1


def _agreeing(left_px: Array, right_px: Array, height_px: int) -> NDArray[np.bool_]:
    """True for matches whose vertical error fits a smooth field (linear in x and y), fitted robustly.

    The field may be large, since a rig that has moved shows exactly that; a match that leaves it is a mismatch.
    """
    vertical = right_px[:, 1] - left_px[:, 1]
    scaled = left_px / height_px - 0.5
    basis = np.column_stack([np.ones(len(scaled)), scaled, scaled[:, :1] * scaled[:, 1:], scaled[:, 1:] ** 2])
    keep = np.abs(vertical - np.median(vertical)) < max(4.0, 4 * _mad(vertical))
    for _ in range(4):
        if keep.sum() < 12:
            break
        field = basis @ np.linalg.lstsq(basis[keep], vertical[keep], rcond=None)[0]
        error = np.abs(vertical - field)
        keep = error < max(0.6, 3.5 * _mad(error[keep]))
    return np.asarray(keep, np.bool_)


def _mad(values: Array) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if len(values) else 0.0


def _grey(view: Image, scale: float) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _masked(points_px: Array, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    x, y = np.rint(points_px).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    return np.asarray(inside & mask[np.clip(y, 0, mask.shape[0] - 1), np.clip(x, 0, mask.shape[1] - 1)])


def _spread(points_px: Array, shape: tuple[int, ...]) -> float:
    """Cells of a 4 x 3 grid that hold at least two points, over six: 1 where half of the picture is covered."""
    x = np.clip(points_px[:, 0] / shape[1] * 4, 0, 3).astype(int)
    y = np.clip(points_px[:, 1] / shape[0] * 3, 0, 2).astype(int)
    cells = np.bincount(y * 4 + x, minlength=12)
    return min(1.0, float((cells >= 2).sum()) / 6)
