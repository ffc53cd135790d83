"""The order of the stages, and nothing else."""

import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from stereo_portrait import __version__
from stereo_portrait.config import Settings
from stereo_portrait.core.capture import Photo, RectifiedPair, StereoPair
from stereo_portrait.core.depth import DepthMap, DisparityMap, Flaw, MatchEvidence
from stereo_portrait.core.errors import ConfigError, InputError, WeightsError
from stereo_portrait.core.portrait import Aperture, DepthDecision, DepthEstimate, PortraitResult
from stereo_portrait.core.rig import RectifiedRig, RigCalibration
from stereo_portrait.fallback.fusion import Fusion
from stereo_portrait.fallback.monocular import MonocularDepth
from stereo_portrait.fallback.parallax_range import ParallaxJudge
from stereo_portrait.fallback.stage import Answer, Fallback, Seen
from stereo_portrait.fallback.subject import Subject, SubjectFinder
from stereo_portrait.geometry.rectify import RectifySettings, rectify
from stereo_portrait.geometry.row_error import RowError, measure_row_error
from stereo_portrait.matching import MATCHERS, Matcher
from stereo_portrait.matching.sgbm import SgbmMatcher
from stereo_portrait.refinement import REFINERS, Refiner
from stereo_portrait.refinement.sensor_fill import filled_by_colour
from stereo_portrait.rendering import RENDERERS, Renderer
from stereo_portrait.rendering.focus import FocusSettings, choose_focus
from stereo_portrait.rendering.highlights import with_recovered_highlights
from stereo_portrait.rendering.lens import LensSettings, radius_map
from stereo_portrait.rendering.light import linear_from_srgb, srgb_from_linear

T = TypeVar("T")
DEFAULT_MATCHER = "sgbm"
DEFAULT_REFINER = "median"
DEFAULT_RENDERER = "bokeh"
SUBJECT_M, BEHIND_M = 1.5, 6.0  # nominal distances of the simple recipe


@dataclass
class Watch:
    """Hands every intermediate value on and notes how long it took to come."""

    seen: Callable[[str, Any], None] = field(default=lambda name, value: None)
    seconds: dict[str, float] = field(default_factory=dict)
    _last_s: float = field(default_factory=time.perf_counter)

    def __call__(self, name: str, value: T) -> T:
        now_s = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now_s - self._last_s
        self.seen(name, value)
        self._last_s = time.perf_counter()
        return value

    def restart(self) -> None:
        """Start timing here, so that what happened before is nobody's time."""
        self._last_s = time.perf_counter()


@dataclass(frozen=True)
class Stages:
    """The algorithms in use, with their settings."""

    matcher: Matcher
    refiner: Refiner
    renderer: Renderer
    monocular: MonocularDepth
    subjects: SubjectFinder
    fallback: Fallback
    rectify: RectifySettings
    focus: FocusSettings
    lens: LensSettings
    recover_highlights: float = 1.0
    row_error_limit_px: float = 0.5


def stages_of(
    settings: Settings,
    matcher: str = DEFAULT_MATCHER,
    refiner: str = DEFAULT_REFINER,
    renderer: str = DEFAULT_RENDERER,
) -> Stages:
    """Build the named stages with their sections of the settings.

    Raises:
        ConfigError: a name that is not registered.
    """
    monocular = MonocularDepth(settings["monocular"])
    outline = SubjectFinder(replace(settings["subject"], matting="none"))  # the decision needs no hair
    return Stages(
        _made(MATCHERS, matcher, settings, "matcher"),
        _made(REFINERS, refiner, settings, "refiner"),
        _made(RENDERERS, renderer, settings, "renderer"),
        monocular,
        SubjectFinder(settings["subject"]),
        Fallback(ParallaxJudge(settings["parallax"]), Fusion(settings["fusion"]), monocular, outline),
        settings["rectify"],
        settings["focus"],
        settings["lens"],
        settings["bokeh"].recover_highlights if renderer == "bokeh" else 0.0,
    )


def warm_up(stages: Stages) -> None:
    """Load compiled kernels and networks on a tiny picture, so that the first real one is not slowed by it.

    A network that is missing is no matter here: whoever needs it says so.
    """
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)
    rig = RectifiedRig(48, 32, 50.0, 0.1, 23.5, 23.5, 15.5)
    everything = np.ones((32, 48), np.bool_)
    tiny = RectifiedPair(photo, photo, everything, everything, rig)
    steps = rng.integers(2, 9, (32, 48)).astype(np.float32)
    flaws = np.where(steps > 6, Flaw.FILLED, 0).astype(np.uint8)
    mottled = DisparityMap(steps, np.full((32, 48), np.float32(0.5)), flaws, rig)
    stages.refiner.refine(replace(mottled, evidence=MatchEvidence(photo, photo, steps, steps, mottled)), tiny)
    stages.renderer.render(linear_from_srgb(photo), steps - 5, Aperture())
    with contextlib.suppress(WeightsError):
        stages.fallback.look(photo)


def _made(registry: Mapping[str, tuple[str | None, Any]], name: str, settings: Settings, kind: str) -> Any:
    if name not in registry:
        raise ConfigError(f"no {kind} '{name}'; known: {', '.join(registry)}")
    section, make = registry[name]
    return make() if section is None else make(settings[section])


def estimate_from_pair(
    pair: StereoPair, rig: RigCalibration | RectifiedRig, stages: Stages, watch: Watch, fall_back: bool = True
) -> DepthEstimate:
    """A stereo pair -> depth on the rectified left view; without `fall_back`, stereo alone whatever it is worth.

    Raises:
        RigError: the rig does not fit the pictures.
        InputError: left and right are exchanged, or too small.
    """
    rectified = watch("rectified", rectify(pair, rig, stages.rectify))
    rows = watch("row_error", measure_row_error(rectified))
    if rows.swapped:
        raise InputError(
            f"'{pair.name}': left and right look exchanged ({rows.matches} matched points lie on the wrong side of "
            "infinity); give the pictures in the other order"
        )
    rectified = replace(rectified, row_error_px=rows.median_px)
    with ThreadPoolExecutor(1) as beside:
        looking = beside.submit(stages.fallback.look, rectified.left) if fall_back else None
        measured = watch("measured", stages.matcher.match(rectified))
        refined = watch("refined", stages.refiner.refine(measured, rectified))
    warnings = _warnings(rows, stages.row_error_limit_px)
    if stages.refiner.notice is not None:
        warnings = (*warnings, stages.refiner.notice)
    answer = Answer(refined.to_depth(), refined, DepthDecision("stereo", ("stereo as asked",)))
    if looking is not None:
        try:
            answer = watch("decision", _considered(refined, rectified, stages, looking.result()))
        except WeightsError as error:
            warnings = (*warnings, f"the depth was not judged, for want of a network: {error}")
    decision = replace(answer.decision, measured={**_measured(answer.depth, rows), **answer.decision.measured})
    return DepthEstimate(
        photo=rectified.left,
        depth=answer.depth,
        decision=decision,
        name=pair.name,
        disparity=answer.disparity,
        metadata=pair.metadata,
        warnings=warnings,
    )


def _considered(refined: DisparityMap, pair: RectifiedPair, stages: Stages, seen: Seen) -> Answer:
    """What the fallback makes of a measured map: stereo, stereo joined with the photo's own order, or the latter."""
    matcher = stages.matcher
    searched_px = None
    match_again = None
    if isinstance(matcher, SgbmMatcher):
        searched_px = matcher.searched_px(pair.rig.width_px, pair.rig.height_px)

        def match_again(low: float, high: float) -> DisparityMap:
            again = replace(matcher.settings, min_disparity_px=int(low), max_disparity_px=int(np.ceil(high)))
            return stages.refiner.refine(type(matcher)(again).match(pair), pair)

    rig = pair.rig
    lens = stages.lens.model()
    per_px = lens.blur_px_per_inverse_m(float("inf"), rig.width_px) / 2 / (rig.focal_px * rig.baseline_m)
    considered = stages.fallback.decide(refined, pair, searched_px, match_again, per_px, seen)
    return stages.fallback.apply(considered)


def estimate_from_sensor(
    photo: Photo,
    depth: DepthMap,
    watch: Watch,
    focus_hint_px: tuple[int, int] | None = None,
    stages: Stages | None = None,
) -> DepthEstimate:
    """A photo with depth on its grid; holes are filled by what lies around and is alike in colour, and flagged.

    A matte that came with the photo says what the subject is; no network is asked.
    """
    holes = ~depth.known
    depth = filled_by_colour(photo.pixels, depth)
    watch("filled", depth)
    use = "phone" if depth.origin == "phone" else "sensor"
    measured = {"coverage": float((~holes).mean())}
    came = "the photo came with its depth" if use == "phone" else "the depth was given with the photo"
    reasons: tuple[str, ...] = (came,)
    alpha = None
    if photo.matte is not None and photo.matte.whole:
        finder = SubjectFinder() if stages is None else stages.subjects
        subject = watch("subject", finder.find(photo.pixels, photo.matte))
        reasons, measured = (*reasons, *subject.notes), measured | _subject_numbers(subject)
        alpha = subject.alpha if subject.found else None
    decision = DepthDecision(use, reasons, measured)  # type: ignore[arg-type]
    return DepthEstimate(
        photo.pixels,
        depth,
        decision,
        photo.name,
        metadata=photo.metadata,
        subject=alpha,
        focus_hint_px=focus_hint_px,
    )


def estimate_from_photo(photo: Photo, stages: Stages, watch: Watch) -> DepthEstimate:
    """One photo: relative depth by a network, and the subject for the focus.

    Raises:
        WeightsError: a network is not on this machine.
    """
    depth = watch("monocular", stages.monocular.estimate(photo.pixels))
    subject = watch("subject", stages.subjects.find(photo.pixels, photo.matte))
    reasons = ("one photo: depth is relative, near and far in the right order but without metres", *subject.notes)
    decision = DepthDecision("monocular", reasons, _subject_numbers(subject))
    alpha = subject.alpha if subject.found else None
    return DepthEstimate(photo.pixels, depth, decision, photo.name, metadata=photo.metadata, subject=alpha)


def estimate_by_segmentation(photo: Photo, stages: Stages, watch: Watch) -> DepthEstimate:
    """The simple recipe: the subject at one nominal distance, everything else at another.

    Raises:
        InputError: no subject stands out.
        WeightsError: the network is not on this machine.
    """
    subject = watch("subject", stages.subjects.find(photo.pixels, photo.matte))
    if not subject.found:
        raise InputError(f"'{photo.name}': no subject stands out; use --method monocular, perhaps with --focus X,Y")
    near_per_m, far_per_m = np.float32(1 / SUBJECT_M), np.float32(1 / BEHIND_M)
    depth_m = np.float32(1) / (far_per_m + subject.alpha * (near_per_m - far_per_m))
    everything = np.full(depth_m.shape, np.float32(0.5))
    depth = DepthMap(depth_m, everything, np.zeros(depth_m.shape, np.uint8), "monocular", metric=False)
    reasons = ("subject mask as asked: everything behind the subject is blurred alike", *subject.notes)
    decision = DepthDecision("segment", reasons, _subject_numbers(subject))
    return DepthEstimate(photo.pixels, depth, decision, photo.name, metadata=photo.metadata, subject=subject.alpha)


def _subject_numbers(subject: Subject) -> dict[str, float]:
    return {
        "subjects": float(subject.count),
        "subject_share": subject.share,
        "subject_certainty": subject.certainty,
    }


def render_portrait(
    estimate: DepthEstimate, stages: Stages, watch: Watch, settings: Settings | None = None, method: str = "auto"
) -> PortraitResult:
    """Focus, then blur by the lens.

    Raises:
        InputError: a focus that the depth cannot give, or no subject where it was asked for.
        ConfigError: a lens that cannot focus there.
        WeightsError: the subject was asked for and its network is not on this machine.
    """
    lens = stages.lens.model()
    subject = estimate.subject
    if subject is None and stages.focus.at.strip().lower() == "subject":
        found = watch("subject", stages.subjects.find(estimate.photo))
        subject = found.alpha if found.found else None
    focus = watch("focus", choose_focus(estimate.depth, stages.focus, subject, estimate.focus_hint_px))
    sharp = subject if focus.how == "subject" and stages.focus.keep_subject_sharp else None
    radius_px = watch("lens", radius_map(estimate.depth, lens, focus, stages.lens.max_blur_px, sharp))
    linear = with_recovered_highlights(linear_from_srgb(estimate.photo), stages.recover_highlights)
    blurred = watch("blur", stages.renderer.render(linear, radius_px, lens.aperture))
    image = watch("encoded", srgb_from_linear(blurred))
    return PortraitResult(
        image,
        estimate,
        focus,
        lens,
        method if method != "auto" else estimate.decision.use,
        dict(watch.seconds),
        settings.as_dict() if settings is not None else {},
        __version__,
    )


def _measured(depth: DepthMap, rows: RowError) -> dict[str, float]:
    filled = (depth.flaws & Flaw.FILLED) > 0
    numbers = {
        "coverage": float((depth.known & ~filled).mean()),
        "mean_confidence": float(depth.confidence.mean()),
        "row_error_matches": float(rows.matches),
    }
    if rows.median_px is not None:
        numbers |= {"row_error_px": rows.median_px, "row_offset_px": rows.offset_px}
    return numbers


def _warnings(rows: RowError, limit_px: float) -> tuple[str, ...]:
    if rows.median_px is not None and rows.median_px > limit_px:
        return (
            f"rows disagree by {rows.median_px:.2f} px (median; {limit_px:g} is the limit): the rig has moved or the "
            "calibration is poor, disparity suffers; calibrate again or try rig check",
        )
    return ()
