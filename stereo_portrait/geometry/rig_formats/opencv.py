"""OpenCV's stereo calibration files: YAML 1.0 or 1.2 or XML, in one file or as intrinsics + extrinsics."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_formats.own import checked_camera
from stereo_portrait.geometry.rig_formats.reading import Document, first, matrix, number, numbers, pose, size

MATRIX = (
    ("M1", "K1", "camera_matrix_left", "left_camera_matrix", "cameraMatrix1", "camera_matrix_1", "cam_matrix_left",
     "mtxL", "mtx_left", "CM1", "K_left", "left_K", "cameraMatrixL", "intrinsic_left"),
    ("M2", "K2", "camera_matrix_right", "right_camera_matrix", "cameraMatrix2", "camera_matrix_2", "cam_matrix_right",
     "mtxR", "mtx_right", "CM2", "K_right", "right_K", "cameraMatrixR", "intrinsic_right"),
)  # fmt: skip
DISTORTION = (
    ("D1", "distortion_left", "left_distortion", "distCoeffs1", "dist_coeffs_1", "dist_left", "distL", "D_left",
     "left_D", "dist_coeffs_left", "distortion_coefficients_left", "distCoeffsL"),
    ("D2", "distortion_right", "right_distortion", "distCoeffs2", "dist_coeffs_2", "dist_right", "distR", "D_right",
     "right_D", "dist_coeffs_right", "distortion_coefficients_right", "distCoeffsR"),
)  # fmt: skip
ROTATION = ("R", "Rotation", "rotation_matrix", "rot_mat", "R_right_left", "stereo_R")
TRANSLATION = ("T", "Translation", "translation_vector", "trans_vec", "trans", "T_right_left", "stereo_T", "tvec")
WIDTH = ("image_width", "imageWidth", "width")
HEIGHT = ("image_height", "imageHeight", "height")
SIZE = ("image_size", "imageSize", "img_size", "size", "resolution")
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def recognises(document: Document) -> bool:
    """Whether there are two camera matrices under names in use."""
    return first(document, MATRIX[0]) is not None and first(document, MATRIX[1]) is not None


def unit_m(length: float) -> float:
    """The unit of an unlabelled translation: metres to 5, centimetres to 20, millimetres beyond.

    OpenCV writes T in whatever unit the squares were given in and does not say which. Rigs for pictures have baselines
    between 1 cm and 5 m, so the ranges hardly overlap; a `translation_unit: m|cm|mm` entry in the file overrules.
    """
    return 1.0 if length <= 5 else 0.01 if length <= 20 else 0.001


def read(document: Document, path: Path, size_px: tuple[int, int] | None) -> RigCalibration:
    """A rig from M1 D1 M2 D2 R T or their other usual names.

    Raises:
        RigError: a value that is missing, NaN or impossible; no image size in the file and none given.
    """
    found_size = _size(document, path) or size_px
    if found_size is None:
        raise RigError(f"{path}: holds no image size; add the lines image_width: W and image_height: H")
    model = first(document, ("distortion_model", "model", "camera_model"))
    fisheye = isinstance(model, str) and model.lower() in ("fisheye", "equidistant", "kannala_brandt", "equi")
    cameras = []
    for side, matrix_names, distortion_names in zip(("left", "right"), MATRIX, DISTORTION, strict=True):
        k = matrix(first(document, matrix_names), (3, 3), f"{side} camera matrix", path)
        raw = first(document, distortion_names)
        distortion = numbers([] if raw is None else raw, f"{side} distortion", path)
        cameras.append(camera_of(k, distortion, found_size, fisheye, side, path))
    rotation, translation = first(document, ROTATION), first(document, TRANSLATION)
    if rotation is None or translation is None:
        raise RigError(
            f"{path}: R and T between the cameras are missing; name the extrinsics file too: {path},EXTRINSICS"
        )
    r = numbers(rotation, "R", path)
    if r.size == 3:
        import cv2

        r = np.asarray(cv2.Rodrigues(r)[0], np.float64)
    t = matrix(translation, (3,), "T", path)
    unit = first(document, ("translation_unit", "unit", "units"))
    scale = UNITS_M.get(str(unit), 0.0) if unit is not None else unit_m(float(np.linalg.norm(t)))
    if scale == 0.0:
        raise RigError(f"{path}: translation_unit must be m, cm or mm, found {unit!r}")
    rms = first(document, ("rms", "rms_px", "stereo_rms", "avg_reprojection_error"))
    return RigCalibration(
        cameras[0],
        cameras[1],
        pose(matrix(r.ravel().tolist(), (3, 3), "R", path), path),
        t if scale == 1.0 else t * scale,
        None if rms is None else number(rms, "rms", path),
    )


def camera_of(
    k: NDArray[np.float64],
    distortion: NDArray[np.float64],
    size_px: tuple[int, int],
    fisheye: bool,
    side: str,
    path: Path,
) -> Camera:
    """A camera from a 3x3 matrix and OpenCV's coefficients; all-zero coefficients of no entry mean no distortion.

    Raises:
        RigError: a matrix with skew or a last row that is not 0 0 1.
    """
    if np.abs(k[[1, 2, 2], [0, 0, 1]]).max() > 1e-9 or abs(k[2, 2] - 1) > 1e-9 or abs(k[0, 1]) > 1e-3 * abs(k[0, 0]):
        raise RigError(f"{path}: the {side} camera matrix must read fx 0 cx 0 fy cy 0 0 1; it is damaged or transposed")
    model: Any = "none" if distortion.size == 0 else "fisheye" if fisheye else "pinhole"
    padded = distortion if distortion.size != 2 else np.append(distortion, (0.0, 0.0))
    fx, fy, cx, cy = k[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    camera = Camera(*size_px, fx, fy, cx, cy, tuple(padded.tolist()), model)
    return checked_camera(camera, side, path)


def _size(document: Document, path: Path) -> tuple[int, int] | None:
    width, height = first(document, WIDTH), first(document, HEIGHT)
    if width is not None and height is not None:
        return size([width, height], "image size", path)
    both = first(document, SIZE)
    return None if both is None else size(both, "image size", path)


def write(rig: RigCalibration | RectifiedRig, version: str) -> str:
    """The text of an OpenCV file, T in metres; version "1.0" or "1.2" chooses the header that 4.x or 5.x reads.

    A rectified rig becomes two ideal cameras; the size, unit and model are written beside what OpenCV itself writes.

    Raises:
        RigError: two cameras of different size or model, which this format cannot hold.
    """
    ideal = rig if isinstance(rig, RigCalibration) else as_calibration(rig)
    left, right = ideal.left, ideal.right
    if (left.width_px, left.height_px) != (right.width_px, right.height_px):
        raise RigError("an OpenCV stereo file holds one image size; these cameras differ, keep rig.yaml")
    if "fisheye" in (left.distortion_model, right.distortion_model) and left.distortion_model != right.distortion_model:
        raise RigError("an OpenCV stereo file holds one lens model; these cameras differ, keep rig.yaml")
    lines = ["%YAML:1.0" if version == "1.0" else "%YAML 1.2", "---"]
    lines += [f"image_width: {left.width_px}", f"image_height: {left.height_px}", 'translation_unit: "m"']
    lines += [f'distortion_model: "{"fisheye" if left.distortion_model == "fisheye" else "pinhole"}"']
    for i, camera in enumerate((left, right), 1):
        lines += _matrix_lines(f"M{i}", camera.matrix)
        if camera.distortion:
            lines += _matrix_lines(f"D{i}", np.array([camera.distortion]))
    lines += _matrix_lines("R", ideal.rotation_right_from_left)
    lines += _matrix_lines("T", ideal.translation_right_from_left_m[:, None])
    if ideal.rms_px is not None:
        lines += [f"rms: {_float(ideal.rms_px)}"]
    return "\n".join(lines) + "\n"


def as_calibration(rig: RectifiedRig) -> RigCalibration:
    """Two ideal cameras side by side."""
    left, right = (
        Camera(rig.width_px, rig.height_px, rig.focal_px, rig.focal_px, cx_px, rig.cy_px)
        for cx_px in (rig.cx_left_px, rig.cx_right_px)
    )
    return RigCalibration(left, right, np.eye(3), np.array([-rig.baseline_m, 0.0, 0.0]))


def _matrix_lines(name: str, values: NDArray[np.float64]) -> list[str]:
    rows, cols = values.shape
    data = ", ".join(_float(v) for v in values.ravel())
    return [f"{name}: !!opencv-matrix", f"   rows: {rows}", f"   cols: {cols}", "   dt: d", f"   data: [ {data} ]"]


def _float(value: float) -> str:
    """Shortest text that gives the number back exactly, with the point that readers of YAML expect."""
    text = repr(float(value))
    if "e" in text and "." not in text:
        text = text.replace("e", ".e")
    return text
