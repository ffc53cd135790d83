"""Our rig.yaml: every number with its unit in its name (format: calibration/README.md)."""

from pathlib import Path
from typing import Any

import yaml

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_formats.reading import Document, matrix, number, numbers, pose, size

MARK = "format"
FORMAT = "stereo-portrait-rig 1"
_RECTIFIED = ("focal_px", "baseline_m", "cx_left_px", "cx_right_px", "cy_px")


def recognises(document: Document) -> bool:
    """Whether the document carries our mark."""
    return str(document.get(MARK, "")).startswith("stereo-portrait-rig")


def read(document: Document, path: Path) -> RigCalibration | RectifiedRig:
    """A rig, rectified or not.

    Raises:
        RigError: a newer version, or a value that is missing, NaN or impossible.
    """
    if document[MARK] != FORMAT:
        raise RigError(
            f"{path}: format {str(document[MARK])[:40]!r}, expected {FORMAT!r}; update the program or convert the rig"
        )
    if "rectified" in document:
        body = _section(document, "rectified", path)
        width_px, height_px = size([_of(body, "width_px", path), _of(body, "height_px", path)], "the image size", path)
        return RectifiedRig(width_px, height_px, *(number(_of(body, key, path), key, path) for key in _RECTIFIED))
    between = _section(document, "right_from_left", path)
    sigma = document.get("parameter_sigma") or {}
    if not isinstance(sigma, dict):
        raise RigError(f"{path}: 'parameter_sigma' must hold named values, found {type(sigma).__name__}")
    rms = document.get("rms_px")
    return RigCalibration(
        _camera(_section(document, "left", path), "left", path),
        _camera(_section(document, "right", path), "right", path),
        pose(matrix(_of(between, "rotation", path), (3, 3), "rotation", path), path),
        matrix(_of(between, "translation_m", path), (3,), "translation_m", path),
        None if rms is None else number(rms, "rms_px", path),
        {str(key): number(value, f"sigma of {key}", path) for key, value in sigma.items()},
        _text(document.get("calibrated_on")),
        _text(document.get("device")),
    )


def write(rig: RigCalibration | RectifiedRig) -> str:
    """The text of a rig.yaml; reading it gives every number back exactly."""
    document: dict[str, Any] = {MARK: FORMAT}
    if isinstance(rig, RectifiedRig):
        body = {"width_px": rig.width_px, "height_px": rig.height_px}
        document["rectified"] = body | {key: float(getattr(rig, key)) for key in _RECTIFIED}
        return _dump(document)
    if rig.device is not None:
        document["device"] = rig.device
    if rig.calibrated_on is not None:
        document["calibrated_on"] = rig.calibrated_on
    for side, camera in (("left", rig.left), ("right", rig.right)):
        document[side] = {
            "width_px": camera.width_px,
            "height_px": camera.height_px,
            "fx_px": float(camera.fx_px),
            "fy_px": float(camera.fy_px),
            "cx_px": float(camera.cx_px),
            "cy_px": float(camera.cy_px),
            "distortion_model": camera.distortion_model,
            "distortion": [float(v) for v in camera.distortion],
        }
    document["right_from_left"] = {
        "rotation": [[float(v) for v in row] for row in rig.rotation_right_from_left],
        "translation_m": [float(v) for v in rig.translation_right_from_left_m],
    }
    if rig.rms_px is not None:
        document["rms_px"] = float(rig.rms_px)
    if rig.parameter_sigma:
        document["parameter_sigma"] = {key: float(value) for key, value in rig.parameter_sigma.items()}
    return _dump(document)


def _dump(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


def _camera(body: dict[str, Any], side: str, path: Path) -> Camera:
    width_px, height_px = size([_of(body, "width_px", path), _of(body, "height_px", path)], f"{side} image size", path)
    fx, fy, cx, cy = (number(_of(body, k, path), f"{side} {k}", path) for k in ("fx_px", "fy_px", "cx_px", "cy_px"))
    model = body.get("distortion_model", "none")
    distortion = tuple(numbers(body.get("distortion", []), f"{side} distortion", path).tolist())
    return checked_camera(Camera(width_px, height_px, fx, fy, cx, cy, distortion, model), side, path)


def checked_camera(camera: Camera, side: str, path: Path) -> Camera:
    """The camera, after asking whether its distortion fits its model.

    Raises:
        RigError: an unknown model or a count of coefficients that the model does not have.
    """
    counts = {"none": (0,), "pinhole": (4, 5, 8, 12, 14), "fisheye": (4,)}
    if not isinstance(camera.distortion_model, str) or camera.distortion_model not in counts:
        known = ", ".join(counts)
        raise RigError(f"{path}: {side} distortion model {camera.distortion_model!r} is not known; known: {known}")
    if len(camera.distortion) not in counts[camera.distortion_model]:
        wanted = " or ".join(map(str, counts[camera.distortion_model]))
        found = len(camera.distortion)
        raise RigError(f"{path}: {side} {camera.distortion_model} distortion has {wanted} coefficients, found {found}")
    return camera


def _section(document: Document, key: str, path: Path) -> dict[str, Any]:
    body = _of(document, key, path)
    if not isinstance(body, dict):
        raise RigError(f"{path}: '{key}' must hold named values, found {type(body).__name__}")
    return body


def _of(body: dict[str, Any], key: str, path: Path) -> Any:
    if key not in body:
        raise RigError(f"{path}: '{key}' is missing; the rig file is truncated, fetch or write it again")
    return body[key]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:200]
