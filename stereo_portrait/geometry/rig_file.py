"""A rig file of any known format -> a rig, and back."""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_formats import euroc, kalibr, kitti, middlebury, opencv, own, ros
from stereo_portrait.geometry.rig_formats.reading import Document, parse_xml, parse_yaml, read_text

Rig = RigCalibration | RectifiedRig
Format = Literal["rig", "opencv1.0", "opencv1.2", "kalibr", "ros", "middlebury", "kitti"]

EXPECTED = (
    "rig.yaml, an OpenCV stereo file (M1 D1 M2 D2 R T), a Kalibr camchain, a pair of ROS camera_info or EuRoC "
    "sensor.yaml files, a Middlebury calib.txt or a KITTI calibration"
)
FOLDER_NAMES = ("rig.yaml", "calib.txt", "camchain.yaml", "calib_cam_to_cam.txt", "left.yaml", "cam0/sensor.yaml")
_PARTNERS = (("left", "right"), ("cam0", "cam1"), ("Left", "Right"), ("intrinsics", "extrinsics"), ("_l.", "_r."))


def read_rig(source: str | Path, size_px: tuple[int, int] | None = None, right: Path | None = None) -> Rig:
    """The rig in a file whose format is found out by looking.

    A folder stands for the rig file in it. Formats that take one file per camera (ROS, EuRoC) want `right`, or a path
    written "LEFT,RIGHT", or find the partner by its name (left -> right, cam0 -> cam1); OpenCV's intrinsics.yml finds
    its extrinsics.yml the same way. `size_px` (width, height) is used where the file does not say (some OpenCV and
    KITTI files).

    Raises:
        RigError: unreadable, of no known format, damaged or impossible; says what, found, expected and the next step.
    """
    path = _inside(Path(source))
    if right is None and "," in str(path) and not path.exists():
        first, _, second = str(path).partition(",")
        path, right = Path(first.strip()), Path(second.strip())
    try:
        rig = _read(path, right, size_px)
    except (OverflowError, np.linalg.LinAlgError) as error:
        raise RigError(f"{path}: holds impossible numbers ({error}); recalibrate or mend the rig file") from error
    except RigError as error:
        if str(path) in str(error) or (right is not None and str(right) in str(error)):
            raise
        raise RigError(f"{path}: {error}") from error
    _check_plausible(rig, path)
    if isinstance(rig, RigCalibration) and rig.device is None:
        rig = dataclasses.replace(rig, device=path.stem)
    return rig


def _inside(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in FOLDER_NAMES:
        if (path / name).is_file():
            return path / name
    raise RigError(f"{path}: this folder holds no rig file ({', '.join(FOLDER_NAMES)}); name the file")


def _read(path: Path, right: Path | None, size_px: tuple[int, int] | None) -> Rig:
    text = read_text(path)
    if middlebury.recognises(text):
        return middlebury.read(text, path, size_px)
    if kitti.recognises(text):
        return kitti.read(text, path, size_px)
    document = _parse(text, path)
    if own.recognises(document):
        return own.read(document, path)
    if kalibr.recognises(document):
        return kalibr.read(document, path)
    if opencv.recognises(document):
        if not any(name in document for name in opencv.ROTATION):
            partner = right or _partner(path)
            if partner is not None:
                document = {**_parse(read_text(partner), partner), **document}
        return opencv.read(document, path, size_px)
    for kind, name in ((ros, "ROS camera_info"), (euroc, "EuRoC sensor.yaml")):
        if kind.recognises(document):
            partner = right or _partner(path)
            if partner is None:
                raise RigError(f"{path}: a {name} describes one camera; name both: {path},RIGHT.yaml")
            return kind.read(document, _parse(read_text(partner), partner), path, partner)
    keys = ", ".join(sorted(document)[:6]) or "nothing"
    raise RigError(f"{path}: no rig found in it (it holds {keys[:120]}); expected {EXPECTED}")


def _parse(text: str, path: Path) -> Document:
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        return parse_xml(text, path)
    return parse_yaml(text, path)


def _partner(path: Path) -> Path | None:
    """The other camera's file, found by name in the file's own or its folder's name."""
    for a, b in _PARTNERS:
        for candidate in (
            path.with_name(path.name.replace(a, b)),
            path.parent.with_name(path.parent.name.replace(a, b)) / path.name if path.parent.name else path,
        ):
            if candidate != path and candidate.is_file():
                return candidate
    return None


def _check_plausible(rig: Rig, path: Path) -> None:
    """Refuse numbers that no camera has: they come from a damaged file or a wrong unit."""
    if not 1e-4 <= rig.baseline_m <= 1000:
        raise RigError(
            f"{path}: a baseline of {rig.baseline_m:g} m cannot be right; the unit of the translation is metres"
        )
    cameras = (
        (rig.left, rig.right)
        if isinstance(rig, RigCalibration)
        else tuple(
            Camera(rig.width_px, rig.height_px, rig.focal_px, rig.focal_px, cx_px, rig.cy_px)
            for cx_px in (rig.cx_left_px, rig.cx_right_px)
        )
    )
    for side, camera in zip(("left", "right"), cameras, strict=True):
        longest_px = max(camera.width_px, camera.height_px)
        if longest_px > 100_000:
            raise RigError(f"{path}: a {camera.width_px}x{camera.height_px} image cannot be right; mend the rig file")
        for focal_px in (camera.fx_px, camera.fy_px):
            if not 0.05 * longest_px <= focal_px <= 200 * longest_px:
                raise RigError(
                    f"{path}: {side} focal length {focal_px:g} px does not fit {longest_px} px images; mend the file"
                )
        if max(abs(camera.cx_px), abs(camera.cy_px)) > 10 * longest_px:
            raise RigError(
                f"{path}: {side} principal point ({camera.cx_px:g}, {camera.cy_px:g}) lies far outside the picture"
            )
        if any(abs(k) > 1e6 for k in camera.distortion):
            raise RigError(
                f"{path}: {side} distortion {max(camera.distortion, key=abs):g} cannot be right; recalibrate"
            )


def rig_text(rig: Rig, kind: Format) -> tuple[str, ...]:
    """The rig in another format: one text, or two (left, right) for "ros".

    Raises:
        RigError: a format that cannot hold this rig.
    """
    if kind == "rig":
        return (own.write(rig),)
    if kind in ("opencv1.0", "opencv1.2"):
        return (opencv.write(rig, kind.removeprefix("opencv")),)
    if kind == "kalibr":
        return (kalibr.write(rig),)
    if kind == "ros":
        return ros.write(rig)
    if kind == "kitti":
        return (kitti.write(rig),)
    if isinstance(rig, RigCalibration):
        raise RigError("a Middlebury calib.txt describes rectified pictures; add --rectified to write their geometry")
    return (middlebury.write(rig),)
