"""Rectified pair -> disparity."""

from typing import Protocol

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap


class Matcher(Protocol):
    """Measures disparity in the left view; dense or with NaN, never with invented values that are not flagged."""

    def match(self, pair: RectifiedPair) -> DisparityMap: ...
