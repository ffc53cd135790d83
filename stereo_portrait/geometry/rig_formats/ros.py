"""A pair of ROS camera_info files, as camera_calibration writes them or as a dumped message."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_formats.opencv import as_calibration, camera_of
from stereo_portrait.geometry.rig_formats.reading import Document, first, matrix, numbers, pose, size

_FISHEYE = ("equidistant", "fisheye")
_KNOWN = ("plumb_bob", "rational_polynomial", "thin_prism", *_FISHEYE, "")


def recognises(document: Document) -> bool:
    """Whether there are K and P of one camera."""
    return (
        first(document, ("camera_matrix", "K")) is not None and first(document, ("projection_matrix", "P")) is not None
    )


def read(left: Document, right: Document, left_path: Path, right_path: Path) -> RigCalibration:
    """A rig from both files: the pose follows from the rectifying rotations and the right P.

    R_right and R_left take each camera to the rectified frame, where the right camera stands at x = -P[0,3] / P[0,0].

    Raises:
        RigError: not calibrated as a stereo pair, an unknown model, missing or impossible values.
    """
    (left_camera, left_rotation, left_p), (right_camera, right_rotation, right_p) = (
        _camera(document, side, path)
        for document, side, path in ((left, "left", left_path), (right, "right", right_path))
    )
    offset_m = right_p[:, 3] / (right_p[0, 0], right_p[1, 1], 1.0) - left_p[:, 3] / (left_p[0, 0], left_p[1, 1], 1.0)
    if not offset_m.any():
        raise RigError(
            f"{right_path}: projection_matrix says a baseline of zero; calibrate the two cameras as a stereo pair"
        )
    if offset_m[0] > 0:
        raise RigError(f"{right_path}: this is the left camera of the pair; swap the two files")
    return RigCalibration(
        left_camera,
        right_camera,
        pose(right_rotation.T @ left_rotation, right_path),
        right_rotation.T @ offset_m,
    )


def _camera(document: Document, side: str, path: Path) -> tuple[Camera, NDArray[np.float64], NDArray[np.float64]]:
    if not recognises(document):
        raise RigError(f"{path}: not a ROS camera_info file (no camera_matrix and projection_matrix)")
    size_px = size(
        [first(document, ("image_width", "width")), first(document, ("image_height", "height"))], "image size", path
    )
    k = matrix(first(document, ("camera_matrix", "K")), (3, 3), f"{side} camera_matrix", path)
    raw = first(document, ("distortion_coefficients", "D"))
    distortion = numbers([] if raw is None else raw, f"{side} distortion_coefficients", path)
    model = document.get("distortion_model", "plumb_bob")
    if model not in _KNOWN:
        raise RigError(
            f"{path}: distortion_model {str(model)[:30]!r} is not known; expected one of {', '.join(_KNOWN[:-1])}"
        )
    rotation = first(document, ("rectification_matrix", "R"))
    if rotation is None:
        raise RigError(f"{path}: rectification_matrix is missing; calibrate the two cameras as a stereo pair")
    r = pose(matrix(rotation, (3, 3), f"{side} rectification_matrix", path), path)
    p = matrix(first(document, ("projection_matrix", "P")), (3, 4), f"{side} projection_matrix", path)
    if p[0, 0] <= 0 or p[1, 1] <= 0:
        raise RigError(f"{path}: projection_matrix has no focal length; calibrate the camera first")
    return camera_of(k, distortion, size_px, model in _FISHEYE, side, path), r, p


def write(rig: RigCalibration | RectifiedRig) -> tuple[str, str]:
    """The texts of left.yaml and right.yaml, with the rectification that `rectify` would choose."""
    from stereo_portrait.geometry.rectify import rectifying_rotations

    calibration = rig if isinstance(rig, RigCalibration) else as_calibration(rig)
    left_rotation, right_rotation = rectifying_rotations(calibration)
    focal_px = (calibration.left.fy_px + calibration.right.fy_px) / 2
    texts = []
    for side, camera, rotation, offset_m in (
        ("left", calibration.left, left_rotation, 0.0),
        ("right", calibration.right, right_rotation, -calibration.baseline_m),
    ):
        cx_px, cy_px = camera.cx_px, calibration.left.cy_px
        p = [focal_px, 0.0, cx_px, focal_px * offset_m, 0.0, focal_px, cy_px, 0.0, 0.0, 0.0, 1.0, 0.0]
        few = len(camera.distortion) <= 5
        model = "equidistant" if camera.distortion_model == "fisheye" else "plumb_bob" if few else "rational_polynomial"
        body: dict[str, Any] = {"image_width": camera.width_px, "image_height": camera.height_px, "camera_name": side}
        body["camera_matrix"] = _matrix(3, 3, camera.matrix.ravel())
        body["distortion_model"] = model
        body["distortion_coefficients"] = _matrix(1, len(camera.distortion), np.array(camera.distortion))
        body["rectification_matrix"] = _matrix(3, 3, rotation.ravel())
        body["projection_matrix"] = _matrix(3, 4, np.array(p))
        texts.append(yaml.safe_dump(body, sort_keys=False, default_flow_style=None, width=200))
    return texts[0], texts[1]


def _matrix(rows: int, cols: int, data: NDArray[np.float64]) -> dict[str, Any]:
    return {"rows": rows, "cols": cols, "data": [float(v) for v in data]}
