"""A network weighs the matcher's evidence at every pixel: which answer to believe, what to put where none is right.

See docs/refinement.md. Without the matcher's evidence (a map from a file, a matcher that keeps none) or without usable
weights the best classical refiner does the work, and `notice` says so.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw, MatchEvidence
from stereo_portrait.core.errors import ConfigError, WeightsError
from stereo_portrait.networks.session import Session
from stereo_portrait.networks.weights import open_weights
from stereo_portrait.refinement.candidates import MEDIAN
from stereo_portrait.refinement.choice import PLANES, chosen, settled
from stereo_portrait.refinement.guided_input import network_input
from stereo_portrait.refinement.islands import without_islands
from stereo_portrait.refinement.ripples import without_ripples
from stereo_portrait.refinement.weighted_median import WeightedMedianRefiner, WeightedMedianSettings

Map = NDArray[np.float32]
TILE_ROWS = 1024  # of half-size pixels at a time; bounds the memory of the network
OVERLAP_ROWS = 96  # of half-size pixels: more than the network sees to either side
VOTE = WeightedMedianRefiner(
    WeightedMedianSettings(radius_px=2, colour_sigma=20.0, edge_step_px=1.0, least_change_px=0.25)
)
LEAST_VOTE = 0.05


@dataclass(frozen=True)
class GuidedNetworkSettings:
    """Which weights, and how many threads run them."""

    network: str = "built-in"
    threads: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.threads <= 256:
            raise ConfigError(f"guided.threads must be 0 (all cores) to 256, found {self.threads}")


class GuidedNetworkRefiner:
    """Chooses for every pixel among the matcher's candidates, corrects by less than a pixel, and states its trust.

    Choices beside an edge are then put to the vote of their surroundings: alike in colour, weighted by that trust.
    Last, differences of a part of a pixel are evened out, and islands of a few pixels give way to the median.
    """

    notice: str | None

    def __init__(self, settings: GuidedNetworkSettings | None = None) -> None:
        self.settings = settings or GuidedNetworkSettings()
        self.classical = WeightedMedianRefiner()
        self.notice = None

    def refine(self, disparity: DisparityMap, pair: RectifiedPair) -> DisparityMap:
        """The map with crisper edges, better filled parts and calibrated confidence; unknown stays unknown."""
        self.notice = None
        evidence = disparity.evidence
        if evidence is None:
            return self.classical.refine(disparity, pair)
        try:
            session = open_weights(self.settings.network, "refiner", self.settings.threads)
            small_px, confidence = answered(session, evidence)
        except WeightsError as error:
            self.notice = f"the weighted median refined the disparity, for want of the network: {error}"
            return self.classical.refine(disparity, pair)
        flaws = settled(small_px, confidence, evidence.raw_left_px, evidence.judged.flaws)
        if evidence.enlarge is not None:
            small_px, confidence, flaws = evidence.enlarge(small_px, confidence, flaws)
        unknown = ~disparity.known
        np.putmask(small_px, unknown, np.float32(np.nan))
        np.putmask(confidence, unknown, np.float32(0))
        return replace(disparity, disparity_px=small_px, confidence=confidence, flaws=flaws)


def answered(session: Session, evidence: MatchEvidence) -> tuple[Map, Map]:
    """(h, w) disparity in px without NaN, and confidence in [0, 1], at the evidence's size."""
    told = network_input(evidence)
    answers = in_strips(session, told.features)
    height, width = evidence.judged.disparity_px.shape
    filled = np.zeros(told.candidates.shape[1:], np.bool_)
    filled[:height, :width] = (evidence.judged.flaws & Flaw.FILLED) > 0
    disparity_px, confidence = chosen(answers, told.candidates, filled)
    disparity_px, confidence = disparity_px[:height, :width], confidence[:height, :width]
    nothing = np.zeros((height, width), np.bool_)
    voted = VOTE.cleaned(disparity_px, confidence + np.float32(LEAST_VOTE), nothing, evidence.left)
    median_px = told.candidates[MEDIAN, :height, :width]
    return without_islands(without_ripples(voted), median_px), confidence


def in_strips(session: Session, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The network's answers; tall pictures go through in strips that overlap, without a seam."""
    entry, rows = session.inputs[0], features.shape[1]
    strip = rows if rows <= TILE_ROWS + 2 * OVERLAP_ROWS else TILE_ROWS
    parts = []
    for top in range(0, rows, strip):
        first, last = max(0, top - OVERLAP_ROWS), min(rows, top + strip + OVERLAP_ROWS)
        said = session.said({entry: _turned(features[:, first:last])})
        wanted = (1, PLANES, last - first, features.shape[2])
        if [getattr(s, "shape", None) for s in said] != [wanted] or said[0].dtype != np.uint8:
            raise WeightsError(f"{session.path.name} is no guided network: expected bytes of the shape {wanted}")
        parts.append(said[0][0, :, top - first : top - first + strip])
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _turned(features: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(C, h, w) as (1, h, w, C)."""
    planes, height, width = features.shape
    flat, turned = features.reshape(planes, height * width), np.empty((height * width, planes), np.uint8)

    def turn(top: int, bottom: int) -> None:
        part = slice(top * width, bottom * width)
        cv2.transpose(flat[:, part], dst=turned[part])

    in_bands(turn, height, features.size)
    return turned.reshape(1, height, width, planes)
