"""Subject mask + Gaussian blur: what segmentation tools do, kept for comparison."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture

SHARP_BELOW_PX = 2.0


class GaussianRenderer:
    """Pixels whose blur radius is small are the subject; all others get one Gaussian, and the mask is feathered."""

    def render(
        self, linear: NDArray[np.float32], radius_px: NDArray[np.float32], aperture: Aperture
    ) -> NDArray[np.float32]:
        """The masked mix of the photo and its Gaussian blur; the aperture's shape plays no part."""
        import cv2

        size = np.abs(np.nan_to_num(radius_px, nan=0.0))
        blurred_part = size > SHARP_BELOW_PX
        if not blurred_part.any():
            return linear.copy()
        radius = float(np.median(size[blurred_part]))
        soft = cv2.GaussianBlur(linear, (0, 0), radius / 2)  # a disc of radius r has variance r^2/4 along each axis
        mask = cv2.GaussianBlur(blurred_part.astype(np.float32), (0, 0), 1.5)[..., None]
        return (linear * (1 - mask) + soft * mask).astype(np.float32)
