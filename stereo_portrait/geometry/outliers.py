"""Views and corners that the rest of a calibration contradicts, and why."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.geometry import bundle
from stereo_portrait.geometry.bundle import Fit, View

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A view that was left out, and why."""

    name: str
    why: str


def without_outliers(
    views: list[View], fit: Fit, view_factor: float, point_sigmas: float
) -> tuple[list[View], Fit, list[Rejected], int]:
    """Views and points that the rest contradicts are taken out, worst first, until none is left."""
    thrown: list[Rejected] = []
    dropped = 0
    for _ in range(6):
        errors = [_view_rms(pair) for pair in fit.residuals]
        usual = float(np.median(errors))
        limit = view_factor * usual + 0.15
        bad = [i for i, e in enumerate(errors) if e > limit]
        if bad:
            # A bad view bends the others too: only the clearly worst go in one round.
            bad = [i for i in bad if errors[i] > 0.4 * max(errors)]
            thrown += [Rejected(views[i].name, _why(views[i], fit, errors[i], usual)) for i in bad]
            keep = [i for i in range(len(views)) if i not in bad]
            views = [views[i] for i in keep]
            if sum(v.both for v in views) < 3:
                return views, fit, thrown, dropped
            fit = bundle.solve(views, fit.model, fit.shared, fit.poses[keep], huber_px=1.0)
            continue
        lengths = np.concatenate([np.linalg.norm(r, axis=1) for pair in fit.residuals for r in pair])
        sigma = 1.4826 * float(np.median(lengths)) / 1.1774  # Rayleigh: median of a 2-D normal's length is 1.1774 sigma
        cleaned = [_trimmed(v, pair, point_sigmas * sigma + 0.05) for v, pair in zip(views, fit.residuals, strict=True)]
        count = sum(n for _, n in cleaned)
        views = [v for v, _ in cleaned]
        dropped += count
        fit = bundle.solve(views, fit.model, fit.shared, fit.poses, huber_px=1.0 if count else None)
        if not count:
            break
    fit = bundle.solve(views, fit.model, fit.shared, fit.poses)
    return views, fit, thrown, dropped


def _view_rms(pair: tuple[Array, Array]) -> float:
    both = np.concatenate(pair)
    return float(np.sqrt(np.square(both).sum(axis=1).mean())) if len(both) else 0.0


def _trimmed(view: View, pair: tuple[Array, Array], limit_px: float) -> tuple[View, int]:
    keep = [np.linalg.norm(r, axis=1) <= limit_px for r in pair]
    lost = sum(int((~k).sum()) for k in keep)
    if not lost:
        return view, 0
    left, right = keep
    return View(view.name, view.left_m[left], view.left_px[left], view.right_m[right], view.right_px[right]), lost


def _why(view: View, fit: Fit, error_px: float, usual_px: float) -> str:
    """Each camera's own fit tells a board that moved between the exposures from corners that are wrong."""
    alone = []
    for side, points_m, px in ((0, view.left_m, view.left_px), (1, view.right_m, view.right_px)):
        if len(px) < 4:
            continue
        intrinsics = fit.shared[side * fit.intrinsics : (side + 1) * fit.intrinsics]
        pose = bundle.board_pose(points_m, px, intrinsics, fit.model == "fisheye")
        if pose is not None:
            predicted = bundle.project(points_m, pose, intrinsics, fit.model == "fisheye")[0]
            alone.append(float(np.sqrt(np.square(px - predicted).sum(axis=1).mean())))
    numbers = f"error {error_px:.2f} px where others have {usual_px:.2f}"
    if view.both and len(alone) == 2 and max(alone) < 0.5 * error_px and max(alone) < 4 * usual_px + 0.3:
        return f"the board moved between the left and the right exposure ({numbers})"
    where = "both pictures" if len(alone) == 2 and min(alone) > 0.5 * max(alone) else "one picture"
    return f"corners contradict the other views in {where}: blurred, bent or misdetected ({numbers})"
