"""What a calibration's standard errors mean in use: row error, depth error over the picture and over distance."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.geometry import bundle
from stereo_portrait.geometry.bundle import Fit, View
from stereo_portrait.geometry.held_out import Size, common_points, rectified_rays

Array = NDArray[np.float64]
GRID = (12, 9)
WIDEST = 1.73  # tangent of 60 degrees: rectified pictures reach no farther
MATCHING_SIGMA_PX = 0.25  # what a good matcher achieves


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Standard errors that follow from the covariance of the parameters."""

    row_error_px: float  # rms over the picture
    row_map_px: Array  # (9, 12) over the left picture
    depth_map: Array  # (9, 12) relative depth error at the middle distance
    distances_m: Array  # (n,)
    depth_error_m: Array  # (n,) from the calibration alone, median over the picture
    matching_error_m: Array  # (n,) from a disparity error of 0.25 px alone


def predict(fit: Fit, left_size: Size, right_size: Size) -> Prediction:
    """Propagate the parameters' covariance, to first order, to rows and depths of points all over the picture."""
    baseline_m = float(np.linalg.norm(fit.shared[-3:]))
    focal_px = float(fit.shared[0])
    # From where disparity is a fifth of the width to where it is 4 px.
    distances_m = focal_px * baseline_m / np.geomspace(left_size[0] / 5, 4.0, 12)
    covariance = fit.covariance()
    rows, depths = [], []
    for distance_m in (distances_m[0], distances_m[5], distances_m[-1]):
        row, depth, seen = _sigmas(fit, covariance, distance_m, left_size, right_size)
        rows.append(np.where(seen, row, np.nan))
        depths.append(np.where(seen, depth, np.nan))
    with np.errstate(invalid="ignore"):
        row_map = np.sqrt(_mean(np.square(rows)))
        row_error_px = float(np.sqrt(np.nanmean(np.square(row_map)))) if np.isfinite(row_map).any() else float("nan")
    depth_error = []
    for distance_m in distances_m:
        _, depth, seen = _sigmas(fit, covariance, distance_m, left_size, right_size)
        depth_error.append(float(np.median(depth[seen])) * distance_m if seen.any() else float("nan"))
    matching = distances_m**2 / (focal_px * baseline_m) * MATCHING_SIGMA_PX
    return Prediction(row_error_px, row_map, depths[1], distances_m, np.array(depth_error), matching)


def _mean(stack: Array) -> Array:
    known = np.isfinite(stack)
    return np.where(known.any(axis=0), np.nansum(stack, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def _sigmas(
    fit: Fit, covariance: Array, distance_m: float, left_size: Size, right_size: Size
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """(9, 12) row sigma in px, relative depth sigma, and whether the right camera sees the point."""
    left_px, right_px, seen = grid_pixels(fit, distance_m, left_size, right_size)
    rows, depth = measured(fit, left_px, right_px, left_size, right_size)
    gradient_rows, gradient_depth = [], []
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-24))
    for i, step in enumerate(0.1 * scale):
        shared = fit.shared.copy()
        shared[i] += step
        moved = bundle.Fit(fit.model, shared, fit.poses, fit.residuals, fit.information)
        new_rows, new_depth = measured(moved, left_px, right_px, left_size, right_size)
        gradient_rows.append((new_rows - rows) / step)
        gradient_depth.append((new_depth / depth - 1) / step)
    shape = (GRID[1], GRID[0])
    sigmas = [
        np.sqrt(np.maximum(np.einsum("in,ij,jn->n", np.array(g), covariance, np.array(g)), 0)).reshape(shape)
        for g in (gradient_rows, gradient_depth)
    ]
    return sigmas[0], sigmas[1], seen.reshape(shape)


def grid_pixels(
    fit: Fit, distance_m: float, left_size: Size, right_size: Size
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """(n, 2) left pixels on a grid, right pixels of the points at that distance, and whether those are visible."""
    n, fisheye = fit.intrinsics, fit.model == "fisheye"
    x, y = np.meshgrid(*((np.arange(c) + 0.5) / c * s - 0.5 for c, s in zip(GRID, left_size, strict=True)))
    left_px = np.stack([x.ravel(), y.ravel()], axis=1)
    rays = bundle.undistorted(left_px, fit.shared[:n], fisheye)
    usable = np.isfinite(rays).all(axis=1) & (np.abs(rays).max(axis=1) < WIDEST)
    points_m = np.column_stack([np.where(usable[:, None], rays, 0), np.ones(len(rays))]) * distance_m
    right_px = bundle.project(points_m, fit.shared[-6:], fit.shared[n : 2 * n], fisheye)[0]
    inside = (right_px >= 0).all(axis=1) & (right_px <= np.array(right_size) - 1).all(axis=1)
    return left_px, right_px, usable & inside


def measured(fit: Fit, left_px: Array, right_px: Array, left_size: Size, right_size: Size) -> tuple[Array, Array]:
    """Row error in px and depth along the rectified axis in m that this rig reads from corresponding pixels."""
    left, right, focal_px = rectified_rays(fit, left_px, right_px, left_size, right_size)
    baseline_m = float(np.linalg.norm(fit.shared[-3:]))
    parallax = left[:, 0] - right[:, 0]
    parallax = np.where(np.abs(parallax) < 1e-9, 1e-9, parallax)
    return focal_px * (right[:, 1] - left[:, 1]), baseline_m / parallax


@dataclass(frozen=True, slots=True)
class ScaleCheck:
    """The board as the finished rig measures it."""

    square_mm: float  # mean distance of neighbouring corners
    error_percent: float
    error_mm: float
    bend_mm: float  # rms distance of the corners from their best plane


def check_scale(views: list[View], fit: Fit, left_size: Size, right_size: Size, square_mm: float) -> ScaleCheck | None:
    """Triangulate every board corner by corner, as if nothing were known of the board, and measure it."""
    lengths: list[Array] = []
    bends: list[float] = []
    for view in views:
        if not view.both:
            continue
        left_px, right_px = common_points(view)
        ids = np.round(view.left_m[_common_mask(view), :2] / (square_mm / 1000)).astype(int)
        left, right, _ = rectified_rays(fit, left_px, right_px, left_size, right_size)
        depth = np.linalg.norm(fit.shared[-3:]) / np.maximum(left[:, 0] - right[:, 0], 1e-9)
        points = np.column_stack([left[:, 0], (left[:, 1] + right[:, 1]) / 2, np.ones(len(left))]) * depth[:, None]
        where = {(a, b): i for i, (a, b) in enumerate(ids.tolist())}
        for step in ((1, 0), (0, 1)):
            ends = [
                (i, where[a + step[0], b + step[1]])
                for (a, b), i in where.items()
                if (a + step[0], b + step[1]) in where
            ]
            if ends:
                index = np.array(ends)
                lengths.append(np.linalg.norm(points[index[:, 0]] - points[index[:, 1]], axis=1))
        if len(points) >= 8:
            bends.append(_off_plane(points))
    if not lengths:
        return None
    mean_mm = float(np.mean(np.concatenate(lengths))) * 1000
    bend_mm = float(np.median(bends)) * 1000 if bends else 0.0
    return ScaleCheck(mean_mm, (mean_mm / square_mm - 1) * 100, mean_mm - square_mm, bend_mm)


def _common_mask(view: View) -> NDArray[np.bool_]:
    right = {tuple(p) for p in np.round(view.right_m, 7).tolist()}
    return np.array([tuple(p) in right for p in np.round(view.left_m, 7).tolist()], np.bool_)


def _off_plane(points: Array) -> float:
    centred = points - points.mean(axis=0)
    return float(np.linalg.svd(centred, compute_uv=False)[2] / np.sqrt(len(points)))


def coverage(views: list[View], side: int, size_px: Size, cells: tuple[int, int] = (8, 6)) -> NDArray[np.intp]:
    """(6, 8) corners seen in each cell of one camera's picture."""
    points = [v.left_px if side == 0 else v.right_px for v in views]
    flat = np.concatenate(points) if points else np.zeros((0, 2))
    x = np.clip((flat[:, 0] + 0.5) / size_px[0] * cells[0], 0, cells[0] - 1).astype(int)
    y = np.clip((flat[:, 1] + 0.5) / size_px[1] * cells[1], 0, cells[1] - 1).astype(int)
    return np.bincount(y * cells[0] + x, minlength=cells[0] * cells[1]).reshape(cells[1], cells[0])


def rotation_deg(rotation: Array) -> float:
    """Angle of a rotation matrix."""
    return float(np.degrees(np.linalg.norm(cv2.Rodrigues(rotation)[0])))
