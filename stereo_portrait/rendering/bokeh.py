"""The occlusion-aware lens blur: layers cut at depth edges, filled behind, blurred and laid over each other."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import ConfigError
from stereo_portrait.core.portrait import Aperture

Map = NDArray[np.float32]


@dataclass(frozen=True)
class BokehSettings:
    """How much care goes into the lens blur."""

    quality: Literal["full", "preview", "draft"] = "full"
    layers: int = 12
    soft_edges: bool = True
    snap_edges: bool = True
    highlights: bool = True
    recover_highlights: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.layers <= 32:
            raise ConfigError(f"bokeh.layers must be between 1 and 32, found {self.layers}")
        if not 0 <= self.recover_highlights <= 10:
            raise ConfigError(f"bokeh.recover_highlights must be between 0 and 10, found {self.recover_highlights:g}")


DEFAULT = BokehSettings()


class BokehRenderer:
    """The lens blur that the portraits are made with."""

    def __init__(self, settings: BokehSettings = DEFAULT) -> None:
        self.settings = settings

    def render(self, linear: Map, radius_px: Map, aperture: Aperture) -> Map:
        """(H, W, 3) linear light as the lens would have drawn it."""
        from stereo_portrait.rendering.bokeh_layers import render_layers
        from stereo_portrait.rendering.half_size import render_at_half_size

        draw = render_at_half_size if self.settings.quality == "draft" else render_layers
        light = np.ascontiguousarray(linear, np.float32)
        return draw(light, np.ascontiguousarray(radius_px, np.float32), aperture, self.settings)
