"""The whole fallback as one stage: look at the photo, judge the pair, give the depth that the judgement asks for."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, RectifiedPair
from stereo_portrait.core.depth import DepthMap, DisparityMap
from stereo_portrait.core.portrait import DepthDecision
from stereo_portrait.fallback.fusion import Fusion
from stereo_portrait.fallback.monocular import MonocularDepth
from stereo_portrait.fallback.parallax_range import Judgement, MatchAgain, ParallaxJudge
from stereo_portrait.fallback.subject import Subject, SubjectFinder


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the networks see in one photo."""

    relative: NDArray[np.float32]  # (H, W) relative inverse depth
    relative_confidence: NDArray[np.float32]
    subject: Subject


@dataclass(frozen=True, slots=True, eq=False)
class Considered:
    """A judgement, and what was seen in the left view on the way to it."""

    judgement: Judgement
    seen: Seen


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Depth, the disparity behind it (None for depth from one photo), and why."""

    depth: DepthMap
    disparity: DisparityMap | None
    decision: DepthDecision


class Fallback:
    """Decides between stereo, fused and monocular depth, and delivers it."""

    def __init__(
        self,
        judge: ParallaxJudge | None = None,
        fusion: Fusion | None = None,
        monocular: MonocularDepth | None = None,
        finder: SubjectFinder | None = None,
    ) -> None:
        self.judge = judge or ParallaxJudge()
        self.fusion = fusion or Fusion()
        self.monocular = monocular or MonocularDepth()
        self.finder = finder or SubjectFinder()

    def look(self, photo: Image) -> Seen:
        """Relative depth and subject of one photo; needs no matching, so it may run beside it.

        Raises:
            WeightsError: a network is not on this machine.
        """
        relative, confidence = self.monocular.relative(photo)
        return Seen(relative, confidence, self.finder.find(photo))

    def decide(
        self,
        measured: DisparityMap,
        pair: RectifiedPair,
        searched_px: tuple[float, float] | None = None,
        match_again: MatchAgain | None = None,
        blur_per_px: float | None = None,
        seen: Seen | None = None,
    ) -> Considered:
        """Judge a matched pair; the arguments are those of `ParallaxJudge.decide`, and what `look` saw, if it looked.

        Raises:
            WeightsError: a network is not on this machine.
        """
        seen = seen or self.look(pair.left)
        alpha = seen.subject.alpha if seen.subject.found else None
        judgement = self.judge.decide(measured, pair, alpha, seen.relative, searched_px, match_again, blur_per_px)
        return Considered(judgement, seen)

    def apply(self, considered: Considered) -> Answer:
        """The depth that was decided on. A fit that cannot be believed turns "fused" into "monocular"."""
        judgement = considered.judgement
        decision = judgement.decision
        if decision.use == "stereo":
            return Answer(judgement.disparity.to_depth("stereo"), judgement.disparity, decision)
        if decision.use == "fused":
            filled, fit = self.fusion.fill(
                judgement.disparity,
                judgement.distrusted,
                considered.seen.relative,
                considered.seen.relative_confidence,
                judgement.beyond,
                judgement.beyond_px,
            )
            measured = decision.measured | {"fit_inliers": fit.inliers, "fit_scale": fit.scale}
            if np.isfinite(fit.error_px):
                measured["fit_error_px"] = fit.error_px
            if fit.good:
                decision = replace(decision, measured=measured)
                return Answer(filled.to_depth("fused"), filled, decision)
            reasons = (*decision.reasons[:-1], f"the two cannot be joined: {fit.reason}", ALONE)
            decision = DepthDecision("monocular", reasons, measured)
        depth = self.monocular.scaled(considered.seen.relative, considered.seen.relative_confidence)
        return Answer(depth, None, decision)


ALONE = "depth comes from the photo alone: right in order, without metres"
