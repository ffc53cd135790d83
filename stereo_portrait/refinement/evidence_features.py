"""What the guided network sees: candidate disparities for every pixel, and what speaks for each of them.

How well the two pictures agree under each, by each pixel and by those around it; how alike the colours are here and
where the surface behind was seen. `evidence_layout` says which channel is which.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, Mask
from stereo_portrait.refinement.candidates import Candidates, candidates_of
from stereo_portrait.refinement.cost_kernels import SUPPORT_SCALE, fill_costs, fill_support
from stereo_portrait.refinement.evidence_kernels import fill_pictures, fill_shape
from stereo_portrait.refinement.evidence_layout import CHANNELS, COSTS, DISAGREE, LEAST, REASONS, ZERO, as_bytes
from stereo_portrait.refinement.local_match import LocalMatch
from stereo_portrait.refinement.step_kernels import fill_steps

Map = NDArray[np.float32]
MEAN_PX = 31


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Network input for one picture."""

    features: NDArray[np.uint8]  # (4 CHANNELS, H/2, W/2), see evidence_layout
    candidates: Map  # (CANDIDATES, H, W) px, no NaN


def evidence_of(
    left: Image,
    right: Image | None,
    base_px: Map,
    raw_px: Map | None,
    right_px: Map | None,
    median_px: Map,
    rejected: Mask,
    missing: Mask,
) -> Evidence:
    """Everything the network is told; H and W must be even.

    `base_px` is the judged and filled map (no NaN), `raw_px` what the matcher said before judging (NaN: nothing).
    `right`, `raw_px` and `right_px` are None for a depth camera: channels of matching evidence stay zero.
    """
    found = candidates_of(left, right, base_px, median_px, ~(rejected | missing))
    height, width = base_px.shape
    features = np.empty((4 * CHANNELS, height // 2, width // 2), np.uint8)
    grey = cv2.cvtColor(left, cv2.COLOR_RGB2GRAY).astype(np.float32)
    soft = _packed(cv2.boxFilter(left, -1, (3, 3))).ravel()
    seen = (left, grey, soft, found.behind.source, found.behind.away_px)
    in_bands(fill_pictures, height, features.size, features, *seen)
    mean = cv2.boxFilter(base_px, -1, (MEAN_PX, MEAN_PX))
    reasons = rejected.astype(np.uint8) + 2 * missing.astype(np.uint8)
    in_bands(fill_shape, height, features.size, features, found.px, mean, reasons)
    if right is None or raw_px is None or right_px is None or found.local is None:
        features[4 * COSTS : 4 * REASONS] = ZERO
        features[4 * DISAGREE : 4 * (DISAGREE + 1)] = ZERO
    else:
        _compare(features, found, found.local, left, right, grey, raw_px, right_px)
    return Evidence(features, found.px)


def _compare(
    features: NDArray[np.uint8],
    found: Candidates,
    local: LocalMatch,
    left: Image,
    right: Image,
    grey: Map,
    raw_px: Map,
    right_px: Map,
) -> None:
    """The channels that a second view fills."""
    height, width = grey.shape
    wider = cv2.copyMakeBorder(right, 0, 0, 0, 1, cv2.BORDER_REPLICATE)
    grey_right = cv2.cvtColor(right, cv2.COLOR_RGB2GRAY).astype(np.float32)
    product, square = np.empty((2, height, width), np.float32)
    told = (features, found.px, _packed(left), _packed(wider), grey, grey_right, raw_px, right_px, product, square)
    in_bands(fill_costs, height, features.size, *told)
    in_bands(fill_support, height, features.size, features, found.px, local.costs, local.first_step, local.searched)
    features[4 * LEAST : 4 * (LEAST + 1)] = as_bytes(np.float32(SUPPORT_SCALE) * local.least)
    features[4 * DISAGREE : 4 * (DISAGREE + 1)] = as_bytes(~local.agreed)
    in_bands(fill_steps, height, features.size, features, product, square)


def _packed(picture: Image) -> NDArray[np.int32]:
    """(H, W) red, green, blue and 255 in one number."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA).view(np.int32)[..., 0]
