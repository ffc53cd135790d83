"""A pair of EuRoC sensor.yaml files; T_BS takes a camera's points to the body."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RigCalibration
from stereo_portrait.geometry.rig_formats.opencv import camera_of
from stereo_portrait.geometry.rig_formats.reading import Document, matrix, numbers, pose, size


def recognises(document: Document) -> bool:
    """Whether there is a camera with its pose on the body."""
    return "T_BS" in document and "intrinsics" in document


def read(left: Document, right: Document, left_path: Path, right_path: Path) -> RigCalibration:
    """A rig: right_from_left = inverse(body_from_right) body_from_left.

    Raises:
        RigError: another sensor, an unknown model, missing or impossible values.
    """
    left_camera, body_from_left = _camera(left, "left", left_path)
    right_camera, body_from_right = _camera(right, "right", right_path)
    r_left, r_right = body_from_left[:3, :3], body_from_right[:3, :3]
    rotation = pose(r_right.T @ r_left, right_path)
    translation_m = r_right.T @ (body_from_left[:3, 3] - body_from_right[:3, 3])
    return RigCalibration(left_camera, right_camera, rotation, translation_m)


def _camera(document: Document, side: str, path: Path) -> tuple[Camera, NDArray[np.float64]]:
    if not recognises(document):
        raise RigError(f"{path}: not a EuRoC sensor.yaml (no T_BS and intrinsics)")
    if document.get("camera_model", "pinhole") != "pinhole":
        raise RigError(f"{path}: camera_model {str(document['camera_model'])[:30]!r}, expected pinhole")
    fx, fy, cx, cy = matrix(document["intrinsics"], (4,), f"{side} intrinsics", path)
    k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    model = document.get("distortion_model", "radial-tangential")
    if model not in ("radial-tangential", "radtan", "equidistant"):
        raise RigError(f"{path}: distortion_model {str(model)[:30]!r}, expected radial-tangential or equidistant")
    distortion = numbers(document.get("distortion_coefficients") or [], f"{side} distortion_coefficients", path)
    size_px = size(document.get("resolution", []), f"{side} resolution", path)
    transform = matrix(document["T_BS"], (4, 4), f"{side} T_BS", path)
    pose(transform[:3, :3], path)
    return camera_of(k, distortion, size_px, model == "equidistant", side, path), transform
