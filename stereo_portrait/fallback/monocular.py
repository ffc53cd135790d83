"""Depth from one photo: right order, no metres.

A network sees what is nearer and what is farther, never how far. Its answer is relative inverse depth; to render it we
need numbers, so the nearest and the farthest parts of the picture are placed at two nominal distances. The result says
`metric=False`: nobody may show these numbers as metres.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image
from stereo_portrait.core.depth import DepthMap, on_nominal_scale
from stereo_portrait.core.errors import ConfigError, InputError
from stereo_portrait.fallback.edges import sharpened
from stereo_portrait.networks.contract import ask
from stereo_portrait.networks.weights import open_network

CONFIDENCE = 0.5  # a guess, but a consistent one
EDGE_CONFIDENCE = 0.25
LEAST_PX = 16


@dataclass(frozen=True)
class MonocularSettings:
    """Which network, and the nominal distances that give its relative depth a scale for the lens."""

    network: str = "built-in"
    nearest_m: float = 1.0
    farthest_m: float = 20.0
    sharpen: bool = True
    threads: int = 0

    def __post_init__(self) -> None:
        if not 0.05 <= self.nearest_m < self.farthest_m <= 10_000:
            raise ConfigError(
                "monocular.nearest_m and farthest_m must be between 0.05 and 10000 m, nearest first; found "
                f"{self.nearest_m:g} and {self.farthest_m:g}"
            )
        if not 0 <= self.threads <= 256:
            raise ConfigError(f"monocular.threads must be 0 (all cores) to 256, found {self.threads}")


class MonocularDepth:
    """Relative depth of single photos; opens its network at the first photo."""

    def __init__(self, settings: MonocularSettings | None = None) -> None:
        self.settings = settings or MonocularSettings()

    def relative(self, photo: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, W) relative inverse depth (near is large, any scale) and confidence in [0, 1].

        Raises:
            WeightsError: the network is not on this machine or is damaged.
            InputError: a photo too small to show anything.
        """
        height, width = photo.shape[:2]
        if min(height, width) < LEAST_PX:
            raise InputError(f"a photo of {width}x{height} is too small to judge depth from; at least {LEAST_PX} px")
        session, contract = open_network(self.settings.network, "monocular", self.settings.threads)
        coarse = ask(session, contract, photo)
        if not self.settings.sharpen:
            inverse = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
            return inverse, np.full(inverse.shape, CONFIDENCE, np.float32)
        inverse, edge = sharpened(coarse, photo)
        return inverse, np.where(edge, np.float32(EDGE_CONFIDENCE), np.float32(CONFIDENCE))

    def estimate(self, photo: Image) -> DepthMap:
        """Depth on the photo's grid with `metric=False`; nothing is unknown.

        Inverse depth is scaled linearly so that its 2nd percentile lies at `farthest_m`, its 98th at `nearest_m`.

        Raises:
            WeightsError, InputError: see `relative`.
        """
        inverse, confidence = self.relative(photo)
        return self.scaled(inverse, confidence)

    def scaled(self, inverse: NDArray[np.float32], confidence: NDArray[np.float32]) -> DepthMap:
        """Relative inverse depth on the nominal scale."""
        depth_m = 1.0 / on_nominal_scale(inverse, self.settings.nearest_m, self.settings.farthest_m)
        flaws = np.zeros(inverse.shape, np.uint8)
        return DepthMap(depth_m.astype(np.float32), confidence, flaws, "monocular", metric=False)
