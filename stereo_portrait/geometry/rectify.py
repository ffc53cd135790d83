"""Pair + rig -> rectified pair: rows correspond, one focal length, masks of what each camera saw."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, Mask, RectifiedPair, StereoPair
from stereo_portrait.core.errors import ConfigError, RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration

BORDER_SAMPLES = 33
WIDEST_TANGENT = 2.2  # 65 degrees from the axis: a plane picture shows no more of a fisheye


@dataclass(frozen=True)
class RectifySettings:
    """How much of the corners to keep."""

    keep_corners: float = 0.0
    resize_rig: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.keep_corners <= 1:
            raise ConfigError(f"rectify.keep_corners must be between 0 and 1, found {self.keep_corners:g}")


@dataclass(frozen=True, slots=True, eq=False)
class RectificationMaps:
    """Lookup tables from the rectified pictures into the given ones; made once per rig."""

    left: tuple[NDArray[np.float32], NDArray[np.float32]]
    right: tuple[NDArray[np.float32], NDArray[np.float32]]
    left_valid: Mask
    right_valid: Mask
    rig: RectifiedRig


def rectify(
    pair: StereoPair, rig: RigCalibration | RectifiedRig, settings: RectifySettings | None = None
) -> RectifiedPair:
    """The pair with rows aligned; a pair that is rectified already is only checked against its rig.

    Raises:
        RigError: the rig belongs to another picture size (and resize_rig is off), or cannot be rectified.
    """
    settings = settings or RectifySettings()
    rig = _fitted(rig, pair, settings)
    if isinstance(rig, RectifiedRig):
        everything = np.ones(pair.left.shape[:2], np.bool_)
        return RectifiedPair(pair.left, pair.right, everything, everything, rig, pair.name, metadata=pair.metadata)
    maps = rectification_maps(rig, settings)
    left, right = (
        cv2.remap(picture, *lookup, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for picture, lookup in ((pair.left, maps.left), (pair.right, maps.right))
    )
    return RectifiedPair(left, right, maps.left_valid, maps.right_valid, maps.rig, pair.name, metadata=pair.metadata)


def _fitted(
    rig: RigCalibration | RectifiedRig, pair: StereoPair, settings: RectifySettings
) -> RigCalibration | RectifiedRig:
    height_px, width_px = pair.left.shape[:2]
    base = rig if isinstance(rig, RectifiedRig) else rig.left
    if (base.width_px, base.height_px) == (width_px, height_px):
        return rig
    sizes = f"the rig is for {base.width_px}x{base.height_px} but '{pair.name}' is {width_px}x{height_px}"
    if not settings.resize_rig:
        raise RigError(f"{sizes}; calibrate at this size, or pass --resize-rig if the whole picture was scaled")
    if abs(width_px / base.width_px - height_px / base.height_px) > 0.02 * width_px / base.width_px:
        raise RigError(f"{sizes}: another shape, so the picture was cropped and not scaled; calibrate at this size")
    if isinstance(rig, RectifiedRig):
        return rig.resized(width_px, height_px)
    left, right = (camera.resized(width_px, height_px) for camera in (rig.left, rig.right))
    return RigCalibration(left, right, rig.rotation_right_from_left, rig.translation_right_from_left_m)


def rectification_maps(rig: RigCalibration, settings: RectifySettings) -> RectificationMaps:
    """Lookup tables for a rig.

    The two cameras turn by half the angle between them, then x follows the baseline (Bouguet's rectification; Bradski
    and Kaehler, Learning OpenCV, ch. 12). The focal length is chosen so that with keep_corners = 0 every pixel of both
    pictures is real, and with 1 every corner is kept.

    Raises:
        RigError: cameras above each other, or left and right exchanged.
    """
    r_left, r_right, baseline_m = _aligning_rotations(rig)
    width_px, height_px = rig.left.width_px, rig.left.height_px
    rims = [_rim(c, r) for c, r in ((rig.left, r_left), (rig.right, r_right))]
    inner = [_inner_box(r) for r in rims]
    outer = [_outer_box(r) for r in rims]
    share = settings.keep_corners
    boxes = [(1 - share) * i + share * o for i, o in zip(inner, outer, strict=True)]
    focal_px = max(max(width_px / (b[2] - b[0]), height_px / (b[3] - b[1])) for b in boxes)
    if share > 0:
        focal_in = focal_px
        focal_out = min(min(width_px / (b[2] - b[0]), height_px / (b[3] - b[1])) for b in outer)
        focal_px = (1 - share) * focal_in + share * focal_out
    cx_px = float(np.mean([(width_px - 1) / 2 - focal_px * (b[0] + b[2]) / 2 for b in boxes]))
    cy_px = float(np.mean([(height_px - 1) / 2 - focal_px * (b[1] + b[3]) / 2 for b in boxes]))
    rectified = RectifiedRig(width_px, height_px, float(focal_px), baseline_m, cx_px, cx_px, cy_px)
    matrix = np.array([[focal_px, 0, cx_px], [0, focal_px, cy_px], [0, 0, 1]])
    lookups, valids = [], []
    for camera, rotation in ((rig.left, r_left), (rig.right, r_right)):
        lookup = _lookup(camera, rotation, matrix, (width_px, height_px))
        lookups.append(lookup)
        valids.append(
            (lookup[0] >= -0.5)
            & (lookup[0] <= camera.width_px - 0.5)
            & (lookup[1] >= -0.5)
            & (lookup[1] <= camera.height_px - 0.5)
        )
    return RectificationMaps(lookups[0], lookups[1], valids[0], valids[1], rectified)


def _aligning_rotations(rig: RigCalibration) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    turn = cv2.Rodrigues(np.asarray(rig.rotation_right_from_left))[0].reshape(3)
    half = cv2.Rodrigues(-turn / 2)[0]  # takes right-camera directions half way back
    t_m = half @ np.asarray(rig.translation_right_from_left_m)
    if abs(t_m[1]) > abs(t_m[0]):
        raise RigError("the cameras stand above each other, not side by side; turn both pictures by 90 degrees")
    if t_m[0] > 0:
        raise RigError("the rig's right camera stands on the left: left and right were exchanged; exchange them back")
    axis_x = -t_m / np.linalg.norm(t_m)
    axis_y = np.cross([0.0, 0.0, 1.0], axis_x)
    axis_y /= np.linalg.norm(axis_y)
    align = np.stack([axis_x, axis_y, np.cross(axis_x, axis_y)])
    return align @ half.T, align @ half, float(np.linalg.norm(t_m))


def _rim(camera: Camera, rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, n, 2) rectified normalised coordinates of the picture's top, bottom, left and right border."""
    along = np.linspace(0, 1, BORDER_SAMPLES)
    x0, x1, y0, y1 = -0.5, camera.width_px - 0.5, -0.5, camera.height_px - 0.5
    xs, ys = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
    sides = [
        (xs, np.full_like(xs, y0)),
        (xs, np.full_like(xs, y1)),
        (np.full_like(ys, x0), ys),
        (np.full_like(ys, x1), ys),
    ]
    points = np.stack([np.stack(side, axis=-1) for side in sides]).reshape(-1, 1, 2)
    coefficients = np.array(camera.distortion or (0.0, 0.0, 0.0, 0.0))
    if camera.distortion_model == "fisheye":
        flat = cv2.fisheye.undistortPoints(points, camera.matrix, coefficients).reshape(-1, 2)
    else:
        flat = cv2.undistortPoints(points, camera.matrix, coefficients).reshape(-1, 2)
    flat = np.clip(flat, -10, 10)
    rays = np.concatenate([flat, np.ones((len(flat), 1))], axis=1) @ rotation.T
    plane = rays[:, :2] / np.maximum(rays[:, 2:], 1e-3)
    return np.clip(plane, -WIDEST_TANGENT, WIDEST_TANGENT).reshape(4, BORDER_SAMPLES, 2)


def _inner_box(rim: NDArray[np.float64]) -> NDArray[np.float64]:
    top, bottom, left, right = rim
    return np.array([left[:, 0].max(), top[:, 1].max(), right[:, 0].min(), bottom[:, 1].min()])


def _outer_box(rim: NDArray[np.float64]) -> NDArray[np.float64]:
    points = rim.reshape(-1, 2)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _lookup(
    camera: Camera, rotation: NDArray[np.float64], matrix: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    coefficients = np.array(camera.distortion or (0.0, 0.0, 0.0, 0.0))
    fisheye = camera.distortion_model == "fisheye"
    make = cv2.fisheye.initUndistortRectifyMap if fisheye else cv2.initUndistortRectifyMap
    map_x, map_y = make(camera.matrix, coefficients, rotation, matrix, size, cv2.CV_32FC1)
    return map_x, map_y


def rectified_rig(picture: Image, focal_px: float, baseline_m: float, doffs_px: float = 0.0) -> RectifiedRig:
    """The rig of an already rectified pair that came without a file: the principal point is the centre.

    Raises:
        RigError: a focal length or baseline that is not positive.
    """
    height_px, width_px = picture.shape[:2]
    cx_px, cy_px = (width_px - 1) / 2, (height_px - 1) / 2
    return RectifiedRig(width_px, height_px, focal_px, baseline_m, cx_px, cx_px + doffs_px, cy_px)
