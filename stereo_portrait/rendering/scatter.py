"""Scatter: every pixel spreads over its own disc and the sum is normalised, kept for comparison.

Source: the classical renderer of Peng et al., "BokehMe: When Neural Rendering Meets Classical Rendering", CVPR 2022.
"""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture


class ScatterRenderer:
    """Light of each pixel spread evenly over its disc; where discs of several depths meet, they are averaged."""

    def render(
        self, linear: NDArray[np.float32], radius_px: NDArray[np.float32], aperture: Aperture
    ) -> NDArray[np.float32]:
        """(H, W, 3) normalised scatter; written as a gather so that it does not depend on the number of threads."""
        from stereo_portrait.rendering.comparison_kernels import scatter

        radius = np.ascontiguousarray(np.nan_to_num(radius_px, nan=0.0), np.float32)
        widest = int(np.ceil(np.abs(radius).max())) + 1
        return scatter(np.ascontiguousarray(linear, np.float32), radius, widest, np.float32(aperture.anamorphic))
