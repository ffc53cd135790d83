"""Depth that does not flicker where nothing moves, and is not late where something does."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.live import kernels
from stereo_portrait.rendering.bands import in_bands

Map = NDArray[np.float32]
LEAST_CHANGE = 2.0  # grey levels
NOISE_FACTOR = (
    2.3  # of the noise's sigma: mean of the largest of three channels over 3x3 pixels, plus four of its sigmas
)
NOISE_EVERY = 10  # frames
REACH_PX = 3  # what moves spoils the matching this far around it
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def noise_sigma(grey: NDArray[np.uint8]) -> float:
    """Standard deviation of the sensor's noise in grey levels, from the flatter parts of one picture.

    Lower quartile of |picture * Laplacian difference| over that of a unit normal, 6 sigma x 0.3186. Source: Immerkaer,
    "Fast Noise Variance Estimation", CVIU 1996, whose mean is replaced by the quartile, so that texture counts little.
    """
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, LAPLACIAN))
    return float(np.percentile(response[1:-1:2, 1:-1:2], 25)) / (6 * 0.3186)


class Steadier:
    """Holds the last frames' answer on the working grid; one stream, one thread."""

    def __init__(self, steadiness: float) -> None:
        """`steadiness` in [0, 1): the share of the old in the long run; 0 = every frame for itself."""
        self.steadiness = steadiness
        self._mean: Map | None = None
        self._held: Map = np.zeros((0, 0), np.float32)
        self._seen: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._doubt: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._sigma = 0.0
        self._age = 0

    def forget(self) -> None:
        """Start anew: another size, another scene."""
        self._mean = None

    def watch(self, picture: Image) -> Mask | None:
        """(h, w) True where the picture moved since the last frames; None for the first. Call before `steadied`."""
        if self.steadiness <= 0:
            return None
        if self._mean is None or self._mean.shape != picture.shape:
            self._mean = picture.astype(np.float32)
            self._held = np.full(picture.shape[:2], np.nan, np.float32)
            self._seen, self._doubt = (np.zeros(picture.shape[:2], np.uint8) for _ in range(2))
            self._sigma = noise_sigma(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
            return None
        h, w = picture.shape[:2]
        raw = np.empty((h, w), np.float32)
        in_bands(kernels.change, h, h * w, picture, self._mean, raw)
        self._age += 1
        if self._age % NOISE_EVERY == 0:
            self._sigma += 0.3 * (noise_sigma(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) - self._sigma)
        changed = cv2.blur(raw, (3, 3)) > max(LEAST_CHANGE, NOISE_FACTOR * self._sigma)
        side = 2 * REACH_PX + 1
        moved = cv2.dilate(changed.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        in_bands(kernels.settle_light, h, h * w * 3, picture, moved, self._mean, 1 - self.steadiness, self._seen)
        return moved

    def calm(self, picture: Image) -> Image:
        """The picture with its noise averaged away where nothing moves; call after `watch`."""
        return picture if self._mean is None else np.rint(self._mean).astype(np.uint8)

    def steadied(self, found: Map, moved: Mask | None) -> Map:
        """(h, w) disparity after this frame's `found`, NaN where neither knows."""
        if self.steadiness <= 0:
            return found
        if moved is None:
            moved = np.ones(found.shape, np.bool_)
        in_bands(
            kernels.steady,
            len(found),
            found.size,
            found,
            moved,
            self._held,
            self._seen,
            self._doubt,
            1 - self.steadiness,
        )
        return self._held.copy()
