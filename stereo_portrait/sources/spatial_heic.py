"""The stereo pair of a spatial photo (Apple Vision Pro, iPhone): both views, and the cameras that the file states."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stereo_portrait.core.errors import InputError, RigError
from stereo_portrait.core.rig import Camera, RigCalibration
from stereo_portrait.sources.heif_boxes import Property, item_properties
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings

HEAD_BYTES = 4_000_000  # the boxes stand before the pixels
# ISO/IEC 23008-12, 6.5.39: camera extrinsic matrix, by its four letters or by the long name that Apple's writer uses
EXTRINSIC_KINDS = (b"cmex", bytes.fromhex("4363e9145b7d4aab97aebea69803b434"))
MICROMETRES = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class SpatialViews:
    """Which pictures of the file are left and right, and their rig; `missing` says in words why there is none."""

    left: int
    right: int
    rig: RigCalibration | None
    missing: str = ""


def read_spatial_views(path: Path, settings: ImageSettings = DEFAULT) -> SpatialViews | None:
    """The stereo group of a HEIC file, or None where it has none.

    Pixels are not decoded. The stated pose knows the baseline well and the aim only roughly: rows may be off by some
    pixels, which `geometry.drift.mend` repairs.

    Raises:
        InputError: damaged, or over the pixel limit.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError("HEIC files need the package pillow-heif; install it with pip") from error
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        if head[4:8] != b"ftyp":
            return None
        file: Any = pillow_heif.open_heif(path)
        groups = [g for image in file for g in image.info.get("entity_groups", []) if g.get("type") == "ster"]
        pictures = [(image.size, image.info.get("heif") or {}) for image in file]
    except (OSError, ValueError, RuntimeError, EOFError, SyntaxError, MemoryError) as error:
        raise InputError(f"{path}: damaged HEIC ({error}); copy the file again") from error
    views = [i for i in groups[0].get("images", []) if isinstance(i, int) and 0 <= i < len(pictures)] if groups else []
    if len(views) != 2 or pictures[views[0]][0] != pictures[views[1]][0]:
        return None
    left, right = views
    if pictures[left][0][0] * pictures[left][0][1] > settings.max_megapixels * 1e6:
        raise InputError(f"{path}: its views claim {pictures[left][0]}; over the limit images.max_megapixels")
    try:
        items = item_properties(head)
        baseline_m = _baseline_m(*(items.get(entity, []) for entity in groups[0]["entities"][:2]))
        cameras = [_camera(*pictures[view]) for view in views]
        rig = RigCalibration(
            cameras[0], cameras[1], np.eye(3), np.array([-baseline_m, 0.0, 0.0]), device="spatial photo"
        )
    except RigError as error:
        return SpatialViews(left, right, None, str(error))
    return SpatialViews(left, right, rig)


def _camera(size: tuple[int, int], said: dict[str, Any]) -> Camera:
    """Pinhole of one view; the file counts from the corner of the picture, we from the centre of its first pixel.

    Raises:
        RigError: no intrinsics, or impossible ones.
    """
    matrix = said.get("camera_intrinsic_matrix")
    if not isinstance(matrix, dict):
        raise RigError("the file does not state its focal length")
    rotation = np.array(said.get("camera_extrinsic_matrix_rot", np.eye(3).ravel()), np.float64)
    if rotation.size != 9 or not np.allclose(rotation.reshape(3, 3), np.eye(3), atol=1e-6):
        raise RigError("the file states cameras that are turned against each other, which is not read yet")
    try:
        fx_px, fy_px, cx_px, cy_px = (
            float(matrix[name])
            for name in ("focal_length_x", "focal_length_y", "principal_point_x", "principal_point_y")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RigError("the file states its focal length in part only") from error
    width, height = size
    if not (0.2 * width < fx_px < 20 * width and 0 <= cx_px <= width and 0 <= cy_px <= height):
        raise RigError(f"the file states an impossible camera (focal length {fx_px:g} px, centre {cx_px:g}, {cy_px:g})")
    return Camera(width, height, fx_px, fy_px, cx_px - 0.5, cy_px - 0.5)


def _baseline_m(left: list[Property], right: list[Property]) -> float:
    """Distance of the cameras along x.

    Raises:
        RigError: not stated, or impossible.
    """
    x_um = [_position_x_um(properties) for properties in (left, right)]
    baseline_m = (x_um[1] - x_um[0]) * MICROMETRES
    if baseline_m == 0:
        raise RigError("the file does not state how far apart its cameras stand")
    if not 0.001 <= baseline_m <= 10:
        raise RigError(f"the file states an impossible baseline of {baseline_m:g} m")
    return baseline_m


def _position_x_um(properties: list[Property]) -> int:
    for kind, body in properties:
        if kind in EXTRINSIC_KINDS and len(body) >= 8 and body[3] & 1:
            return int(struct.unpack_from(">i", body, 4)[0])
    return 0
