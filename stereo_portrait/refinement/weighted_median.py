"""Colour-weighted median near depth edges and in filled parts: edges snap to the picture's edges."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.refinement.median_kernels import BIN_PX, BLOCK, median_rows


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
        known = np.isfinite(found)
        r = s.radius_px
        trust = np.where(known, trust, np.float32(0)).astype(np.float32)
        votes, told = _grown(trust, r), cv2.medianBlur(guide, 3)
        planes = np.stack([_grown(plane.astype(np.float32), r) for plane in cv2.split(told)])
        scale = np.float32(1 / (2 * (3 * s.colour_sigma) ** 2) / 16)
        reach = np.where(filled, np.float32(min(BIN_PX, s.least_change_px)), np.float32(s.least_change_px))
        reach = cv2.copyMakeBorder(reach, 0, 0, 0, BLOCK, cv2.BORDER_CONSTANT, value=0)
        where = known & (_near_jumps(found, r, s.edge_step_px) | filled)
        for _ in range(s.passes):
            cleaned, changed = found.copy(), np.zeros(found.shape, np.uint8)
            values = _grown(np.where(known, found, np.float32(0)), r)
            places = (where, reach, scale, r, s.stride_px)
            in_bands(median_rows, len(found), found.size, values, votes, planes, *places, cleaned, changed)
            found = cleaned
            where = known & (cv2.dilate(changed, np.ones((2 * r + 1,) * 2, np.uint8)) > 0)  # elsewhere nothing is new
        return found


def _grown(array: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    return cv2.copyMakeBorder(array, by, by, by, by + BLOCK, cv2.BORDER_CONSTANT, value=0)


def _near_jumps(disparity_px: NDArray[np.float32], radius_px: int, step_px: float) -> NDArray[np.bool_]:
    """(H, W) True where a step > step_px between 4-neighbours, or the rim of a hole, lies inside the window."""
    values = np.where(np.isnan(disparity_px), np.float32(-1e6), disparity_px)
    jumps = np.zeros(values.shape, np.uint8)
    across = np.abs(np.diff(values, axis=1)) > step_px
    down = np.abs(np.diff(values, axis=0)) > step_px
    jumps[:, :-1] |= across
    jumps[:, 1:] |= across
    jumps[:-1] |= down
    jumps[1:] |= down
    near: NDArray[np.bool_] = cv2.dilate(jumps, np.ones((2 * radius_px + 1,) * 2, np.uint8)) > 0
    return near
