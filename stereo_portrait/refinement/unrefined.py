"""The refiner that changes nothing: the baseline of baselines."""

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap


class NoRefiner:
    """Returns the map as it came."""

    notice: str | None = None

    def refine(self, disparity: DisparityMap, pair: RectifiedPair) -> DisparityMap:
        """The same map."""
        return disparity
