"""Where bundle adjustment starts: each camera alone, then the pose between them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import CalibrationError
from stereo_portrait.geometry.bundle import COEFFICIENTS, ModelName, View, board_pose, project, solve

Array = NDArray[np.float64]


def start(
    views: list[View], model: ModelName, left_size: tuple[int, int], right_size: tuple[int, int]
) -> tuple[Array, Array]:
    """Shared parameters and poses to start from: a scan over focal lengths, then each camera alone, then the pose.

    Raises:
        CalibrationError: no view in which both cameras see the board.
    """
    fisheye = model == "fisheye"
    own = []
    for side, size_px in ((0, left_size), (1, right_size)):
        seen = [_one_sided(v, side) for v in views]
        own.append(_alone([v for v in seen if len(v.left_px) >= 4], model, size_px))
    relative = []
    poses = np.zeros((len(views), 6))
    left_poses = [board_pose(v.left_m, v.left_px, own[0], fisheye) if len(v.left_px) >= 4 else None for v in views]
    right_poses = [board_pose(v.right_m, v.right_px, own[1], fisheye) if len(v.right_px) >= 4 else None for v in views]
    for a, b in zip(left_poses, right_poses, strict=True):
        if a is not None and b is not None:
            ra, rb = cv2.Rodrigues(a[:3])[0], cv2.Rodrigues(b[:3])[0]
            turn = np.asarray(rb @ ra.T, np.float64)
            relative.append(np.concatenate([np.ravel(cv2.Rodrigues(turn)[0]), b[3:] - turn @ a[3:]]))
    if not relative:
        raise CalibrationError("no view shows the board to both cameras; hold it where the two pictures overlap")
    between = np.median(relative, axis=0)
    for i, (a, b) in enumerate(zip(left_poses, right_poses, strict=True)):
        if a is not None:
            poses[i] = a
        elif b is not None:
            turn = np.asarray(cv2.Rodrigues(between[:3])[0], np.float64)
            rb = np.asarray(cv2.Rodrigues(b[:3])[0], np.float64)
            poses[i] = np.concatenate([np.ravel(cv2.Rodrigues(turn.T @ rb)[0]), turn.T @ (b[3:] - between[3:])])
        else:
            poses[i] = (0, 0, 0, 0, 0, 1)
    return np.concatenate([own[0], own[1], between]), poses


def _one_sided(view: View, side: int) -> View:
    nothing = np.zeros((0, 3)), np.zeros((0, 2))
    if side == 0:
        return View(view.name, view.left_m, view.left_px, *nothing)
    return View(view.name, view.right_m, view.right_px, *nothing)


def _alone(views: list[View], model: ModelName, size_px: tuple[int, int]) -> Array:
    """Intrinsics of one camera from its own views."""
    if not views:
        raise CalibrationError("one of the cameras sees the board in no picture")
    fisheye, count = model == "fisheye", COEFFICIENTS[model]
    width_px, height_px = size_px
    best, guess = np.inf, np.zeros(4 + count)
    sample = views[:: max(1, len(views) // 10)]
    for focal_px in width_px * np.geomspace(0.28, 4.0, 14):
        intrinsics = np.array([focal_px, focal_px, (width_px - 1) / 2, (height_px - 1) / 2, *np.zeros(count)])
        errors = []
        for view in sample:
            pose = board_pose(view.left_m, view.left_px, intrinsics, fisheye)
            if pose is not None:
                predicted = project(view.left_m, pose, intrinsics, fisheye)[0]
                errors.append(float(np.sqrt(np.square(view.left_px - predicted).sum(axis=1).mean())))
        if len(errors) > len(sample) / 2 and np.median(errors) < best:
            best, guess = float(np.median(errors)), intrinsics
    if not np.isfinite(best):
        raise CalibrationError("no focal length explains the corners; is --board right?")
    found = [(v, board_pose(v.left_m, v.left_px, guess, fisheye)) for v in views]
    usable = [(v, p) for v, p in found if p is not None]
    shared = np.concatenate([guess, guess, np.zeros(6)])
    free = np.zeros(len(shared), np.bool_)
    poses = np.stack([p for _, p in usable])
    for stage in (2, count):
        free[: 4 + stage] = True
        fit = solve([v for v, _ in usable], model, shared, poses, huber_px=2.0, free=free, iterations=25)
        shared, poses = fit.shared, fit.poses
    return np.asarray(shared[: 4 + count], np.float64)
