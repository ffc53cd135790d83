"""Any rig description -> RigCalibration or RectifiedRig; our own rig.yaml back to disk."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry import foreign_rigs
from stereo_portrait.geometry.rig_text import document_of, fields_of, numbers, text_of

FORMAT = "stereo-portrait-rig 1"
Size = tuple[int, int]
Rig = RigCalibration | RectifiedRig


def read_rig(source: str | Path, picture_size: Size | None = None) -> Rig:
    """Read our rig.yaml, an OpenCV YAML, a Kalibr camchain, a ROS or EuRoC pair, Middlebury calib.txt or KITTI calib.

    `source` is a file, two files joined by a comma, or a folder that holds a pair of camera files.
    `picture_size` (width, height) serves formats that do not store the size (OpenCV, KITTI).

    Raises:
        RigError: unreadable, of no known format, incomplete, or impossible; the file is named.
    """
    paths = _paths(source)
    try:
        if len(paths) == 2:
            return foreign_rigs.from_two_files(paths[0], paths[1])
        return _one_file(paths[0], picture_size)
    except RigError as error:
        name = " and ".join(str(p) for p in paths)
        raise error if name in str(error) or str(paths[0]) in str(error) else RigError(f"{name}: {error}") from error


def _paths(source: str | Path) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        for names in (("left.yaml", "right.yaml"), ("cam0/sensor.yaml", "cam1/sensor.yaml"), ("left.yml", "right.yml")):
            if all((path / n).is_file() for n in names):
                return [path / n for n in names]
        for name in ("rig.yaml", "calib.txt", "camchain.yaml", "calib_cam_to_cam.txt"):
            if (path / name).is_file():
                return [path / name]
        raise RigError(f"{path}: this folder holds no rig file (rig.yaml, calib.txt, left.yaml + right.yaml, ...)")
    if not path.exists() and "," in str(source):
        return [Path(part.strip()) for part in str(source).split(",", 1)]
    return [path]


def _one_file(path: Path, size: Size | None) -> Rig:
    text = text_of(path)
    if foreign_rigs.looks_like_middlebury(text):
        return foreign_rigs.from_middlebury(text)
    if foreign_rigs.looks_like_kitti(text):
        return foreign_rigs.from_kitti(text, size)
    document = document_of(text)
    if not isinstance(document, dict):
        raise RigError("not a rig description: expected our rig.yaml, OpenCV, Kalibr, ROS, Middlebury or KITTI")
    if "format" in document:
        return _from_ours(document)
    if "cam0" in document:
        return foreign_rigs.from_kalibr(document)
    if "T_BS" in document or "projection_matrix" in document:
        raise RigError("one camera of two; pass both files: --rig LEFT.yaml,RIGHT.yaml")
    return foreign_rigs.from_opencv(document, size)


def _from_ours(document: dict[str, Any]) -> Rig:
    if document["format"] != FORMAT:
        raise RigError(f"format '{document['format']}' is not known here; expected '{FORMAT}'")
    if "rectified" in document:
        body = fields_of(document, "rectified")
        names = ("focal_px", "baseline_m", "cx_left_px", "cx_right_px", "cy_px")
        width, height = (_whole(body, n) for n in ("width_px", "height_px"))
        focal, baseline, left, right, cy = (float(numbers(body, n, 1)[0]) for n in names)
        return RectifiedRig(width, height, focal, baseline, left, right, cy)
    pose = fields_of(document, "right_from_left")
    sigma = document.get("parameter_sigma") or {}
    rms = document.get("rms_px")
    if not isinstance(sigma, dict) or not all(isinstance(v, (int, float)) for v in sigma.values()):
        raise RigError("parameter_sigma must map parameter names to numbers")
    if rms is not None and not isinstance(rms, (int, float)):
        raise RigError(f"rms_px must be a number, found {rms!r}")
    return RigCalibration(
        _camera(fields_of(document, "left")),
        _camera(fields_of(document, "right")),
        numbers(pose, "rotation", 9).reshape(3, 3),
        numbers(pose, "translation_m", 3),
        None if rms is None else float(rms),
        {str(k): float(v) for k, v in sigma.items()},
        None if document.get("calibrated_on") is None else str(document["calibrated_on"]),
        None if document.get("device") is None else str(document["device"]),
    )


def _camera(body: dict[str, Any]) -> Camera:
    model = body.get("distortion_model", "none")
    if model not in ("none", "pinhole", "fisheye"):
        raise RigError(f"distortion_model must be none, pinhole or fisheye, found {model!r}")
    fx, fy, cx, cy = (float(numbers(body, n, 1)[0]) for n in ("fx_px", "fy_px", "cx_px", "cy_px"))
    coefficients = tuple(float(v) for v in numbers(body, "distortion", None)) if body.get("distortion") else ()
    return Camera(_whole(body, "width_px"), _whole(body, "height_px"), fx, fy, cx, cy, coefficients, model)


def _whole(body: dict[str, Any], name: str) -> int:
    value = float(numbers(body, name, 1)[0])
    if not value.is_integer() or not 1 <= value <= 100_000:
        raise RigError(f"{name} must be a whole number of pixels, found {value:g}")
    return int(value)


def rig_yaml(rig: Rig) -> str:
    """Our rig.yaml; every number keeps all its digits."""
    if isinstance(rig, RectifiedRig):
        names = ("width_px", "height_px", "focal_px", "baseline_m", "cx_left_px", "cx_right_px", "cy_px")
        return _dump({"format": FORMAT, "rectified": {n: _plain(getattr(rig, n)) for n in names}})
    document: dict[str, Any] = {"format": FORMAT}
    for side in ("left", "right"):
        camera: Camera = getattr(rig, side)
        names = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "distortion_model")
        document[side] = {n: _plain(getattr(camera, n)) for n in names}
        document[side]["distortion"] = [float(v) for v in camera.distortion]
    document["right_from_left"] = {
        "rotation": np.asarray(rig.rotation_right_from_left).tolist(),
        "translation_m": np.asarray(rig.translation_right_from_left_m).tolist(),
    }
    for name in ("rms_px", "calibrated_on", "device"):
        if getattr(rig, name) is not None:
            document[name] = getattr(rig, name)
    if rig.parameter_sigma:
        document["parameter_sigma"] = dict(rig.parameter_sigma)
    return _dump(document)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _dump(document: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120)
    return text
