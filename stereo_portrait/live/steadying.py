"""Depth that does not flicker where nothing moves, and is not late where something does."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.live import kernels

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
    """Holds the last frames' answer on the working grid, and their mean picture; one stream, one thread."""

    def __init__(self, steadiness: float) -> None:
        """`steadiness` in [0, 1): the share of the old in the long run; 0 = every frame for itself."""
        self.steadiness = steadiness
        self._means: list[Map] = []  # of the small picture and of the photo
        self._still: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._moved: Mask = np.zeros((0, 0), np.bool_)
        self._held: Map = np.zeros((0, 0), np.float32)
        self._seen: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._doubt: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._sigma = 0.0
        self._age = 0

    def forget(self) -> None:
        """Start anew: another size, another scene."""
        self._means = []

    def watch(self, small: Image, photo: Image) -> tuple[Image, Image]:
        """See what moved since the last frames; returns both pictures with the noise of still parts averaged away.

        `small` is the photo on the working grid. What is returned is not used again, so it may be kept.
        """
        if self.steadiness <= 0:
            return small, photo
        pictures = small, photo
        if [m.shape for m in self._means] != [p.shape for p in pictures]:
            self._begin(small, photo)
            return small, photo
        h, w = small.shape[:2]
        raw = np.empty((h, w), np.float32)
        in_bands(kernels.change, h, small.size, small, self._means[0], self._still, raw)
        self._age += 1
        if self._age % NOISE_EVERY == 0:
            self._sigma += 0.3 * (noise_sigma(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)) - self._sigma)
        changed = cv2.blur(raw, (3, 3)) > max(LEAST_CHANGE, NOISE_FACTOR * self._sigma)
        side = 2 * REACH_PX + 1
        self._moved = cv2.dilate(changed.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        in_bands(kernels.count_still, h, h * w, self._moved, self._still)
        calm = np.empty_like(small), np.empty_like(photo)
        for picture, mean, out in zip(pictures, self._means, calm, strict=True):
            share = 1 - self.steadiness
            in_bands(kernels.settle_light, len(picture), picture.size, picture, self._still, mean, share, out)
        return calm

    def _begin(self, small: Image, photo: Image) -> None:
        self._means = [p.astype(np.float32) for p in (small, photo)]
        self._held = np.full(small.shape[:2], np.nan, np.float32)
        self._seen, self._doubt = (np.zeros(small.shape[:2], np.uint8) for _ in range(2))
        self._still = np.ones(small.shape[:2], np.uint8)
        self._moved = np.ones(small.shape[:2], np.bool_)
        self._sigma = noise_sigma(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))

    def steadied(self, found: Map) -> Map:
        """(h, w) disparity after this frame's `found`, NaN where neither knows; call after `watch`."""
        if self.steadiness <= 0:
            return found
        share = 1 - self.steadiness
        in_bands(kernels.steady, len(found), found.size, found, self._moved, self._held, self._seen, self._doubt, share)
        return self._held.copy()
