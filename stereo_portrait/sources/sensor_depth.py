"""What a depth sensor measured -> a depth map that says where it measured nothing."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap, Flaw


def sensor_depth(depth_m: NDArray[np.float32], filled: NDArray[np.bool_] | None = None) -> DepthMap:
    """Metres, NaN where the sensor gave nothing; `filled` marks values that the sensor's filters made up."""
    known = ~np.isnan(depth_m)
    flaws = np.where(known, 0, Flaw.NO_MATCH).astype(np.uint8)
    confidence = known.astype(np.float32)
    if filled is not None:
        flaws[filled & known] = Flaw.NO_MATCH | Flaw.FILLED
        confidence[filled] = 0.3
    return DepthMap(depth_m.astype(np.float32, copy=False), confidence, flaws, "sensor")


def metres(raw: NDArray[np.uint16], unit_m: float) -> NDArray[np.float32]:
    """A sensor's 16-bit numbers as metres; its 0 means that it measured nothing.

    Divided by whole values per metre, as depth files are read: 3000 mm is 3.0 m, not the 3.0000002 that a float32 unit
    gives.
    """
    per_m = np.float32(round(1 / unit_m, 3))
    return np.where(raw == 0, np.float32(np.nan), raw.astype(np.float32) / per_m)
