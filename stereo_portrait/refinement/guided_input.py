"""A matcher's evidence -> the guided network's input; training and use go through the same door.

The shipped weights learned from medians of radius 6; with 4 they choose better all the same.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image
from stereo_portrait.core.depth import Flaw, MatchEvidence
from stereo_portrait.refinement.evidence_features import Evidence, evidence_of
from stereo_portrait.refinement.sources_around import NEAREST, sources_around, taken
from stereo_portrait.refinement.weighted_median import WeightedMedianRefiner, WeightedMedianSettings

MULTIPLE = 16  # the network halves a picture four times
SENSOR_TOP = 60.0  # where the 98th percentile of inverse depth is put
FILLED_VOTE = 0.4
MEDIAN = WeightedMedianRefiner(WeightedMedianSettings(radius_px=4, stride_px=2, least_change_px=1.0))


def network_input(found: MatchEvidence) -> Evidence:
    """Features and candidates at the evidence's size, grown at the right and at the bottom to multiples of MULTIPLE."""
    judged = found.judged
    flaws = judged.flaws
    filled = (flaws & Flaw.FILLED) > 0
    trust = np.float32(0.7) * judged.confidence + np.float32(0.3)
    np.putmask(trust, filled, np.float32(FILLED_VOTE))
    median_px = MEDIAN.cleaned(judged.disparity_px, trust, filled, found.left)
    rejected = (flaws & Flaw.INCONSISTENT) > 0
    missing = (flaws & (Flaw.NO_MATCH | Flaw.OUTSIDE_OVERLAP)) > 0
    return evidence_of(
        _grown(found.left),
        _grown(found.right),
        _grown(judged.disparity_px),
        _grown(found.raw_left_px),
        _grown(found.raw_right_px),
        _grown(median_px),
        _grown(rejected),
        _grown(missing),
    )


def sensor_input(photo: Image, measured: NDArray[np.float32]) -> Evidence:
    """The same for a depth camera's frame: inverse depth on the scale of `SENSOR_TOP`, NaN where it has nothing."""
    photo, measured = _grown(photo), _grown(measured)
    holes = np.isnan(measured)
    sources = sources_around(~holes)
    base = taken(measured, sources[NEAREST], np.zeros_like(measured))
    trust = np.where(holes, np.float32(FILLED_VOTE), np.float32(1))
    median = MEDIAN.cleaned(base, trust, holes, photo)
    nothing = np.zeros(holes.shape, np.bool_)
    return evidence_of(photo, None, base, None, None, median, nothing, holes)


def _grown(array: NDArray) -> NDArray:
    down, across = -array.shape[0] % MULTIPLE, -array.shape[1] % MULTIPLE
    if not down and not across:
        return np.ascontiguousarray(array)
    plain = array.view(np.uint8) if array.dtype == np.bool_ else array
    return cv2.copyMakeBorder(plain, 0, down, 0, across, cv2.BORDER_REPLICATE).view(array.dtype)
