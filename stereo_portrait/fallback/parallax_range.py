"""Is the subject where this rig can measure it? Decided per region by numbers, with the reasons in plain words.

Three things go wrong with parallax. Too near: the subject's disparity lies above the search, the matcher pins pixels at
the end of the range or finds nothing; a second search over a wider range settles most cases. Too far: subject and
background differ by less than the matching's own error. Unreliable: rows that do not correspond, a view without tones,
or two views that do not agree on enough of the picture. docs/fallback.md derives every threshold.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask, RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.portrait import DepthDecision
from stereo_portrait.fallback.measures import (
    before_background,
    consistent_share,
    disparity_sigma,
    searched_overlap,
    untrusted_regions,
)
from stereo_portrait.fallback.parallax_settings import ParallaxSettings
from stereo_portrait.fallback.subject_region import pinned_pixels, subject_region
from stereo_portrait.fallback.usable_pair import what_ruins

FloatMap = NDArray[np.float32]
MatchAgain = Callable[[float, float], DisparityMap]


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The decision, the map it speaks of (a second search may have replaced the first), and where not to trust it."""

    decision: DepthDecision
    disparity: DisparityMap
    distrusted: Mask  # (H, W) True where another source must speak; all False for use "stereo"
    beyond: Mask | None = None  # (H, W) True where the true disparity is at least `beyond_px`: the search ended there
    beyond_px: float = 0.0


@dataclass
class _Case:
    """What is collected on the way."""

    reasons: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)


class ParallaxJudge:
    """Decides between stereo, fused and monocular depth; see `ParallaxSettings`."""

    def __init__(self, settings: ParallaxSettings | None = None) -> None:
        self.settings = settings or ParallaxSettings()

    def decide(
        self,
        measured: DisparityMap,
        pair: RectifiedPair,
        subject: FloatMap | None = None,
        relative: FloatMap | None = None,
        searched_px: tuple[float, float] | None = None,
        match_again: MatchAgain | None = None,
        blur_per_px: float | None = None,
    ) -> Judgement:
        """Judge a matched pair.

        `subject`: (H, W) alpha of the subject, where somebody looked for it. `relative`: (H, W) relative inverse depth
        of the left view, near is large. `searched_px`: lowest and highest disparity searched, None where the matcher
        chose them itself. `match_again(low, high)` matches the same pair over other disparities. `blur_per_px`: blur
        radius in pixels for each pixel of disparity, for the lens that is asked.
        """
        case = _Case()
        s = self.settings
        ruined, numbers = what_ruins(pair, s.row_error_limit_px, s.clipped_limit, s.least_tones)
        case.numbers |= numbers
        if ruined:
            case.reasons.append(ruined)
            return self._nothing(measured, case)
        measured, searched_px = self._second_look(measured, pair, searched_px, match_again, case)
        overlap = searched_overlap(measured)
        coverage = consistent_share(measured, overlap)
        case.numbers["coverage"] = float(measured.measured.mean())
        case.numbers["overlap_coverage"] = coverage
        case.numbers["flat_share"] = float(((measured.flaws & Flaw.FLAT) > 0).mean())
        if coverage < self.settings.least_coverage:
            case.reasons.append(
                f"unreliable: the two views agree on {coverage:.0%} of what both see (at least "
                f"{self.settings.least_coverage:.0%} is needed); something moved, or the pictures are no pair"
            )
            return self._nothing(measured, case)
        region = subject_region(subject, relative, measured, overlap)
        if self._too_far(measured, overlap, region, relative, blur_per_px, case):
            return self._nothing(measured, case)
        return self._by_region(measured, overlap, region, searched_px, case)

    def _second_look(
        self,
        measured: DisparityMap,
        pair: RectifiedPair,
        searched_px: tuple[float, float] | None,
        match_again: MatchAgain | None,
        case: _Case,
    ) -> tuple[DisparityMap, tuple[float, float] | None]:
        """Search again, wider, where pixels pile up at the near end of the range or regions find no match.

        The second answer is kept only if it explains more: fewer pinned pixels, or a third less of distrusted regions.
        """
        s = self.settings
        pinned = pinned_pixels(measured, searched_px)
        piled = float(pinned.mean())
        lost = float(untrusted_regions(measured, searched_overlap(measured), pinned).mean())
        case.numbers |= {"pinned_share": piled, "untrusted_share": lost}
        if searched_px is None or (piled <= s.pinned_limit and lost <= s.untrusted_limit):
            return measured, searched_px
        low, high = searched_px
        if piled > s.pinned_limit:
            case.reasons.append(
                f"too near: {piled:.0%} of the picture is pinned at the end of the search ({high:.0f} px)"
            )
        widest = s.widest_share * pair.rig.width_px
        if not s.retry or match_again is None or high >= widest:
            return measured, searched_px
        found, reach, still = measured, high, piled
        while reach < widest and (reach == high or still > s.pinned_limit):
            reach = min(widest, reach + max(high - low, 64.0))
            found = match_again(low, reach)
            pinned = pinned_pixels(found, (low, reach))
            still = float(pinned.mean())
        left = float(untrusted_regions(found, searched_overlap(found), pinned).mean())
        case.numbers |= {"retried_to_px": reach, "retried_pinned_share": still, "retried_untrusted_share": left}
        settled = piled > s.pinned_limit >= still
        if not settled and left > 0.67 * lost:
            if piled > s.pinned_limit:
                case.reasons.append(f"searching again up to {reach:.0f} px does not reach it either")
            return measured, searched_px
        if piled <= s.pinned_limit:
            case.reasons.append(f"too near: {lost:.0%} of the picture finds no match below {high:.0f} px")
        case.reasons.append(
            f"searched again up to {reach:.0f} px: {left:.0%} without a trusted match instead of {lost:.0%}"
        )
        return found, (low, reach)

    def _too_far(
        self,
        measured: DisparityMap,
        overlap: Mask,
        region: Mask | None,
        relative: FloatMap | None,
        blur_per_px: float | None,
        case: _Case,
    ) -> bool:
        s = self.settings
        usable = measured.measured & overlap
        sigma_px = disparity_sigma(measured)
        values = measured.disparity_px[usable]
        span_px = float(np.subtract(*np.percentile(values, (98, 2)))) if values.size else 0.0
        case.numbers |= {"disparity_sigma_px": sigma_px, "disparity_span_px": span_px}
        least_px = max(s.least_margin_px, s.margin_sigmas * sigma_px)
        case.numbers["least_margin_px"] = least_px
        if blur_per_px is not None:
            visible_px = float(np.hypot(*measured.disparity_px.shape)) / 1500
            case.numbers |= {
                "blur_error_px": abs(blur_per_px) * sigma_px,
                "blur_span_px": abs(blur_per_px) * span_px,
                "visible_blur_px": visible_px,
            }
        if span_px < 2 * least_px:
            case.reasons.append(
                f"too far: all of the picture lies within {span_px:.1f} px of disparity, which is no more than the "
                f"error of measuring it ({sigma_px:.2f} px); near and far cannot be told apart by parallax"
            )
            return True
        if region is None or relative is None:
            return False
        stands_px = before_background(np.where(usable, measured.disparity_px, np.float32(np.nan)), region)
        if stands_px.size < 100:
            return False
        spread = float(np.subtract(*np.percentile(relative, (98, 2))))
        seen = float(np.median(before_background(relative, region))) / max(spread, 1e-9)
        in_front = float((stands_px > least_px).mean())
        case.numbers |= {
            "subject_margin_px": float(np.median(stands_px)),
            "subject_margin_sigmas": float(np.median(stands_px)) / sigma_px,
            "subject_share_in_front": in_front,
            "subject_step_relative": seen,
        }
        if in_front < s.least_share_in_front and seen > s.relative_step:
            case.reasons.append(
                f"too far: {in_front:.0%} of the subject stands more than {least_px:.1f} px of disparity before its "
                f"background (at least {s.least_share_in_front:.0%} is needed), yet the photo shows it in front"
            )
            return True
        return False

    def _by_region(
        self,
        measured: DisparityMap,
        overlap: Mask,
        region: Mask | None,
        searched_px: tuple[float, float] | None,
        case: _Case,
    ) -> Judgement:
        s = self.settings
        pinned = pinned_pixels(measured, searched_px)
        distrusted = untrusted_regions(measured, overlap, pinned)
        near_end = float(pinned.mean()) > s.pinned_limit
        share = float(distrusted.mean())
        case.numbers["distrusted_share"] = share
        subject_coverage = 1.0
        if region is not None and (region & overlap).any():
            trusted = measured.measured & ~pinned & region & overlap
            subject_coverage = float(trusted.sum() / (region & overlap).sum())
            case.numbers["subject_coverage"] = subject_coverage
            case.numbers["subject_pinned_share"] = float(pinned[region].mean())
        weak_subject = subject_coverage < s.least_subject_coverage
        if (near_end or weak_subject) and share > s.untrusted_limit:
            if weak_subject:
                case.reasons.append(
                    f"the views agree on {subject_coverage:.0%} of the subject (at least "
                    f"{s.least_subject_coverage:.0%} is needed)"
                )
            case.reasons.append(f"the order seen in the photo fills {share:.0%} of the picture, stereo keeps the rest")
            decision = DepthDecision("fused", tuple(case.reasons), case.numbers)
            if near_end and searched_px is not None:
                return Judgement(decision, measured, distrusted, pinned, searched_px[1])
            return Judgement(decision, measured, distrusted)
        case.reasons.append(
            f"stereo: the views agree on {case.numbers['overlap_coverage']:.0%} of what both see"
            + (f" and on {subject_coverage:.0%} of the subject" if region is not None else "")
        )
        nowhere = np.zeros(distrusted.shape, np.bool_)
        return Judgement(DepthDecision("stereo", tuple(case.reasons), case.numbers), measured, nowhere)

    def _nothing(self, measured: DisparityMap, case: _Case) -> Judgement:
        case.reasons.append("depth comes from the photo alone: right in order, without metres")
        everywhere = np.ones(measured.disparity_px.shape, np.bool_)
        return Judgement(DepthDecision("monocular", tuple(case.reasons), case.numbers), measured, everywhere)
