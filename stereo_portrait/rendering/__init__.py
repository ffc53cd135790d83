"""Photo + depth -> photograph. Linear light lives here and nowhere else."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import ConfigError
from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering.bokeh import BokehRenderer
from stereo_portrait.rendering.gather import GatherRenderer
from stereo_portrait.rendering.gaussian import GaussianRenderer
from stereo_portrait.rendering.scatter import ScatterRenderer
from stereo_portrait.rendering.slabs import SlabRenderer


class Renderer(Protocol):
    """Blurs linear light by a signed circle of confusion.

    `linear`: (H, W, 3) float32, 1.0 = white, highlights above 1 allowed. `radius_px`: (H, W) float32 blur radius,
    positive in front of the focus plane, negative behind it, NaN where unknown; larger is always nearer.
    Returns (H, W, 3) float32.
    """

    def render(
        self, linear: NDArray[np.float32], radius_px: NDArray[np.float32], aperture: Aperture
    ) -> NDArray[np.float32]: ...


RENDERERS: dict[str, tuple[str | None, type[Any]]] = {
    "bokeh": ("bokeh", BokehRenderer),
    "gaussian": (None, GaussianRenderer),
    "gather": (None, GatherRenderer),
    "scatter": (None, ScatterRenderer),
    "slabs": (None, SlabRenderer),
}
"""Name -> (section of config.yaml or None, class taking that section's settings or nothing); compiled on first use."""


def make_renderer(name: str, settings: Mapping[str, Any] | None = None) -> Renderer:
    """The renderer of that name; `settings` maps a section's name to its settings object (None: the defaults).

    Raises:
        ConfigError: no such renderer.
    """
    if name not in RENDERERS:
        raise ConfigError(f"no lens blur method '{name}'; known: {', '.join(RENDERERS)}")
    section, made = RENDERERS[name]
    renderer: Renderer = made(settings[section]) if section is not None and settings is not None else made()
    return renderer
