"""Settings of RealSense cameras and of the SDK's own filters."""

from dataclasses import dataclass
from typing import Literal

from stereo_portrait.core.errors import ConfigError

Preset = Literal["keep", "default", "hand", "high_accuracy", "high_density", "medium_density"]
Holes = Literal["none", "left", "farthest", "nearest"]
MAX_RANGE_M = 16.0  # of the SDK's threshold filter


@dataclass(frozen=True)
class RealSenseSettings:
    """Streams asked of the camera, and the SDK's post-processing in its recommended order."""

    serial: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    rate_hz: int = 30
    pair: bool = False
    emitter: bool | None = None
    preset: Preset = "keep"
    decimation: int = 1
    near_m: float | None = None
    far_m: float | None = None
    spatial: bool = False
    temporal: bool = False
    hole_filling: Holes = "none"

    def __post_init__(self) -> None:
        if not 1 <= self.decimation <= 8:
            raise ConfigError(f"realsense.decimation must be between 1 and 8, found {self.decimation}")
        if not 1 <= self.rate_hz <= 300:
            raise ConfigError(f"realsense.rate_hz must be between 1 and 300, found {self.rate_hz}")
        if (self.width_px is None) != (self.height_px is None):
            raise ConfigError("realsense.width_px and realsense.height_px go together; give both or none")
        near_m, far_m = self.near_m or 0.0, MAX_RANGE_M if self.far_m is None else self.far_m
        if not 0 <= near_m < far_m <= MAX_RANGE_M:
            raise ConfigError(
                f"realsense: 0 <= near_m < far_m <= {MAX_RANGE_M:g} must hold, found {near_m:g} and {far_m:g}"
            )
