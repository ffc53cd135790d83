"""Noisy disparity + the pictures -> cleaner disparity."""

from typing import Protocol

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.refinement.guided_network import GuidedNetworkRefiner
from stereo_portrait.refinement.unrefined import NoRefiner
from stereo_portrait.refinement.weighted_median import WeightedMedianRefiner
from stereo_portrait.refinement.wls import WlsRefiner


class Refiner(Protocol):
    """Improves a map with the help of the left picture (and the right one, where the method can use it)."""

    notice: str | None  # what the last call could not do as asked, in plain words

    def refine(self, disparity: DisparityMap, pair: RectifiedPair) -> DisparityMap: ...


REFINERS: dict[str, tuple[str | None, type[Refiner]]] = {
    "none": (None, NoRefiner),
    "wls": ("wls", WlsRefiner),
    "median": ("median", WeightedMedianRefiner),
    "network": ("guided", GuidedNetworkRefiner),
}
"""Name on the command line -> (section of config.yaml or None, class taking that section's settings)."""
