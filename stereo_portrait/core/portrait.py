"""The lens, the focus, the decision and the finished portrait."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.arrays import checked
from stereo_portrait.core.capture import Image, Metadata
from stereo_portrait.core.depth import DepthMap, DisparityMap
from stereo_portrait.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Aperture:
    """The shape that an out-of-focus highlight takes."""

    blades: int = 0  # 0 = circle, else 3..9
    roundness: float = 0.0  # 0 = straight blades, 1 = circle
    rotation_deg: float = 0.0
    cats_eye: float = 0.0  # 0 = none, 1 = strong vignetting of the pupil at the corners
    anamorphic: float = 1.0  # height / width of the disc; 2 = tall ovals
    ring: float = 0.0  # central obstruction as a share of the radius (mirror lens)
    edge: float = 0.0  # -1 = soft edge, 0 = even disc, 1 = soap bubble

    def __post_init__(self) -> None:
        if self.blades != 0 and not 3 <= self.blades <= 9:
            raise ConfigError(f"an aperture has 0 (circle) or 3 to 9 blades, found {self.blades}")
        for name, low, high in (
            ("roundness", 0, 1),
            ("rotation_deg", -3600, 3600),
            ("cats_eye", 0, 1),
            ("anamorphic", 0.25, 4),
            ("ring", 0, 0.9),
            ("edge", -1, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"aperture {name} must be between {low} and {high}, found {value:g}")


@dataclass(frozen=True, slots=True)
class LensModel:
    """A thin lens in front of a sensor as wide as the photo."""

    focal_length_mm: float = 50.0
    f_number: float = 1.8
    sensor_width_mm: float = 36.0
    aperture: Aperture = field(default_factory=Aperture)

    def __post_init__(self) -> None:
        for name, low, high in (("focal_length_mm", 1, 2000), ("f_number", 0.5, 256), ("sensor_width_mm", 1, 200)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"lens {name} must be between {low} and {high}, found {value:g}")

    def blur_px_per_inverse_m(self, focus_distance_m: float, width_px: int) -> float:
        """Blur diameter in pixels for each 1/m between a point's inverse depth and the focus's.

        Thin lens: c = A F s / (s - F) * |1/s - 1/Z| with A = F / N; c on the sensor, then pixels.
        Source: Hecht, Optics, ch. 5 (thin-lens equation, circle of confusion by similar triangles).
        """
        focal_m = self.focal_length_mm * 1e-3
        if focus_distance_m <= focal_m:
            raise ConfigError(
                f"a {self.focal_length_mm:g} mm lens cannot focus at {focus_distance_m:g} m; focus farther away"
            )
        stretch = 1.0 if np.isinf(focus_distance_m) else focus_distance_m / (focus_distance_m - focal_m)
        aperture_m = focal_m / self.f_number
        return aperture_m * focal_m * stretch * width_px / (self.sensor_width_mm * 1e-3)

    def blur_diameter_px(
        self, inverse_depth_per_m: NDArray[np.float32], focus_distance_m: float, width_px: int
    ) -> NDArray[np.float32]:
        """(H, W) signed blur diameter: positive in front of the focus plane, negative behind, NaN where unknown."""
        per_inverse_m = self.blur_px_per_inverse_m(focus_distance_m, width_px)
        return ((inverse_depth_per_m - 1.0 / focus_distance_m) * per_inverse_m).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Focus:
    """Where the lens is focused, and who said so."""

    distance_m: float
    chosen_at_px: tuple[int, int] | None = None
    how: str = "distance"
    range_m: tuple[float, float] | None = None  # near and far limits that stay sharp


@dataclass(frozen=True, slots=True)
class DepthDecision:
    """Which depth was used, why, and every number behind it."""

    use: Literal["stereo", "sensor", "phone", "monocular", "fused", "segment", "neural"]
    reasons: tuple[str, ...] = ()
    measured: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class DepthEstimate:
    """A photo, the depth that will blur it, and why that depth."""

    photo: Image
    depth: DepthMap
    decision: DepthDecision
    name: str
    disparity: DisparityMap | None = None  # None when no pair was matched
    metadata: Metadata = field(default_factory=Metadata)
    subject: NDArray[np.float32] | None = None  # (H, W) alpha in [0, 1] of the subject, when somebody looked for it
    focus_hint_px: tuple[int, int] | None = None  # where the camera that took the photo was focused
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        object.__setattr__(self, "photo", checked(self.photo, "photo", ("H", "W", 3), np.uint8, sizes))
        checked(self.depth.depth_m, "depth.depth_m", ("H", "W"), np.float32, sizes)
        if self.subject is not None:
            object.__setattr__(self, "subject", checked(self.subject, "subject", ("H", "W"), np.float32, sizes))


@dataclass(frozen=True, slots=True, eq=False)
class PortraitResult:
    """A finished portrait and everything needed to judge or repeat it."""

    image: Image
    estimate: DepthEstimate
    focus: Focus
    lens: LensModel
    method: str
    seconds: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", checked(self.image, "image", ("H", "W", 3), np.uint8))
