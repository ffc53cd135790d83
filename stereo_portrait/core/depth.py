"""Disparity and depth: unknown is NaN, the reason is a flag, trust is a number."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.arrays import checked
from stereo_portrait.core.capture import Image
from stereo_portrait.core.rig import RectifiedRig

NEAREST_SHARE = 1.5  # of the scale: a stray near pixel may not come closer than this
Enlarge = Callable[
    [NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]],
    tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]],
]
"""(h, w) px, confidence, flaws at a working size -> the same on the photo's grid and in its pixels."""
Origin = Literal["stereo", "sensor", "monocular", "fused", "phone"]


class Flaw(IntFlag):
    """Why a pixel is missing or invented; bits of a uint8."""

    NO_MATCH = 1  # the matcher (or sensor) gave nothing
    INCONSISTENT = 2  # left and right disagree: occluded or mismatched
    OUTSIDE_OVERLAP = 4  # the other camera does not see this part
    FLAT = 8  # too little texture to be sure
    FILLED = 16  # the value is a guess made from neighbours or another source


@dataclass(frozen=True, slots=True, eq=False)
class MatchEvidence:
    """What a stereo matcher knew at its own working size, before and after judging: a refiner may weigh it again.

    All of one size, which is the photo's or smaller.
    """

    left: Image  # as matched: equalised
    right: Image
    raw_left_px: NDArray[np.float32]  # (h, w) every answer, right or wrong; NaN = none
    raw_right_px: NDArray[np.float32]  # the same of the right view
    judged: "DisparityMap"  # the map that came of it, filled: no NaN; without evidence of its own
    enlarge: Enlarge | None = None  # None where the evidence has the photo's size


@dataclass(frozen=True, slots=True, eq=False)
class DisparityMap:
    """Left-view disparity."""

    disparity_px: NDArray[np.float32]  # (H, W); NaN = unknown
    confidence: NDArray[np.float32]  # (H, W) in [0, 1]; 0 where unknown
    flaws: NDArray[np.uint8]  # (H, W) of Flaw bits
    rig: RectifiedRig
    evidence: MatchEvidence | None = None  # None: a sensor, a file, or a matcher that keeps none

    def __post_init__(self) -> None:
        sizes = {"H": self.rig.height_px, "W": self.rig.width_px}
        for name, dtype in (("disparity_px", np.float32), ("confidence", np.float32), ("flaws", np.uint8)):
            object.__setattr__(self, name, checked(getattr(self, name), name, ("H", "W"), dtype, sizes))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(H, W) True where there is a disparity, measured or filled."""
        return ~np.isnan(self.disparity_px)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(H, W) True where the disparity was measured, not filled."""
        return self.known & ((self.flaws & Flaw.FILLED) == 0)

    def to_depth(self, origin: Origin = "stereo") -> "DepthMap":
        """The same map in metres."""
        return DepthMap(self.rig.depth_m(self.disparity_px), self.confidence, self.flaws, origin)


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """Depth along the optical axis on a photo's grid.

    Where `metric` is False the values are only ordered and linear in inverse depth (a relative map on a nominal
    scale): they must never be shown to anyone as metres.
    """

    depth_m: NDArray[np.float32]  # (H, W); NaN = unknown, inf allowed
    confidence: NDArray[np.float32]
    flaws: NDArray[np.uint8]
    origin: Origin
    metric: bool = True

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, dtype in (("depth_m", np.float32), ("confidence", np.float32), ("flaws", np.uint8)):
            object.__setattr__(self, name, checked(getattr(self, name), name, ("H", "W"), dtype, sizes))

    @property
    def inverse_depth_per_m(self) -> NDArray[np.float32]:
        """(H, W) 1/Z, so that infinity is plain zero; NaN where unknown."""
        with np.errstate(divide="ignore"):
            return np.float32(1.0) / self.depth_m

    @property
    def known(self) -> NDArray[np.bool_]:
        """(H, W) True where there is a depth, infinity included."""
        return ~np.isnan(self.depth_m)


def on_nominal_scale(inverse: NDArray[np.float32], nearest_m: float, farthest_m: float) -> NDArray[np.float32]:
    """Relative inverse depth (near is large, NaN unknown) -> 1/m, its 2nd percentile at `farthest_m`, its 98th at
    `nearest_m`, linear between and beyond.

    Where the linear scale would pass infinity, what lies beyond the 2nd percentile is pressed into the stretch up to
    ten times `farthest_m`, so that no pixel becomes infinite and the order stays.
    """
    known = inverse[np.isfinite(inverse)]
    low, high = (float(v) for v in np.percentile(known, (2, 98)))
    near, far = 1 / nearest_m, 1 / farthest_m
    share = np.minimum((inverse - low) / max(high - low, 1e-9), NEAREST_SHARE) * (near - far)
    room, deepest = 0.9 * far, -(float(known.min()) - low) / max(high - low, 1e-9) * (near - far)
    if deepest > room:
        share = np.where(share < 0, share * (room / deepest), share)
    return np.asarray(far + share, np.float32)
