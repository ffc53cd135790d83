"""The settings of the live runner."""

from dataclasses import dataclass

from stereo_portrait.core.errors import ConfigError


@dataclass(frozen=True)
class LiveSettings:
    """How fast, how fine and how steady the live picture is."""

    target_fps: float = 30.0
    working_width_px: int | None = None
    least_working_width_px: int = 192
    most_working_width_px: int = 400
    steadiness: float = 0.85
    rack_s: float = 0.5
    refocus_s: float = 0.25
    stall_s: float = 1.0
    reopen_s: float = 10.0
    jpeg_quality: int = 85

    def __post_init__(self) -> None:
        for name, low, high in (
            ("target_fps", 1, 240),
            ("least_working_width_px", 64, 2048),
            ("most_working_width_px", 64, 2048),
            ("steadiness", 0, 0.95),
            ("rack_s", 0, 10),
            ("refocus_s", 0.05, 10),
            ("stall_s", 0.05, 60),
            ("reopen_s", 0, 3600),
            ("jpeg_quality", 30, 100),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"live.{name} must be between {low} and {high}, found {value:g}")
        if self.working_width_px is not None and not 64 <= self.working_width_px <= 2048:
            raise ConfigError(f"live.working_width_px must be between 64 and 2048, found {self.working_width_px}")
        if self.most_working_width_px < self.least_working_width_px:
            raise ConfigError("live.most_working_width_px must be at least live.least_working_width_px")
