"""Rectified pair -> disparity."""

from typing import Protocol

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.matching.sgbm import SgbmHhMatcher, SgbmMatcher


class Matcher(Protocol):
    """Measures disparity in the left view; dense or with NaN, never with invented values that are not flagged."""

    def match(self, pair: RectifiedPair) -> DisparityMap: ...


MATCHERS: dict[str, tuple[str, type[Matcher]]] = {"sgbm": ("sgbm", SgbmMatcher), "sgbm-hh": ("sgbm", SgbmHhMatcher)}
"""Name on the command line -> (section of config.yaml, class taking that section's settings)."""
