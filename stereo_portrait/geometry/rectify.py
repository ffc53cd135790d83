"""A pair and its rig -> a rectified pair: rows correspond, one focal length."""

import dataclasses
import math
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask, RectifiedPair, StereoPair
from stereo_portrait.core.errors import ConfigError, RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration

Array = NDArray[np.float64]
GRID = 241  # directions across the field of view when looking for the common rectangle


@dataclasses.dataclass(frozen=True)
class RectifySettings:
    """Which part of the cameras' common view becomes the rectified picture."""

    keep: Literal["photo", "all"] = "photo"
    max_fov_deg: float = 120.0
    max_growth: float = 1.5
    max_shift: float = 0.0
    resize_rig: bool = False

    def __post_init__(self) -> None:
        if not 30 <= self.max_fov_deg <= 160:
            raise ConfigError(f"rectify.max_fov_deg must be between 30 and 160, found {self.max_fov_deg:g}")
        if not 0 <= self.max_shift <= 0.3:
            raise ConfigError(f"rectify.max_shift must be between 0 and 0.3, found {self.max_shift:g}")
        if not 0.25 <= self.max_growth <= 4:
            raise ConfigError(f"rectify.max_growth must be between 0.25 and 4, found {self.max_growth:g}")


def rectify(
    pair: StereoPair,
    rig: RigCalibration | RectifiedRig,
    settings: RectifySettings | None = None,
) -> RectifiedPair:
    """The pair with rows aligned; an already rectified rig only wraps it.

    Policy: the focal length is the mean of the two cameras' (no resolution is lost at the centre); with keep "photo"
    the canvas is the largest rectangle in which every pixel of the left view is real and whose rows the right camera
    sees too, with "all" it is everything that either sees. Infinity is at disparity 0, unless max_shift lets the
    right canvas follow a toed-in right camera to the left: doffs says by how much, and far disparities are negative.

    Raises:
        RigError: pictures of another size than the rig's, cameras stacked vertically, swapped, or with no common view.
    """
    height_px, width_px = pair.left.shape[:2]
    settings = settings or RectifySettings()
    rig = fitted(rig, (width_px, height_px), pair.name, settings.resize_rig)
    if isinstance(rig, RectifiedRig):
        valid = np.ones((height_px, width_px), np.bool_)
        return RectifiedPair(pair.left, pair.right, valid, valid, rig, pair.name, metadata=pair.metadata)
    plan = rectification(rig, settings)
    left, left_valid = _warped(pair.left, plan.left_map)
    right, right_valid = _warped(pair.right, plan.right_map)
    return RectifiedPair(left, right, left_valid, right_valid, plan.rig, pair.name, metadata=pair.metadata)


def fitted(
    rig: RigCalibration | RectifiedRig, size_px: tuple[int, int], name: str = "", resize_rig: bool = False
) -> RigCalibration | RectifiedRig:
    """The rig for pictures of `size_px` (width, height): itself, or resized when that was asked for.

    Raises:
        RigError: another size and no leave to resize, or another aspect ratio, which means a crop that nobody knows.
    """
    of = rig.left if isinstance(rig, RigCalibration) else rig
    found, wanted = f"{size_px[0]}x{size_px[1]}", f"{of.width_px}x{of.height_px}"
    same = (of.width_px, of.height_px) == size_px
    if isinstance(rig, RigCalibration):
        same = same and (rig.right.width_px, rig.right.height_px) == size_px
    if same:
        return rig
    called = f"rig '{rig.device}'" if isinstance(rig, RigCalibration) and rig.device else "the rig"
    picture = f"{name or 'the pair'} is {found}"
    if not resize_rig:
        raise RigError(f"{called} was calibrated at {wanted} but {picture}; recalibrate, or pass --resize-rig")
    sx, sy = size_px[0] / of.width_px, size_px[1] / of.height_px
    if abs(sx - sy) * max(of.width_px, of.height_px) > 2:
        raise RigError(
            f"{called} was calibrated at {wanted} and {picture}: another aspect ratio, so it was cropped and cannot be "
            "resized; recalibrate at this size, or crop the rig first (rig convert --crop)"
        )
    if isinstance(rig, RectifiedRig):
        return rig.resized(*size_px)
    return dataclasses.replace(rig, left=rig.left.resized(*size_px), right=rig.right.resized(*size_px))


def rectifying_rotations(rig: RigCalibration) -> tuple[Array, Array]:
    """(3, 3) left and right: rectified_from_left, rectified_from_right.

    Each camera turns by half the rotation between them, then both turn so that x runs along the baseline: the least
    distortion of either picture. Source: Bouguet's method, as in OpenCV's stereoRectify.

    Raises:
        RigError: the cameras stand one above the other, one behind the other, or swapped.
    """
    half = cv2.Rodrigues(cv2.Rodrigues(rig.rotation_right_from_left)[0] / 2)[0]
    baseline = -(half.T @ rig.translation_right_from_left_m)
    axis = baseline / np.linalg.norm(baseline)
    called = f"rig '{rig.device}'" if rig.device else "the rig"
    if axis[0] < -0.5:
        raise RigError(
            f"{called} has its right camera left of the left one; swap the two cameras in the rig and the pictures"
        )
    if abs(axis[1]) > 0.7:
        raise RigError(
            f"{called} has its cameras one above the other; turn both pictures by 90 degrees and recalibrate"
        )
    if axis[0] < 0.5:
        raise RigError(f"{called} has its cameras one behind the other; a pair needs cameras side by side")
    turn = _least_rotation(axis, np.array([1.0, 0.0, 0.0]))
    return turn @ half, turn @ half.T


def _least_rotation(source: Array, target: Array) -> Array:
    cross = np.cross(source, target)
    sine = float(np.linalg.norm(cross))
    if sine < 1e-15:
        return np.eye(3)
    angle = math.atan2(sine, float(source @ target))
    return np.asarray(cv2.Rodrigues(cross / sine * angle)[0], np.float64)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rectification:
    """The rectified geometry and where each of its pixels comes from."""

    rig: RectifiedRig
    left_map: NDArray[np.float32]  # (H, W, 2) source x, y
    right_map: NDArray[np.float32]
    rotation_left: Array  # (3, 3) rectified_from_left
    rotation_right: Array


def rectification(rig: RigCalibration, settings: RectifySettings) -> Rectification:
    """The rectification of every pair that this rig takes; cached, since video asks again and again.

    Raises:
        RigError: no common view.
    """
    return _rectification(rig, settings)


@lru_cache(maxsize=4)
def _rectification(rig: RigCalibration, settings: RectifySettings) -> Rectification:
    turn_left, turn_right = rectifying_rotations(rig)
    focal_px = (rig.left.fx_px + rig.left.fy_px + rig.right.fx_px + rig.right.fy_px) / 4
    x0, x1, y0, y1, shift = _rectangle(rig, turn_left, turn_right, settings)
    width_px, height_px = (x1 - x0) * focal_px, (y1 - y0) * focal_px
    largest = max(width_px / rig.left.width_px, height_px / rig.left.height_px)
    if largest > settings.max_growth:
        focal_px *= settings.max_growth / largest
    width, height = max(16, math.floor((x1 - x0) * focal_px)), max(16, math.floor((y1 - y0) * focal_px))
    # The corner of the canvas is at -0.5 and looks along (x0, y0).
    cx_px, cy_px = -0.5 - x0 * focal_px, -0.5 - y0 * focal_px
    cx_right_px = cx_px + shift * focal_px
    rectified = RectifiedRig(width, height, focal_px, rig.baseline_m, cx_px, cx_right_px, cy_px)
    left_map, right_map = (
        source_map(camera, turn, np.array([[focal_px, 0, cx], [0, focal_px, cy_px], [0, 0, 1.0]]), (width, height))
        for camera, turn, cx in ((rig.left, turn_left, cx_px), (rig.right, turn_right, cx_right_px))
    )
    return Rectification(rectified, left_map, right_map, turn_left, turn_right)


def source_map(camera: Camera, turn: Array, k: Array, size_px: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, 2) source pixel of every pixel of an ideal view with matrix `k`, turned by `turn`."""
    if camera.distortion_model == "fisheye":
        x, y = cv2.fisheye.initUndistortRectifyMap(
            camera.matrix, np.array(camera.distortion), turn, k, size_px, cv2.CV_32FC1
        )
    else:
        coefficients = np.array(camera.distortion) if camera.distortion else None
        x, y = cv2.initUndistortRectifyMap(camera.matrix, coefficients, turn, k, size_px, cv2.CV_32FC1)
    found: NDArray[np.float32] = np.stack([x, y], axis=-1).astype(np.float32)
    outside = _beyond_lens(camera, turn, k, size_px)
    found[outside] = -10.0
    return found


def _beyond_lens(camera: Camera, turn: Array, k: Array, size_px: tuple[int, int]) -> Mask:
    """(H, W) True where a direction lies outside the camera's own corners: polynomial lens models fold back there."""
    inverse = np.linalg.inv(k @ turn)
    x, y = np.meshgrid(np.arange(size_px[0], dtype=np.float32), np.arange(size_px[1], dtype=np.float32))
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ inverse.T.astype(np.float32)
    radius = np.hypot(rays[..., 0], rays[..., 1])
    return (rays[..., 2] <= 0) | (radius > 1.02 * _border_radius(camera) * np.maximum(rays[..., 2], 1e-6))


def _border_radius(camera: Camera) -> float:
    """Largest distance from the axis, on the plane z = 1, that the camera's border sees."""
    border = _rays(camera, _border(camera))
    finite = border[np.isfinite(border).all(axis=1)]
    return float(np.hypot(*finite.T).max()) if len(finite) else 1.0


def _border(camera: Camera) -> Array:
    t = np.linspace(0, 1, 33)
    w, h = camera.width_px - 1, camera.height_px - 1
    sides = [(t * w, 0 * t), (t * w, 0 * t + h), (0 * t, t * h), (0 * t + w, t * h)]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def _rays(camera: Camera, points_px: Array) -> Array:
    """(n, 2) pixels -> (n, 2) directions on the plane z = 1."""
    points = np.ascontiguousarray(points_px, np.float64)[:, None]
    if camera.distortion_model == "fisheye":
        rays = cv2.fisheye.undistortPoints(points, camera.matrix, np.array(camera.distortion))
        flat = np.asarray(rays, np.float64)[:, 0]
        return np.where(np.abs(flat) > 50, np.nan, flat)
    coefficients = np.array(camera.distortion) if camera.distortion else None
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-10)
    rays = cv2.undistortPoints(points, camera.matrix, coefficients, criteria=criteria)
    return np.asarray(rays, np.float64)[:, 0]


def _rectangle(
    rig: RigCalibration, turn_left: Array, turn_right: Array, settings: RectifySettings
) -> tuple[float, float, float, float, float]:
    """x0, x1, y0, y1 of the left canvas on the rectified plane z = 1, and how far left the right one lies."""
    limit = math.tan(math.radians(settings.max_fov_deg / 2))
    reach = [
        np.abs(_turned(turn, _rays(camera, _border(camera))))
        for camera, turn in ((rig.left, turn_left), (rig.right, turn_right))
    ]
    extent = np.minimum(np.nanmax(np.concatenate(reach), axis=0) * 1.02, limit)
    xs, ys = np.linspace(-extent[0], extent[0], GRID), np.linspace(-extent[1], extent[1], GRID)
    k = np.array([[1 / (xs[1] - xs[0]), 0, GRID // 2], [0, 1 / (ys[1] - ys[0]), GRID // 2], [0, 0, 1.0]])
    sees_left, sees_right = (
        _inside(source_map(camera, turn, k, (GRID, GRID)), camera)
        for camera, turn in ((rig.left, turn_left), (rig.right, turn_right))
    )
    if settings.keep == "all":
        wanted = sees_left | sees_right
        columns, rows = np.flatnonzero(wanted.any(axis=0)), np.flatnonzero(wanted.any(axis=1))
        if not len(columns):
            raise RigError("the rig's cameras see nothing; recalibrate")
        return float(xs[columns[0]]), float(xs[columns[-1]]), float(ys[rows[0]]), float(ys[rows[-1]]), 0.0
    shared_rows = sees_right.sum(axis=1) >= 0.7 * sees_left.sum(axis=1)
    left, right, top, bottom = _largest_rectangle(sees_left & shared_rows[:, None])
    if right - left < 0.05 * GRID or bottom - top < 0.05 * GRID or not (sees_left & sees_right).any():
        raise RigError("the rig's two cameras look in different directions, nothing is seen by both; recalibrate")
    seen = np.flatnonzero(sees_right[top : bottom + 1].mean(axis=0) > 0.5)
    shift = float(np.clip(xs[left] - xs[seen[0]], 0, settings.max_shift * (xs[right] - xs[left]))) if len(seen) else 0.0
    shift = shift if shift > 2 * (xs[1] - xs[0]) else 0.0
    return float(xs[left]), float(xs[right]), float(ys[top]), float(ys[bottom]), shift


def _turned(turn: Array, rays: Array) -> Array:
    turned = np.column_stack([rays, np.ones(len(rays))]) @ turn.T
    return np.where(turned[:, 2:] > 0.05, turned[:, :2] / np.maximum(turned[:, 2:], 0.05), np.nan)


def _inside(source_px: NDArray[np.float32], camera: Camera) -> Mask:
    x, y = source_px[..., 0], source_px[..., 1]
    return (x >= 0) & (y >= 0) & (x <= camera.width_px - 1) & (y <= camera.height_px - 1)


def _largest_rectangle(mask: Mask) -> tuple[int, int, int, int]:
    """left, right, top, bottom (inclusive) of the largest all-True rectangle: a stack over each row's histogram."""
    heights = np.zeros(mask.shape[1] + 1, int)
    best, found = 0, (0, 0, 0, 0)
    for y, row in enumerate(mask):
        heights[:-1] = np.where(row, heights[:-1] + 1, 0)
        stack: list[int] = []
        for x, height in enumerate(heights.tolist()):
            while stack and heights[stack[-1]] >= height:
                tall = int(heights[stack.pop()])
                start = stack[-1] + 1 if stack else 0
                if tall * (x - start) > best:
                    best, found = tall * (x - start), (start, x - 1, y - tall + 1, y)
            stack.append(x)
    return found


def _warped(picture: NDArray[np.uint8], source_px: NDArray[np.float32]) -> tuple[NDArray[np.uint8], Mask]:
    height_px, width_px = picture.shape[:2]
    x, y = source_px[..., 0], source_px[..., 1]
    valid = (x > -0.5) & (y > -0.5) & (x < width_px - 0.5) & (y < height_px - 0.5)
    warped = np.asarray(
        cv2.remap(picture, source_px, np.empty(0), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
    warped[~valid] = 0
    return warped, valid


def rectified_rig(
    picture: NDArray[np.uint8], focal_px: float, baseline_m: float, doffs_px: float = 0.0
) -> RectifiedRig:
    """The rig of an already rectified pair that came without a file: the principal point is the picture's centre.

    Raises:
        RigError: a focal length or baseline that is not a positive number.
    """
    height_px, width_px = picture.shape[:2]
    cx_px, cy_px = (width_px - 1) / 2, (height_px - 1) / 2
    return RectifiedRig(width_px, height_px, focal_px, baseline_m, cx_px, cx_px + doffs_px, cy_px)
