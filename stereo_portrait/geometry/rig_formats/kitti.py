"""KITTI's calibration texts: calib_cam_to_cam.txt, the object set's P0..P3, the odometry set's P0..P3."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_formats.opencv import camera_of
from stereo_portrait.geometry.rig_formats.reading import matrix, numbers, pose, size

_LINE = re.compile(r"^\s*([A-Za-z]\w*)\s*:[ \t]*(.*?)\s*$", re.MULTILINE)


def recognises(text: str) -> bool:
    """Whether there is a line with twelve numbers of a P, or one with nine of a K_00."""
    row = r"(?:\s+[-+.\deEnaNif]+)"
    return re.search(rf"^\s*(?:P(?:_rect_0)?[0-3]:{row}{{2,}}|K_0[0-3]:{row}{{9}})", text, re.MULTILINE) is not None


def read(text: str, path: Path, size_px: tuple[int, int] | None) -> RectifiedRig | RigCalibration:
    """The rectified rig of the colour cameras 2 and 3, else of the grey ones 0 and 1; without P, the raw cameras.

    Each P is K [I | t] with t from the reference camera, so the baseline is the difference of the two P[0,3] over f.

    Raises:
        RigError: missing or impossible values; no image size in the file and none given.
    """
    found: dict[str, str] = {}
    for name, value in _LINE.findall(text):
        if name in found:
            raise RigError(f"{path}: '{name}' appears twice; keep one")
        found[name] = value
    for a, b in ((2, 3), (0, 1)):
        for pattern in ("P_rect_0{}", "P{}"):
            if {pattern.format(a), pattern.format(b)} <= found.keys():
                return _rectified(found, pattern.format(a), pattern.format(b), a, path, size_px)
        if {f"K_0{a}", f"K_0{b}"} <= found.keys():
            return _raw(found, a, b, path, size_px)
    raise RigError(f"{path}: needs P2 and P3, or P0 and P1; the KITTI calibration is truncated, fetch it again")


def _row(found: dict[str, str], key: str, shape: tuple[int, ...], path: Path) -> NDArray[np.float64]:
    if key not in found:
        raise RigError(f"{path}: '{key}:' is missing; the KITTI calibration is truncated, fetch it again")
    return matrix(found[key].split(), shape, key, path)


def _size(found: dict[str, str], keys: tuple[str, ...], path: Path, size_px: tuple[int, int] | None) -> tuple[int, int]:
    for key in keys:
        if key in found:
            return size(found[key].split(), key, path)
    if size_px is None:
        raise RigError(f"{path}: holds no image size; add the line {keys[0]}: W H")
    return size_px


def _rectified(
    found: dict[str, str], left_key: str, right_key: str, number: int, path: Path, size_px: tuple[int, int] | None
) -> RectifiedRig:
    left, right = _row(found, left_key, (3, 4), path), _row(found, right_key, (3, 4), path)
    width_px, height_px = _size(found, (f"S_rect_0{number}", "S_rect_00"), path, size_px)
    focal_px = float(left[0, 0])
    if focal_px <= 0 or abs(focal_px - right[0, 0]) > 1e-3 * focal_px:
        raise RigError(f"{path}: {left_key} and {right_key} must share one positive focal length, found {focal_px:g}")
    baseline_m = float((left[0, 3] - right[0, 3]) / focal_px)
    if baseline_m < 0:
        raise RigError(f"{path}: {right_key} stands left of {left_key}; swap the two")
    cx_left_px, cx_right_px, cy_px = float(left[0, 2]), float(right[0, 2]), float(left[1, 2])
    return RectifiedRig(width_px, height_px, focal_px, baseline_m, cx_left_px, cx_right_px, cy_px)


def _raw(found: dict[str, str], a: int, b: int, path: Path, size_px: tuple[int, int] | None) -> RigCalibration:
    cameras: list[Camera] = []
    poses: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for i, side in ((a, "left"), (b, "right")):
        k = _row(found, f"K_0{i}", (3, 3), path)
        d = numbers(found.get(f"D_0{i}", "").split(), f"D_0{i}", path)
        cameras.append(camera_of(k, d, _size(found, (f"S_0{i}",), path, size_px), False, side, path))
        poses.append((pose(_row(found, f"R_0{i}", (3, 3), path), path), _row(found, f"T_0{i}", (3,), path)))
    (r_left, t_left), (r_right, t_right) = poses
    rotation = r_right @ r_left.T
    return RigCalibration(cameras[0], cameras[1], pose(rotation, path), t_right - rotation @ t_left)


def write(rig: RectifiedRig | RigCalibration) -> str:
    """The text of a calib_cam_to_cam.txt with cameras 2 and 3; P_rect only for a rectified rig.

    Raises:
        RigError: a fisheye lens, which KITTI's text has no room for.
    """
    lines: list[str] = []
    if isinstance(rig, RectifiedRig):
        f = rig.focal_px
        for i, cx, x in ((2, rig.cx_left_px, 0.0), (3, rig.cx_right_px, -f * rig.baseline_m)):
            lines.append(f"S_rect_0{i}: {rig.width_px} {rig.height_px}")
            lines.append(_line(f"P_rect_0{i}", [f, 0, cx, x, 0, f, rig.cy_px, 0, 0, 0, 1, 0]))
        return "\n".join(lines) + "\n"
    if "fisheye" in (rig.left.distortion_model, rig.right.distortion_model):
        raise RigError("KITTI's text cannot hold a fisheye lens; keep rig.yaml or write a Kalibr camchain")
    for i, camera, r, t in (
        (2, rig.left, np.eye(3), np.zeros(3)),
        (3, rig.right, rig.rotation_right_from_left, rig.translation_right_from_left_m),
    ):
        lines.append(f"S_0{i}: {camera.width_px} {camera.height_px}")
        lines.append(_line(f"K_0{i}", camera.matrix.ravel()))
        lines.append(_line(f"D_0{i}", camera.distortion))
        lines += [_line(f"R_0{i}", r.ravel()), _line(f"T_0{i}", t)]
    return "\n".join(lines) + "\n"


def _line(name: str, values: object) -> str:
    return f"{name}: " + " ".join(repr(float(v)) for v in np.asarray(values, np.float64).ravel())
