"""Kalibr's camchain.yaml: cam0 is the left camera, T_cn_cnm1 takes its points to cam1."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_formats.opencv import as_calibration
from stereo_portrait.geometry.rig_formats.own import checked_camera
from stereo_portrait.geometry.rig_formats.reading import Document, matrix, numbers, pose, size


def recognises(document: Document) -> bool:
    """Whether there are cam0 and cam1 with intrinsics."""
    return all(isinstance(document.get(c), dict) and "intrinsics" in document[c] for c in ("cam0", "cam1"))


def read(document: Document, path: Path) -> RigCalibration:
    """A rig from the first two cameras of the chain.

    Raises:
        RigError: a projection model other than pinhole, a distortion other than radtan, equidistant or none, a missing
            or impossible value.
    """
    transform = document["cam1"].get("T_cn_cnm1")
    if transform is None:
        raise RigError(f"{path}: cam1 has no T_cn_cnm1; calibrate both cameras together")
    chain = matrix(transform, (4, 4), "T_cn_cnm1", path)
    left, right = (_camera(document[c], c, path) for c in ("cam0", "cam1"))
    return RigCalibration(left, right, pose(chain[:3, :3], path), np.ascontiguousarray(chain[:3, 3]))


def _camera(body: dict[str, Any], name: str, path: Path) -> Camera:
    if body.get("camera_model", "pinhole") != "pinhole":
        model = str(body["camera_model"])[:30]
        raise RigError(f"{path}: {name} has camera model '{model}', expected pinhole; calibrate with pinhole-equi")
    fx, fy, cx, cy = matrix(body["intrinsics"], (4,), f"{name} intrinsics", path).tolist()
    width_px, height_px = size(body.get("resolution", []), f"{name} resolution", path)
    kind = body.get("distortion_model", "none")
    coefficients = tuple(numbers(body.get("distortion_coeffs") or [], f"{name} distortion_coeffs", path).tolist())
    models: dict[str, Any] = {"radtan": "pinhole", "equidistant": "fisheye", "equi": "fisheye", "none": "none"}
    if not isinstance(kind, str) or kind not in models:
        raise RigError(f"{path}: {name} has distortion model {str(kind)[:30]!r}, expected radtan, equidistant or none")
    if models[kind] == "none":
        coefficients = ()
    return checked_camera(Camera(width_px, height_px, fx, fy, cx, cy, coefficients, models[kind]), name, path)


def write(rig: RigCalibration | RectifiedRig) -> str:
    """The text of a camchain.

    Raises:
        RigError: more than four pinhole coefficients, which radtan does not have.
    """
    calibration = rig if isinstance(rig, RigCalibration) else as_calibration(rig)
    document: dict[str, Any] = {}
    for name, camera in (("cam0", calibration.left), ("cam1", calibration.right)):
        coefficients = list(camera.distortion)
        if camera.distortion_model == "pinhole":
            if any(coefficients[4:]):
                count = len(coefficients)
                raise RigError(
                    f"Kalibr's radtan holds 4 coefficients, this rig has {count}; calibrate with --model pinhole4"
                )
            coefficients = coefficients[:4]
        models = {"pinhole": "radtan", "fisheye": "equidistant", "none": "none"}
        document[name] = {
            "camera_model": "pinhole",
            "intrinsics": [float(v) for v in (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)],
            "distortion_model": models[camera.distortion_model],
            "distortion_coeffs": [float(v) for v in coefficients],
            "resolution": [camera.width_px, camera.height_px],
        }
    chain = np.eye(4)
    chain[:3, :3] = calibration.rotation_right_from_left
    chain[:3, 3] = calibration.translation_right_from_left_m
    document["cam1"]["T_cn_cnm1"] = chain.tolist()
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=200)
