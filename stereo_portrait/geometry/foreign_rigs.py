"""Rig descriptions of other tools: Middlebury, KITTI, OpenCV, Kalibr, ROS camera_info, EuRoC."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, DistortionModel, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_text import document_of, fields_of, numbers, text_of

LONGEST_BASELINE_M = 3.0  # an OpenCV translation longer than this is taken for millimetres
MODELS: dict[str, DistortionModel] = {
    "radtan": "pinhole",
    "plumb_bob": "pinhole",
    "rational_polynomial": "pinhole",
    "radial-tangential": "pinhole",
    "equidistant": "fisheye",
    "fisheye": "fisheye",
    "none": "none",
}
Size = tuple[int, int]


def looks_like_middlebury(text: str) -> bool:
    """True for calib.txt of the 2014 and 2021 sets and of ETH3D."""
    return re.search(r"^\s*cam0\s*=\s*\[", text, re.M) is not None


def middlebury_fields(text: str) -> dict[str, float]:
    """The scalar lines of a calib.txt: doffs, baseline, width, height, ndisp, isint, vmin, vmax ..."""
    found = {}
    for name, raw in re.findall(r"^\s*(\w+)\s*=\s*([-+0-9.eEnaifNAIF]+)\s*$", text, re.M):
        try:
            found[name] = float(raw)
        except ValueError as error:
            raise RigError(f"'{name}' is '{raw}', not a number") from error
    return found


def from_middlebury(text: str) -> RectifiedRig:
    """calib.txt: cam0, cam1 matrices, doffs, baseline in mm.  Source: vision.middlebury.edu/stereo/data/scenes2014."""
    cameras = []
    for name in ("cam0", "cam1"):
        match = re.search(rf"^\s*{name}\s*=\s*\[([^\]]*)\]", text, re.M)
        if match is None:
            raise RigError(f"'{name}' is missing; expected {name}=[f 0 cx; 0 f cy; 0 0 1]")
        cameras.append(numbers({name: re.split(r"[;\s,]+", match[1].strip())}, name, 9).reshape(3, 3))
    fields = middlebury_fields(text)
    for name in ("baseline", "width", "height"):
        if not np.isfinite(fields.get(name, np.nan)):
            raise RigError(f"'{name}' is missing or not finite")
    left, right = cameras
    doffs = fields.get("doffs", right[0, 2] - left[0, 2])
    return RectifiedRig(
        int(fields["width"]),
        int(fields["height"]),
        float(left[0, 0]),
        fields["baseline"] / 1000,
        float(left[0, 2]),
        float(left[0, 2] + doffs),
        float(left[1, 2]),
    )


def looks_like_kitti(text: str) -> bool:
    """True for calib_cam_to_cam.txt, the object set's calib and the odometry set's calib."""
    return re.search(r"^(P_rect_0[0-3]|P[0-3])\s*:", text, re.M) is not None


def from_kitti(text: str, size: Size | None) -> RectifiedRig:
    """The colour pair (P2, P3), else the grey one (P0, P1); the baseline is the difference of P[0,3] over f."""
    fields = {name: raw.split() for name, raw in re.findall(r"^(\w+)\s*:\s*(.*)$", text, re.M)}
    for first, second in (("P_rect_02", "P_rect_03"), ("P2", "P3"), ("P_rect_00", "P_rect_01"), ("P0", "P1")):
        if first in fields and second in fields:
            left, right = (numbers(dict(fields), n, 12).reshape(3, 4) for n in (first, second))
            break
    else:
        raise RigError("no pair of projection matrices (P2 and P3, or P0 and P1)")
    if left[0, 0] == 0:
        raise RigError("the focal length in P is zero")
    stored = fields.get("S_rect_02") or fields.get("S_rect_00")
    if stored and size is None:
        size = (int(float(stored[0])), int(float(stored[1])))
    width, height = _known_size(size)
    baseline_m = (left[0, 3] - right[0, 3]) / left[0, 0]
    return RectifiedRig(
        width, height, float(left[0, 0]), float(baseline_m), float(left[0, 2]), float(right[0, 2]), float(left[1, 2])
    )


def from_opencv(document: dict[str, Any], size: Size | None) -> RigCalibration:
    """Stereo file of OpenCV's tools: M1 D1 M2 D2 R T under their common names; T in metres, or mm if over 3."""
    names = {
        "matrix_left": (
            "M1",
            "K1",
            "cameraMatrix1",
            "camera_matrix_1",
            "camera_matrix_left",
            "left_camera_matrix",
            "mtxL",
        ),
        "matrix_right": (
            "M2",
            "K2",
            "cameraMatrix2",
            "camera_matrix_2",
            "camera_matrix_right",
            "right_camera_matrix",
            "mtxR",
        ),
        "distortion_left": ("D1", "distCoeffs1", "dist_coeffs_1", "distortion_left", "left_distortion", "distL"),
        "distortion_right": ("D2", "distCoeffs2", "dist_coeffs_2", "distortion_right", "right_distortion", "distR"),
        "rotation": ("R", "rotation", "R_stereo"),
        "translation": ("T", "translation", "t", "trans"),
    }
    key = {what: next((n for n in options if n in document), None) for what, options in names.items()}
    absent = [what for what, found in key.items() if found is None and not what.startswith("distortion")]
    if absent:
        raise RigError(
            f"not a stereo calibration: no {', '.join(absent)} (looked for {', '.join(names[absent[0]])}); "
            "merge intrinsics and extrinsics into one file, or use rig convert"
        )
    for width_name, height_name in (("image_width", "image_height"), ("width", "height")):
        if width_name in document and height_name in document:
            size = (int(numbers(document, width_name, 1)[0]), int(numbers(document, height_name, 1)[0]))
    for name in ("image_size", "imageSize", "size", "resolution"):
        if name in document:
            width, height = numbers(document, name, 2)
            size = (int(width), int(height))
    fisheye = str(document.get("distortion_model", document.get("model", ""))).lower() in ("fisheye", "equidistant")
    cameras = []
    for side in ("left", "right"):
        matrix = numbers(document, str(key[f"matrix_{side}"]), 9).reshape(3, 3)
        found = key[f"distortion_{side}"]
        coefficients = numbers(document, found, None) if found else np.zeros(0)
        cameras.append(_camera(matrix, coefficients, "fisheye" if fisheye else "pinhole", _known_size(size)))
    rotation = numbers(document, str(key["rotation"]), None)
    if rotation.size == 3:
        import cv2

        rotation = cv2.Rodrigues(rotation)[0].reshape(-1)
    if rotation.size != 9:
        raise RigError(f"the rotation must hold 9 (or 3) numbers, found {rotation.size}")
    t_m = numbers(document, str(key["translation"]), 3)
    if np.linalg.norm(t_m) > LONGEST_BASELINE_M:
        t_m = t_m / 1000
    return RigCalibration(cameras[0], cameras[1], rotation.reshape(3, 3), t_m)


def from_kalibr(document: dict[str, Any]) -> RigCalibration:
    """camchain.yaml: intrinsics of cam0 and cam1, T_cn_cnm1 taking cam0's points to cam1."""
    cameras = []
    for name in ("cam0", "cam1"):
        body = fields_of(document, name)
        if body.get("camera_model", "pinhole") != "pinhole":
            raise RigError(f"{name}: camera model '{body.get('camera_model')}' is not read; recalibrate as pinhole")
        cameras.append(_from_intrinsics(body, "distortion_coeffs"))
    pose = numbers(fields_of(document, "cam1"), "T_cn_cnm1", 16).reshape(4, 4)
    return RigCalibration(cameras[0], cameras[1], pose[:3, :3].copy(), pose[:3, 3].copy())


def from_two_files(left_path: Path, right_path: Path) -> RigCalibration:
    """A pair of ROS camera_info files (rectification and projection give the pose) or of EuRoC sensor.yaml (T_BS)."""
    documents = []
    for path in (left_path, right_path):
        document = document_of(text_of(path))
        if not isinstance(document, dict):
            raise RigError(f"{path}: not a camera description")
        documents.append(document)
    if all("T_BS" in d for d in documents):
        cameras = [_from_intrinsics(d, "distortion_coefficients") for d in documents]
        body_from_left, body_from_right = (numbers(d, "T_BS", 16).reshape(4, 4) for d in documents)
        try:
            pose = np.linalg.inv(body_from_right) @ body_from_left
        except np.linalg.LinAlgError as error:
            raise RigError(f"{right_path}: T_BS cannot be inverted") from error
        return RigCalibration(cameras[0], cameras[1], pose[:3, :3].copy(), pose[:3, 3].copy())
    if all("projection_matrix" in d for d in documents):
        return _from_ros(documents[0], documents[1])
    raise RigError(f"{left_path}, {right_path}: expected two ROS camera_info or two EuRoC sensor files")


def _from_ros(left: dict[str, Any], right: dict[str, Any]) -> RigCalibration:
    """x_r = R_r' (R_l x_l + (P_r[0,3] / f, 0, 0)).  Source: ROS sensor_msgs/CameraInfo definition."""
    cameras = []
    for document in (left, right):
        size = (int(numbers(document, "image_width", 1)[0]), int(numbers(document, "image_height", 1)[0]))
        model = MODELS.get(str(document.get("distortion_model", "plumb_bob")), "pinhole")
        coefficients = numbers(document, "distortion_coefficients", None)
        cameras.append(_camera(numbers(document, "camera_matrix", 9).reshape(3, 3), coefficients, model, size))
    rotations = [numbers(d, "rectification_matrix", 9).reshape(3, 3) for d in (left, right)]
    projection = numbers(right, "projection_matrix", 12).reshape(3, 4)
    if projection[0, 0] == 0:
        raise RigError("the right projection matrix has focal length zero")
    shift_m = np.array([projection[0, 3] / projection[0, 0], 0, 0])
    return RigCalibration(cameras[0], cameras[1], rotations[1].T @ rotations[0], rotations[1].T @ shift_m)


def _from_intrinsics(body: dict[str, Any], coefficient_name: str) -> Camera:
    fx, fy, cx, cy = numbers(body, "intrinsics", 4)
    width, height = numbers(body, "resolution", 2)
    name = str(body.get("distortion_model", "none"))
    if name not in MODELS:
        raise RigError(f"distortion model '{name}' is not known; expected {', '.join(sorted(MODELS))}")
    coefficients = numbers(body, coefficient_name, None) if coefficient_name in body else np.zeros(0)
    return Camera(int(width), int(height), fx, fy, cx, cy, tuple(float(c) for c in coefficients), MODELS[name])


def _camera(
    matrix: NDArray[np.float64], coefficients: NDArray[np.float64], model: DistortionModel, size: Size
) -> Camera:
    distorted = tuple(float(c) for c in coefficients) if np.any(coefficients) else ()
    kind: DistortionModel = model if distorted else "none"
    if kind == "fisheye" and len(distorted) != 4:
        raise RigError(f"a fisheye camera has 4 coefficients, found {len(distorted)}")
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    return Camera(size[0], size[1], float(fx), float(fy), float(cx), float(cy), distorted, kind)


def _known_size(size: Size | None) -> Size:
    if size is None:
        raise RigError("this format does not store the picture size; give the pictures with it, or use our rig.yaml")
    return size
