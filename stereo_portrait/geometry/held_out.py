"""How well a lens model predicts views that it was not fitted to, and which model is good enough."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.rig import RigCalibration
from stereo_portrait.geometry import bundle
from stereo_portrait.geometry.bundle import Fit, ModelName, View
from stereo_portrait.geometry.rectify import rectifying_rotations

Array = NDArray[np.float64]
Size = tuple[int, int]
MODELS: tuple[ModelName, ...] = ("pinhole4", "pinhole5", "fisheye", "pinhole8")  # in order of preference


def cross_validated(views: list[View], fit: Fit, folds: int, left_size: Size, right_size: Size) -> tuple[Array, Array]:
    """Per held-out view mean squared error, and row errors of held-out corners after rectification, px."""
    squares = np.full(len(views), np.nan)
    rows: list[Array] = []
    stereo = [i for i, v in enumerate(views) if v.both]
    folds = min(folds, len(stereo))
    rest = [i for i, v in enumerate(views) if not v.both]
    for fold in range(folds):
        out = stereo[fold::folds]
        keep = sorted(set(stereo) - set(out)) + rest
        part = bundle.solve([views[i] for i in keep], fit.model, fit.shared, fit.poses[keep], iterations=12)
        none = np.zeros(len(fit.shared), np.bool_)
        held = [views[i] for i in out]
        test = bundle.solve(held, fit.model, part.shared, fit.poses[out], free=none, iterations=12)
        for i, pair in zip(out, test.residuals, strict=True):
            squares[i] = float(np.square(np.concatenate(pair)).sum(axis=1).mean())
        rows += [row_errors_px(view, part, left_size, right_size) for view in held]
    return squares[stereo], np.concatenate(rows)


def row_errors_px(view: View, fit: Fit, left_size: Size, right_size: Size) -> Array:
    """(n,) vertical disagreement after rectification of the corners that both cameras see."""
    left, right = common_points(view)
    rays_left, rays_right, focal_px = rectified_rays(fit, left, right, left_size, right_size)
    return focal_px * (rays_right[:, 1] - rays_left[:, 1])


def common_points(view: View) -> tuple[Array, Array]:
    """(n, 2) left and right pixels of the corners that both cameras see."""
    where = {tuple(p): i for i, p in enumerate(np.round(view.right_m, 7).tolist())}
    pairs = [(i, where[tuple(p)]) for i, p in enumerate(np.round(view.left_m, 7).tolist()) if tuple(p) in where]
    index = np.array(pairs, int).reshape(-1, 2)
    return view.left_px[index[:, 0]], view.right_px[index[:, 1]]


def rectified_rays(
    fit: Fit, left_px: Array, right_px: Array, left_size: Size, right_size: Size
) -> tuple[Array, Array, float]:
    """(n, 2) directions on z = 1 of the rectified frame, left and right, and the rectified focal length."""
    rotation, t_m = fit.pose
    rig = RigCalibration(fit.camera(0, left_size), fit.camera(1, right_size), rotation, t_m if t_m[0] < 0 else -t_m)
    turns = rectifying_rotations(rig)
    n, fisheye = fit.intrinsics, fit.model == "fisheye"
    rays = []
    for side, px in ((0, left_px), (1, right_px)):
        flat = bundle.undistorted(px, fit.shared[side * n : (side + 1) * n], fisheye)
        turned = np.column_stack([flat, np.ones(len(flat))]) @ turns[side].T
        rays.append(turned[:, :2] / turned[:, 2:])
    focal_px = float((fit.shared[0] + fit.shared[1] + fit.shared[n] + fit.shared[n + 1]) / 4)
    return rays[0], rays[1], focal_px


def simplest_good(held: dict[str, tuple[Array, Array]]) -> ModelName:
    """The first model in order of preference whose held-out error exceeds the best by less than one standard error.

    Source: Hastie et al., "The Elements of Statistical Learning", section 7.10 (one-standard-error rule, paired).
    """
    best = min(held, key=lambda m: float(held[m][0].mean()))
    for model in MODELS:
        if model not in held:
            continue
        excess = held[model][0] - held[best][0]
        if excess.mean() <= excess.std(ddof=1) / np.sqrt(len(excess)) or model == best:
            return model
    raise AssertionError("one of the models is the best")
