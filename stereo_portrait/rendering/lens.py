"""Depth + lens + focus -> signed blur radius, linear in inverse depth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.core.portrait import Aperture, Focus, LensModel

ALPHA_EDGE = 0.5  # a pixel that is mostly subject is subject; the renderer softens the rim itself
WIDEST_SHARE = 0.08  # of the picture's width: no lens portrait needs a larger radius


@dataclass(frozen=True)
class LensSettings:
    """The lens that the portrait pretends to have been taken with."""

    focal_length_mm: float = 50.0
    f_number: float = 1.8
    sensor_width_mm: float = 36.0
    max_blur_px: float | None = None
    blades: int = 0
    roundness: float = 0.0
    rotation_deg: float = 0.0
    cats_eye: float = 0.0
    anamorphic: float = 1.0
    ring: float = 0.0
    edge: float = 0.0

    def __post_init__(self) -> None:
        if self.max_blur_px is not None and not 0 <= self.max_blur_px <= 2000:
            raise ConfigError(f"lens.max_blur_px must be between 0 and 2000, found {self.max_blur_px:g}")
        self.model()

    def model(self) -> LensModel:
        """The lens itself.

        Raises:
            ConfigError: a number out of range.
        """
        aperture = Aperture(
            self.blades, self.roundness, self.rotation_deg, self.cats_eye, self.anamorphic, self.ring, self.edge
        )
        return LensModel(self.focal_length_mm, self.f_number, self.sensor_width_mm, aperture)


def radius_map(
    depth: DepthMap,
    lens: LensModel,
    focus: Focus,
    max_radius_px: float | None = None,
    sharp: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """(H, W) blur radius in pixels: positive in front of the focus plane, negative behind, NaN where unknown.

    Inside `focus.range_m` everything is sharp and blur starts at its limits. The radius is capped at `max_radius_px`,
    or at 8 % of the picture's width. `sharp` is an (H, W) alpha of what stays in focus whatever its depth.
    """
    width_px = depth.depth_m.shape[1]
    inverse = depth.inverse_depth_per_m
    at = np.float32(1.0 / focus.distance_m)
    offset = inverse - at
    if focus.range_m is not None:
        near, far = (np.float32(1.0 / limit) for limit in focus.range_m)
        offset = np.where(inverse > near, inverse - near, np.where(inverse < far, inverse - far, 0 * inverse))
    per_inverse_m = lens.blur_px_per_inverse_m(focus.distance_m, width_px) / 2
    limit = WIDEST_SHARE * width_px if max_radius_px is None else max_radius_px
    radius_px = np.clip(offset * np.float32(per_inverse_m), -limit, limit)
    if sharp is not None:
        radius_px = np.where(sharp > ALPHA_EDGE, 0 * radius_px, radius_px)
    return radius_px.astype(np.float32)
