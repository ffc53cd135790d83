"""What a source hands over: a pair, a rectified pair, a frame with depth, a photo, a scene with truth."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.arrays import checked
from stereo_portrait.core.rig import RectifiedRig

if TYPE_CHECKING:
    from stereo_portrait.core.depth import DepthMap

Image = NDArray[np.uint8]  # (H, W, 3) RGB, sRGB
Mask = NDArray[np.bool_]  # (H, W)


@dataclass(frozen=True, slots=True, eq=False)
class Metadata:
    """What a photo file carries besides pixels and must not lose on the way to the result."""

    exif: bytes = b""  # without the orientation that has already been applied to the pixels
    icc_profile: bytes = b""
    xmp: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """The subject as the file that holds the photo states it."""

    alpha: NDArray[np.float32]  # (H, W) in [0, 1]
    whole: bool  # False: parts of it only, such as hair and skin

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", checked(self.alpha, "alpha", ("H", "W"), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One picture, upright."""

    pixels: Image
    name: str
    metadata: Metadata = field(default_factory=Metadata)
    matte: Matte | None = None

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        object.__setattr__(self, "pixels", checked(self.pixels, "pixels", ("H", "W", 3), np.uint8, sizes))
        if self.matte is not None:
            checked(self.matte.alpha, "matte.alpha", ("H", "W"), np.float32, sizes)


@dataclass(frozen=True, slots=True, eq=False)
class StereoPair:
    """Two views of one moment, as the cameras gave them: not rectified."""

    left: Image
    right: Image
    name: str
    captured_at: float | None = None  # seconds since 1970
    metadata: Metadata = field(default_factory=Metadata)  # of the left view

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        object.__setattr__(self, "left", checked(self.left, "left", ("H", "W", 3), np.uint8, sizes))
        object.__setattr__(self, "right", checked(self.right, "right", ("H", "W", 3), np.uint8, sizes))


@dataclass(frozen=True, slots=True, eq=False)
class RectifiedPair:
    """Two views whose rows correspond; left (x, y) is right (x - d, y)."""

    left: Image
    right: Image
    left_valid: Mask  # False where rectification found no source pixel
    right_valid: Mask
    rig: RectifiedRig
    name: str = ""
    row_error_px: float | None = None  # median |vertical error| of matched features; None if not measured
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        sizes = {"H": self.rig.height_px, "W": self.rig.width_px}
        for side in ("left", "right"):
            object.__setattr__(self, side, checked(getattr(self, side), side, ("H", "W", 3), np.uint8, sizes))
            valid = f"{side}_valid"
            object.__setattr__(self, valid, checked(getattr(self, valid), valid, ("H", "W"), np.bool_, sizes))


@dataclass(frozen=True, slots=True, eq=False)
class RgbdFrame:
    """A photo and the depth a sensor measured, on the photo's own grid."""

    photo: Photo
    depth: "DepthMap"
    timestamp_ms: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rectified pair with true disparity, for evaluation."""

    name: str
    pair: RectifiedPair
    truth_disparity_px: NDArray[np.float32]  # (H, W); NaN = unknown
    non_occluded: Mask | None  # None when the set gives no occlusion mask
    max_disparity_px: int  # search range: disparities are in [0, max)
    truth_is_integer: bool = False  # Middlebury isint=1
    weight: float = 1.0

    def __post_init__(self) -> None:
        sizes = {"H": self.pair.rig.height_px, "W": self.pair.rig.width_px}
        truth = checked(self.truth_disparity_px, "truth_disparity_px", ("H", "W"), np.float32, sizes)
        object.__setattr__(self, "truth_disparity_px", truth)
        if self.non_occluded is not None:
            mask = checked(self.non_occluded, "non_occluded", ("H", "W"), np.bool_, sizes)
            object.__setattr__(self, "non_occluded", mask)
