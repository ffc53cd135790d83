"""Per-pixel gather: every pixel is the mean over its own disc, the shader's way, kept for comparison."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture


class GatherRenderer:
    """A Vogel spiral of samples over each pixel's own disc; a sample in front of or as sharp as its disc counts."""

    def render(
        self, linear: NDArray[np.float32], radius_px: NDArray[np.float32], aperture: Aperture
    ) -> NDArray[np.float32]:
        """(H, W, 3) mean over discs; samples that are sharper than their distance are rejected."""
        from stereo_portrait.rendering.comparison_kernels import gather

        radius = np.ascontiguousarray(np.nan_to_num(radius_px, nan=0.0), np.float32)
        return gather(np.ascontiguousarray(linear, np.float32), radius, np.float32(aperture.anamorphic))
