"""Noisy disparity + the pictures -> cleaner disparity."""

from typing import Protocol

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap


class Refiner(Protocol):
    """Improves a map with the help of the left picture (and the right one, where the method can use it)."""

    def refine(self, disparity: DisparityMap, pair: RectifiedPair) -> DisparityMap: ...
