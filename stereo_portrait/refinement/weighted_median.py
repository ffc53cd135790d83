"""Colour-weighted median near depth edges and in filled parts: edges snap to the picture's edges."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.refinement.median_kernels import BIN_PX, BLOCK, lay_out, median_rows


@dataclass(frozen=True)
class WeightedMedianSettings:
    """Window and colour tolerance."""

    radius_px: int = 6
    colour_sigma: float = 8.0
    edge_step_px: float = 1.0
    filled_weight: float = 0.4
    least_change_px: float = 0.5
    passes: int = 1
    stride_px: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (
            ("radius_px", 1, 30),
            ("colour_sigma", 0.5, 200),
            ("edge_step_px", 0.1, 64),
            ("filled_weight", 0.0, 1.0),
            ("least_change_px", 0.0, 64),
            ("passes", 1, 5),
            ("stride_px", 1, 4),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"median.{name} must be between {low} and {high}, found {value:g}")


class WeightedMedianRefiner:
    """Replaces a disparity by the weighted median of its window, weights by colour likeness and by trust.

    Small changes of what was measured are not made: they would flatten slanted surfaces.
    Source: Ma et al., "Constant Time Weighted Median Filtering for Stereo Matching and Beyond", ICCV 2013; here only
    where the window holds a step of more than `edge_step_px` or the pixel was filled, in further passes where it holds
    a pixel that the pass before changed: elsewhere it changes nothing.
    """

    notice: str | None = None

    def __init__(self, settings: WeightedMedianSettings | None = None) -> None:
        self.settings = settings or WeightedMedianSettings()

    def refine(self, disparity: DisparityMap, pair: RectifiedPair) -> DisparityMap:
        """The map with crisper edges and better filled parts; unknown stays unknown."""
        s = self.settings
        trust = np.where(disparity.measured, 0.3 + 0.7 * disparity.confidence, s.filled_weight).astype(np.float32)
        filled = (disparity.flaws & Flaw.FILLED) > 0
        return replace(disparity, disparity_px=self.cleaned(disparity.disparity_px, trust, filled, pair.left))

    def cleaned(
        self, found: NDArray[np.float32], trust: NDArray[np.float32], filled: NDArray[np.bool_], guide: Image
    ) -> NDArray[np.float32]:
        """(H, W) of any unit whose edges are steps above `edge_step_px`; NaN and infinity stay and have no vote.

        `trust` is each value's vote.
        """
        s = self.settings
        r, (height, width) = s.radius_px, found.shape
        grown = (height + 2 * r, width + 2 * r + BLOCK)
        told = cv2.copyMakeBorder(cv2.medianBlur(guide, 3), r, r, r, r + BLOCK, cv2.BORDER_CONSTANT, value=0)
        planes = np.stack(cv2.split(told), dtype=np.float32)
        scale = np.float32(1 / (2 * (3 * s.colour_sigma) ** 2) / 16)
        reach = np.full((height, width + BLOCK), s.least_change_px, np.float32)
        np.copyto(reach[:, :width], min(BIN_PX, s.least_change_px), where=filled)
        values, votes = np.zeros(grown, np.float32), np.zeros(grown, np.float32)
        known, jumps = np.empty((2, height, width), np.uint8)
        begun = (np.float32(s.edge_step_px), r, values, votes, known, jumps)
        window = np.ones((2 * r + 1,) * 2, np.uint8)
        changed = filled.view(np.uint8)
        for number in range(s.passes):
            in_bands(lay_out, height, found.size, found, trust, *begun)
            where = cv2.dilate(jumps, window) | changed if number == 0 else cv2.dilate(changed, window)
            where &= known
            cleaned, changed = found.copy(), np.zeros(found.shape, np.uint8)
            places = (where, reach, scale, r, s.stride_px)
            in_bands(median_rows, height, found.size, values, votes, planes, *places, cleaned, changed)
            found = cleaned  # in the next pass only what lies beside a change is new
        return found
