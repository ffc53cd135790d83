"""How well the rows of a rectified pair correspond, measured on the pictures themselves."""

from dataclasses import dataclass

import cv2
import numpy as np

from stereo_portrait.core.capture import RectifiedPair

MIN_MATCHES = 25
MAX_FEATURES = 1500
WORKING_WIDTH_PX = 1200


@dataclass(frozen=True, slots=True)
class RowError:
    """Vertical disagreement of matched features."""

    median_px: float | None  # median |vertical error|; None when too few features match
    offset_px: float  # signed median: right minus left
    matches: int
    swapped: bool  # left and right look exchanged


def measure_row_error(pair: RectifiedPair) -> RowError:
    """Match ORB features across the views, refine by optical flow, take medians over consistent matches.

    Sources: Rublee et al., ORB, ICCV 2011; Lucas and Kanade, 1981 (pyramidal, sub-pixel).
    """
    scale = min(1.0, WORKING_WIDTH_PX / pair.rig.width_px)
    left, right = (_grey(picture, scale) for picture in (pair.left, pair.right))
    found = _matches(left, right)
    if found is None:
        return RowError(None, 0.0, 0, False)
    from_left, to_right = found
    disparity_px = (from_left[:, 0] - to_right[:, 0]) / scale + pair.rig.doffs_px
    rows_px = (to_right[:, 1] - from_left[:, 1]) / scale
    count = len(rows_px)
    if count < MIN_MATCHES:
        return RowError(None, 0.0, count, False)
    swapped = bool((disparity_px < -1.0).mean() > 0.6)
    return RowError(float(np.median(np.abs(rows_px))), float(np.median(rows_px)), count, swapped)


def _grey(picture: np.ndarray, scale: float) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    return cv2.equalizeHist(grey)


def _matches(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    detector = cv2.ORB.create(MAX_FEATURES, fastThreshold=10)
    key_left, words_left = detector.detectAndCompute(left, None)
    key_right, words_right = detector.detectAndCompute(right, None)
    if words_left is None or words_right is None or len(key_left) < 8 or len(key_right) < 8:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(words_left, words_right)
    a = np.array([key_left[m.queryIdx].pt for m in pairs], np.float32)
    b = np.array([key_right[m.trainIdx].pt for m in pairs], np.float32)
    distance = np.array([m.distance for m in pairs])
    tall = left.shape[0]
    keep = (np.abs(a[:, 1] - b[:, 1]) < max(10, 0.04 * tall)) & (distance < 50)
    a, b = a[keep], b[keep]
    if len(a) < 8:
        return None
    refined, status, residual = cv2.calcOpticalFlowPyrLK(
        left, right, a, b.copy(), winSize=(15, 15), maxLevel=0, flags=cv2.OPTFLOW_USE_INITIAL_FLOW
    )
    moved = np.abs(refined - b).max(axis=1)
    good = (status[:, 0] == 1) & (moved < 3) & (residual[:, 0] < 25)
    return a[good], refined[good]
