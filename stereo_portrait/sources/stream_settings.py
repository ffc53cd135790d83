"""Settings of streams from cameras and networks."""

from dataclasses import dataclass

from stereo_portrait.core.errors import ConfigError


@dataclass(frozen=True)
class StreamSettings:
    """What is asked of cameras, and how long silence is borne."""

    width_px: int | None = None
    height_px: int | None = None
    rate_hz: float | None = None
    mjpeg: bool = True
    lock_exposure: bool = True
    max_skew_frames: float = 1.0
    stall_s: float = 1.0
    reconnect_s: float = 4.0
    give_up_s: float = 30.0
    max_jpeg_mb: float = 32.0

    def __post_init__(self) -> None:
        for name in ("width_px", "height_px"):
            value = getattr(self, name)
            if value is not None and not 16 <= value <= 20_000:
                raise ConfigError(f"streams.{name} must be between 16 and 20000, found {value}")
        if self.rate_hz is not None and not 0 < self.rate_hz <= 1000:
            raise ConfigError(f"streams.rate_hz must be above 0 and at most 1000, found {self.rate_hz:g}")
        if not 0.5 <= self.max_skew_frames <= 100:
            raise ConfigError(f"streams.max_skew_frames must be between 0.5 and 100, found {self.max_skew_frames:g}")
        if not 0 < self.stall_s <= self.reconnect_s <= self.give_up_s <= 86_400:
            raise ConfigError("streams: 0 < stall_s <= reconnect_s <= give_up_s <= 86400 must hold")
        if not 0.01 <= self.max_jpeg_mb <= 1000:
            raise ConfigError(f"streams.max_jpeg_mb must be between 0.01 and 1000, found {self.max_jpeg_mb:g}")
