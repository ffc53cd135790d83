"""The thresholds of the decision between stereo, fused and monocular depth."""

from dataclasses import dataclass

from stereo_portrait.core.errors import ConfigError


@dataclass(frozen=True)
class ParallaxSettings:
    """Thresholds of the decision; docs/fallback.md says where each comes from."""

    row_error_limit_px: float = 1.0
    clipped_limit: float = 0.25
    least_tones: float = 16.0
    least_coverage: float = 0.5
    least_subject_coverage: float = 0.6
    pinned_limit: float = 0.01
    untrusted_limit: float = 0.04
    margin_sigmas: float = 4.0
    least_margin_px: float = 0.75
    least_share_in_front: float = 0.42
    relative_step: float = 0.08
    widest_share: float = 0.6
    retry: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("row_error_limit_px", 0.1, 100),
            ("clipped_limit", 0.01, 1),
            ("least_tones", 0, 255),
            ("least_coverage", 0, 1),
            ("least_subject_coverage", 0, 1),
            ("pinned_limit", 0, 1),
            ("untrusted_limit", 0, 1),
            ("margin_sigmas", 0, 100),
            ("least_margin_px", 0, 100),
            ("least_share_in_front", 0, 1),
            ("relative_step", 0, 1),
            ("widest_share", 0.05, 0.95),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"parallax.{name} must be between {low} and {high}, found {value:g}")
