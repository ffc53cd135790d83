"""Depth slabs blurred one by one and laid over each other, far to near, without filling: kept for comparison.

Source: the multiplane scheme of Peng et al., "MPIB: An MPI-Based Bokeh Rendering Framework", ECCV 2022, with disc blur
in place of its network.
"""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture

MOST_SLABS = 32


class SlabRenderer:
    """Up to 32 slabs of equal blur; what a nearer slab hides stays empty and is normalised away."""

    def render(
        self, linear: NDArray[np.float32], radius_px: NDArray[np.float32], aperture: Aperture
    ) -> NDArray[np.float32]:
        """(H, W, 3) of blurred slabs under plain "over"."""
        radius = np.nan_to_num(radius_px, nan=0.0)
        low, high = float(radius.min()), float(radius.max())
        count = int(min(MOST_SLABS, max(1, np.ceil(high - low))))
        index = np.minimum(((radius - low) / max(high - low, 1e-6) * count).astype(np.int32), count - 1)
        light = np.zeros((*radius.shape, 4), np.float32)
        for i in range(count):
            inside = (index == i).astype(np.float32)
            if not inside.any():
                continue
            slab = np.dstack((linear * inside[..., None], inside))
            slab = disc_blur(slab, abs(low + (i + 0.5) * (high - low) / count), aperture.anamorphic)
            light = slab + light * (1 - np.clip(slab[..., 3:], 0, 1))
        return np.asarray(light[..., :3] / np.maximum(light[..., 3:], 1e-4), np.float32)


def disc_blur(picture: NDArray[np.float32], radius_px: float, tall: float = 1.0) -> NDArray[np.float32]:
    """Mean over a disc with an antialiased rim; `tall` is its height / width."""
    import cv2

    if radius_px < 0.5:
        return picture
    reach_x, reach_y = int(np.ceil(radius_px + 0.5)), int(np.ceil(radius_px * tall + 0.5))
    y = np.arange(-reach_y, reach_y + 1)[:, None] / tall
    x = np.arange(-reach_x, reach_x + 1)[None, :]
    kernel = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32)
