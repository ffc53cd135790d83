"""Photo + depth -> photograph. Linear light lives here and nowhere else."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture


class Renderer(Protocol):
    """Blurs linear light by a signed circle of confusion.

    `linear`: (H, W, 3) float32, 1.0 = white, highlights above 1 allowed. `radius_px`: (H, W) float32 blur radius,
    positive in front of the focus plane, negative behind it, NaN where unknown; larger is always nearer.
    Returns (H, W, 3) float32.
    """

    def render(
        self, linear: NDArray[np.float32], radius_px: NDArray[np.float32], aperture: Aperture
    ) -> NDArray[np.float32]: ...


RENDERERS: dict[str, tuple[str | None, type[Renderer]]] = {}
"""Name on the command line -> (section of config.yaml or None, class taking that section's settings)."""
