"""Rigs and board views whose truth is known exactly, to hold the calibration to it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.geometry import bundle
from stereo_portrait.geometry.board import Board, Grey, board_picture
from stereo_portrait.geometry.bundle import Fit, ModelName, View
from stereo_portrait.geometry.held_out import Size
from stereo_portrait.geometry.uncertainty import grid_pixels, measured

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrueRig:
    """A rig as the bundle adjustment parametrises it."""

    model: ModelName
    shared: Array
    size_px: Size

    @property
    def fit(self) -> Fit:
        """The truth in the shape of a solution, for comparing."""
        return Fit(self.model, self.shared, np.zeros((0, 6)), [], np.eye(len(self.shared)))


def random_rig(seed: int, model: ModelName = "pinhole5", size_px: Size = (480, 360)) -> TrueRig:
    """Two like cameras, 5 to 11 cm apart, a degree or so out of line."""
    rng = np.random.default_rng(seed)
    width_px, height_px = size_px
    base_px = width_px * (rng.uniform(0.42, 0.5) if model == "fisheye" else rng.uniform(0.8, 1.2))
    cameras = []
    for _ in range(2):
        focal_px = base_px * rng.uniform(0.99, 1.01, 2)
        centre_px = np.array([width_px - 1, height_px - 1]) / 2 + rng.normal(0, 0.012 * width_px, 2)
        if model == "fisheye":
            lens = rng.normal(0, (0.01, 0.004, 0.001, 0.0003))
        else:
            lens = np.array([rng.uniform(-0.3, 0.05), 0.0, *rng.normal(0, 5e-4, 2), 0.0])
            lens[1] = -0.35 * lens[0] + rng.normal(0, 0.01)
            lens = lens[: bundle.COEFFICIENTS[model]]
            lens = np.concatenate([lens, np.zeros(bundle.COEFFICIENTS[model] - len(lens))])
        cameras.append(np.concatenate([focal_px, centre_px, lens]))
    turn = np.radians(rng.normal(0, 0.8, 3))
    move_m = np.array([-rng.uniform(0.05, 0.11), *rng.normal(0, 0.001, 2)])
    return TrueRig(model, np.concatenate([*cameras, turn, move_m]), size_px)


def random_poses(rig: TrueRig, board: Board, count: int, seed: int, tilt_deg: float = 35.0) -> Array:
    """(count, 6) left_from_board: boards that both cameras see whole, spread over the picture, tilted every way."""
    rng = np.random.default_rng(seed + 10_000)
    centre_m = board.points_m.mean(axis=0)
    length_m = float(np.ptp(board.points_m[:, 0]))
    n, fisheye = len(rig.shared[:-6]) // 2, rig.model == "fisheye"
    poses: list[Array] = []
    for _ in range(count * 400):
        tilt = rng.uniform(0.2, 1.0) * np.radians(tilt_deg)
        around = rng.uniform(0, 2 * np.pi)
        turn = np.asarray(cv2.Rodrigues(np.array([np.cos(around), np.sin(around), 0]) * tilt)[0])
        turn = turn @ np.asarray(cv2.Rodrigues(np.array([0, 0, rng.normal(0, 0.25)]))[0])
        z = float(rig.shared[0] / rig.size_px[0] * length_m * rng.uniform(1.25, 2.6))
        spread = rng.uniform(-0.48, 0.48, 2) * z * np.array(rig.size_px) / rig.shared[0]
        t = np.array([spread[0] + 0.5 * abs(rig.shared[-3]), spread[1], z]) - turn @ centre_m
        pose = np.concatenate([np.ravel(cv2.Rodrigues(turn)[0]), t])
        if all(_whole(p, rig) for p in _pixels(rig, board, pose, n, fisheye)):
            poses.append(pose)
            if len(poses) == count:
                return np.stack(poses)
    raise AssertionError("no such poses; the board is too large for this rig")


def _pixels(rig: TrueRig, board: Board, pose: Array, n: int, fisheye: bool) -> tuple[Array, Array]:
    right_pose = right_from_board(pose, rig.shared[-6:])
    left = bundle.project(board.points_m, pose, rig.shared[:n], fisheye)[0]
    return left, bundle.project(board.points_m, right_pose, rig.shared[n : 2 * n], fisheye)[0]


def right_from_board(pose: Array, between: Array) -> Array:
    """The right camera's pose of the board."""
    r, t = cv2.composeRT(pose[:3], pose[3:], between[:3], between[3:])[:2]
    return np.concatenate([np.ravel(r), np.ravel(t)])


def _whole(points_px: Array, rig: TrueRig, margin_px: float = 14.0) -> bool:
    return bool((points_px > margin_px).all() and (points_px < np.array(rig.size_px) - 1 - margin_px).all())


def corner_views(rig: TrueRig, board: Board, poses: Array, noise_px: float, seed: int) -> list[View]:
    """Views with true corners plus normal noise: quick, and free of what a detector adds."""
    rng = np.random.default_rng(seed + 20_000)
    n, fisheye = len(rig.shared[:-6]) // 2, rig.model == "fisheye"
    views = []
    for i, pose in enumerate(poses):
        left, right = (p + rng.normal(0, noise_px, p.shape) for p in _pixels(rig, board, pose, n, fisheye))
        views.append(View(f"view {i:02d}", board.points_m, left, board.points_m, right))
    return views


class Renderer:
    """Draws a board through one camera, lens included; directions of the pixels are worked out once."""

    def __init__(self, rig: TrueRig, board: Board, side: int, supersampling: int = 3) -> None:
        n = len(rig.shared[:-6]) // 2
        self.rig, self.board, self.fine = rig, board, supersampling
        width_px, height_px = rig.size_px
        steps = [(np.arange(s * supersampling) + 0.5) / supersampling - 0.5 for s in (width_px, height_px)]
        x, y = np.meshgrid(*steps)
        grid = np.stack([x.ravel(), y.ravel()], axis=1)
        rays = bundle.undistorted(grid, rig.shared[side * n : (side + 1) * n], rig.model == "fisheye")
        self.rays = np.column_stack([rays, np.ones(len(rays))])
        self.shape = (height_px * supersampling, width_px * supersampling)
        self.px_per_mm, self.margin_mm = 6.0, board.square_mm
        self.texture = board_picture(board, self.px_per_mm, self.margin_mm)

    def picture(self, pose: Array, rng: np.random.Generator, blur_px: float = 0.5, noise: float = 2.0) -> Grey:
        """(H, W) the board at camera_from_board `pose`, on grey, blurred and noisy."""
        turn = np.asarray(cv2.Rodrigues(pose[:3])[0], np.float64)
        # The board's plane is z = 0: where each pixel's ray meets it, in board metres.
        into_board = np.linalg.inv(np.column_stack([turn[:, 0], turn[:, 1], pose[3:]]))
        met = self.rays @ into_board.T
        spot_mm = met[:, :2] / met[:, 2:] * 1000 + self.board.square_mm + self.margin_mm
        x, y = (spot_mm.astype(np.float32) * np.float32(self.px_per_mm) - np.float32(0.5)).T
        maps = x.reshape(self.shape).copy(), y.reshape(self.shape).copy()
        drawn = cv2.remap(self.texture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=120)
        small = cv2.resize(drawn, self.rig.size_px, interpolation=cv2.INTER_AREA).astype(np.float32)
        soft = cv2.GaussianBlur(small * 0.75 + 25, (0, 0), blur_px)
        return np.clip(np.rint(soft + rng.normal(0, noise, soft.shape)), 0, 255).astype(np.uint8)


def true_row_error_px(found: Fit, truth: TrueRig) -> float:
    """Rms row error of points all over the picture, near and far, when the true cameras' pixels meet the found rig."""
    focal_px, baseline_m = float(found.shared[0]), float(np.linalg.norm(found.shared[-3:]))
    distances_m = focal_px * baseline_m / np.geomspace(truth.size_px[0] / 5, 4.0, 12)
    squares = []
    for distance_m in (distances_m[0], distances_m[5], distances_m[-1]):
        left_px, right_px, seen = grid_pixels(truth.fit, float(distance_m), truth.size_px, truth.size_px)
        rows_px, _ = measured(found, left_px[seen], right_px[seen], truth.size_px, truth.size_px)
        squares.append(np.square(rows_px))
    return float(np.sqrt(np.concatenate(squares).mean()))
