"""Well-known plain ways, kept to compare with: what a tutorial would give."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import RectifiedPair

Disparity = NDArray[np.float32]
Method = Callable[[RectifiedPair, int], Disparity]


def opencv_default(pair: RectifiedPair, max_disparity_px: int) -> Disparity:
    """cv2.StereoSGBM.create(0, n, 3) as it comes: holes stay, the left columns are lost."""
    return _fixed_to_float(cv2.StereoSGBM.create(0, _sixteens(max_disparity_px), 3), pair)


def opencv_block(pair: RectifiedPair, max_disparity_px: int) -> Disparity:
    """cv2.StereoBM.create(n, 15) as it comes."""
    return _fixed_to_float(cv2.StereoBM.create(_sixteens(max_disparity_px), 15), pair)


PEERS: dict[str, Method] = {"opencv-default": opencv_default, "opencv-block": opencv_block}
"""Name in `evaluate --method` -> (pair, highest disparity) -> (H, W) disparity, NaN = none."""


def _sixteens(max_disparity_px: int) -> int:
    return -(-max(1, max_disparity_px) // 16) * 16


def _fixed_to_float(engine: cv2.StereoMatcher, pair: RectifiedPair) -> Disparity:
    views = [cv2.cvtColor(v, cv2.COLOR_RGB2GRAY) for v in (pair.left, pair.right)]
    fixed = engine.compute(views[0], views[1])
    return np.where(fixed < 0, np.float32(np.nan), fixed / np.float32(16)).astype(np.float32)
