"""Board views -> a rig, the model that predicts unseen views best, and what was left out and why."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import CalibrationError, ConfigError
from stereo_portrait.core.rig import RigCalibration
from stereo_portrait.geometry import bundle
from stereo_portrait.geometry.bundle import Fit, ModelName, View
from stereo_portrait.geometry.first_guess import start
from stereo_portrait.geometry.held_out import MODELS, Size, cross_validated, simplest_good
from stereo_portrait.geometry.outliers import Rejected, without_outliers

Array = NDArray[np.float64]
CONTRADICTION_PX = 2.5  # a median error that no lens and no jitter explains


@dataclass(frozen=True)
class CalibrateSettings:
    """What a calibration accepts."""

    model: Literal["auto", "pinhole4", "pinhole5", "pinhole8", "fisheye"] = "auto"
    min_views: int = 5
    folds: int = 5
    point_sigmas: float = 4.5
    view_factor: float = 3.0

    def __post_init__(self) -> None:
        if self.min_views < 3:
            raise ConfigError(f"calibrate.min_views must be at least 3, found {self.min_views}")
        if self.folds < 2:
            raise ConfigError(f"calibrate.folds must be at least 2, found {self.folds}")
        if self.point_sigmas < 3 or self.view_factor < 1.5:
            raise ConfigError("calibrate.point_sigmas must be at least 3 and calibrate.view_factor at least 1.5")


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A rig with everything that is known about how good it is."""

    rig: RigCalibration
    fit: Fit
    views: list[View]
    rejected: list[Rejected]
    points_dropped: int
    model_rms_px: dict[str, float]  # cross-validated rms of every model tried
    epipolar_rms_px: float  # row error of corners in views left out of the fit, after rectification
    epipolar_max_px: float
    notes: list[str] = field(default_factory=list)


def calibrate(
    views: list[View],
    left_size: Size,
    right_size: Size,
    settings: CalibrateSettings | None = None,
    rejected: list[Rejected] | None = None,
    advance: Callable[[str], None] = lambda step: None,
) -> Calibration:
    """The rig that explains the views; bad views and points are left out, the lens model is chosen by cross-validation.

    Raises:
        CalibrationError: too few views, all of them straight on, swapped or mirrored pictures, or no consistent rig.
    """
    settings = settings or CalibrateSettings()
    rejected = list(rejected or [])
    _enough(views, settings, rejected)
    first: ModelName = settings.model if settings.model != "auto" else _first_guess(views, left_size, right_size)
    fit = _robust(views, first, left_size, right_size)
    if _median_error(fit) > CONTRADICTION_PX:
        raise CalibrationError(_contradiction(views, fit, left_size, right_size))
    views, fit, thrown, dropped = without_outliers(views, fit, settings.view_factor, settings.point_sigmas)
    rejected += thrown
    _enough(views, settings, rejected)
    _not_degenerate(views, fit)
    advance(first)
    scores: dict[str, float] = {}
    fits: dict[str, Fit] = {first: fit}
    held: dict[str, tuple[Array, Array]] = {}
    for model in (first,) if settings.model != "auto" else MODELS:
        if model not in fits:
            try:
                fits[model] = _fit(views, model, left_size, right_size)
            except CalibrationError:
                continue
        held[model] = cross_validated(views, fits[model], settings.folds, left_size, right_size)
        scores[model] = float(np.sqrt(np.mean(held[model][0])))
        advance(model)
    chosen = simplest_good(held)
    fit = fits[chosen]
    rows_px = held[chosen][1]
    rotation, t_m = fit.pose
    sigma = np.sqrt(np.diag(fit.covariance()))
    rig = RigCalibration(
        fit.camera(0, left_size),
        fit.camera(1, right_size),
        rotation,
        t_m,
        fit.rms_px,
        dict(zip(fit.parameter_names(), sigma.tolist(), strict=True)) | {"baseline_m": baseline_sigma_m(fit)},
        datetime.date.today().isoformat(),
    )
    _not_swapped(rig)
    notes = _notes(fit, views)
    rms, worst = float(np.sqrt(np.mean(rows_px**2))), float(np.abs(rows_px).max())
    return Calibration(rig, fit, views, rejected, dropped, scores, rms, worst, notes)


def baseline_sigma_m(fit: Fit) -> float:
    """Standard error of the baseline's length, from the covariance of the translation."""
    t = fit.shared[-3:]
    along = t / np.linalg.norm(t)
    return float(np.sqrt(along @ fit.covariance()[-3:, -3:] @ along))


def _enough(views: list[View], settings: CalibrateSettings, rejected: list[Rejected]) -> None:
    both = sum(v.both for v in views)
    if both >= settings.min_views:
        return
    why = ""
    if rejected:
        common = max({r.why for r in rejected}, key=lambda w: sum(r.why == w for r in rejected))
        why = f" ({len(rejected)} left out, mostly: {common})"
    raise CalibrationError(
        f"only {both} usable views in which both cameras see the board{why}; take at least {settings.min_views}, "
        "better 15 to 25, tilted and spread over the picture"
    )


def _first_guess(views: list[View], left_size: Size, right_size: Size) -> ModelName:
    """Fisheye where it explains the views far better than a pinhole lens does, else pinhole with five coefficients."""
    errors: dict[str, float] = {}
    for model in ("pinhole5", "fisheye"):
        try:
            fit = _robust(views, model, left_size, right_size)  # type: ignore[arg-type]
            errors[model] = _median_error(fit)
        except CalibrationError:
            errors[model] = np.inf
    if not np.isfinite(min(errors.values())):
        raise CalibrationError("no lens model explains the corners; is --board right, and is the board flat?")
    return "fisheye" if errors["fisheye"] < 0.5 * errors["pinhole5"] else "pinhole5"


def _contradiction(views: list[View], fit: Fit, left_size: Size, right_size: Size) -> str:
    """Why the two cameras' corners do not fit together: one is mirrored, or the pairs are not pairs."""
    for variant in (0, 1):
        flipped = [_unmirrored(v, right_size[0], variant) for v in views]
        try:
            other = _robust(flipped, fit.model, left_size, right_size)
        except CalibrationError:
            continue
        if _median_error(other) < 0.3 * _median_error(fit):
            side = "right" if other.pose[1][0] < 0 else "left"
            return f"the {side} camera's pictures are mirrored; switch mirroring off and take them again"
    return (
        f"left and right corners contradict each other (median {_median_error(fit):.0f} px): are the pictures paired "
        "in the right order, and do both cameras show the same board? Number them alike: left_01, right_01, ..."
    )


def _unmirrored(view: View, width_px: int, variant: int) -> View:
    """The view with its right picture flipped; corners then count from the other end of rows or columns."""
    if not len(view.right_px):
        return view
    points_m = view.right_m.copy()
    points_m[:, variant] = points_m[:, variant].max() + points_m[:, variant].min() - points_m[:, variant]
    px = np.column_stack([width_px - 1 - view.right_px[:, 0], view.right_px[:, 1]])
    return View(view.name, view.left_m, view.left_px, points_m, px)


def _median_error(fit: Fit) -> float:
    return float(np.median(np.concatenate([np.linalg.norm(r, axis=1) for pair in fit.residuals for r in pair])))


def _robust(views: list[View], model: ModelName, left_size: Size, right_size: Size) -> Fit:
    shared, poses = start(views, model, left_size, right_size)
    return bundle.solve(views, model, shared, poses, huber_px=1.0, iterations=30)


def _fit(views: list[View], model: ModelName, left_size: Size, right_size: Size) -> Fit:
    rough = _robust(views, model, left_size, right_size)
    return bundle.solve(views, model, rough.shared, rough.poses)


def tilts_deg(fit: Fit) -> Array:
    """(views,) angle between each board's normal and the left camera's axis."""
    normals = np.array([np.asarray(cv2.Rodrigues(p[:3])[0])[2, 2] for p in fit.poses])
    return np.degrees(np.arccos(np.clip(np.abs(normals), 0, 1)))


def _not_degenerate(views: list[View], fit: Fit) -> None:
    sigma = np.sqrt(np.diag(fit.covariance()))
    focal_px, spread_px = fit.shared[0], max(sigma[0], sigma[1], sigma[fit.intrinsics], sigma[fit.intrinsics + 1])
    tilt = float(np.percentile(tilts_deg(fit), 90))
    unsure = not np.isfinite(spread_px) or spread_px > 0.05 * focal_px
    if unsure or (tilt < 8 and spread_px > 0.004 * focal_px):
        raise CalibrationError(
            f"the focal length cannot be told (standard error {spread_px / focal_px:.1%}): the boards face the cameras "
            f"nearly straight (tilts up to {tilt:.0f} degrees); tilt the board by 20 to 40 degrees, all four ways"
        )


def _not_swapped(rig: RigCalibration) -> None:
    rotation, t_m = rig.rotation_right_from_left, rig.translation_right_from_left_m
    half = np.asarray(cv2.Rodrigues(cv2.Rodrigues(rotation)[0] / 2)[0])
    if (half.T @ t_m)[0] > 0.5 * np.linalg.norm(t_m):
        raise CalibrationError(
            "the right camera comes out left of the left one: --left and --right are swapped (or both are mirrored); "
            "exchange them, or switch mirroring off"
        )


def _notes(fit: Fit, views: list[View]) -> list[str]:
    notes = []
    left, right = fit.shared[0], fit.shared[fit.intrinsics]
    if abs(left / right - 1) > 0.08:
        notes.append(
            f"the focal lengths differ by {abs(left / right - 1):.0%}: was one camera zoomed, or its pictures rescaled?"
        )
    for name, at in (("left", 0), ("right", fit.intrinsics)):
        fx, fy = fit.shared[at], fit.shared[at + 1]
        if abs(fx / fy - 1) > 0.03:
            notes.append(f"the {name} pixels come out {fx / fy:.3f} times as wide as high: were pictures stretched?")
    if len(views) < 12:
        notes.append(f"{len(views)} views are few; 15 to 25 make the numbers trustworthy")
    return notes


def with_device(calibration: Calibration, device: str) -> Calibration:
    """The same calibration under a name."""
    return replace(calibration, rig=replace(calibration.rig, device=device))
