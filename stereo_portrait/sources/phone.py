"""A photo that carries depth: whatever the container, depth on the upright photo's own grid."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Photo
from stereo_portrait.core.depth import DepthMap, Flaw, Origin, on_nominal_scale
from stereo_portrait.core.errors import InputError
from stereo_portrait.matching.working_size import chosen_neighbour
from stereo_portrait.sources.focus_point import read_focus_px, stored_orientation
from stereo_portrait.sources.gdepth import read_gdepth
from stereo_portrait.sources.heic_depth import read_heic_depth
from stereo_portrait.sources.heic_matte import read_heic_matte
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings, read_photo

NEAREST_M, FARTHEST_M = 1.0, 20.0  # nominal distances of a relative map's 98th and 2nd percentile
CONFIDENCE = 0.7
SHAPE_TOLERANCE = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedDepth:
    """Depth that came inside a photo."""

    depth: DepthMap
    focus_px: tuple[int, int] | None  # where the camera was focused, on the upright photo


def read_phone_photo(path: Path, settings: ImageSettings = DEFAULT) -> Photo:
    """A photo with the matte that its file holds, if it holds one.

    Raises:
        InputError: as `read_photo`, or a matte that is there but damaged.
    """
    photo = read_photo(path, settings)
    if not _is_heic(path):
        return photo
    matte = read_heic_matte(path, (photo.pixels.shape[1], photo.pixels.shape[0]), settings)
    return photo if matte is None else replace(photo, matte=matte)


def read_embedded_depth(path: Path, photo: Photo, settings: ImageSettings = DEFAULT) -> EmbeddedDepth | None:
    """GDepth, Dynamic Depth or HEIC depth on the grid of `photo` (as `read_photo` gave it), or None.

    Raises:
        InputError: depth that is there but damaged.
    """
    heic = _is_heic(path)
    stored = read_heic_depth(path, settings) if heic else read_gdepth(path, settings)
    if stored is None:
        return None
    inverse = stored.inverse if heic else _turned(stored.inverse, stored_orientation(path))
    depth = on_photo_grid(inverse, stored.metric, photo.pixels, str(path), "phone")
    return EmbeddedDepth(depth, read_focus_px(path, photo))


def on_photo_grid(
    inverse: NDArray[np.float32], metric: bool, photo: NDArray[np.uint8], name: str, origin: Origin
) -> DepthMap:
    """(h, w) inverse depth of any size -> DepthMap on the photo's grid; a relative map gets the nominal scale.

    Each photo pixel copies one of the depth pixels around it, the one whose colour fits: edges stay edges.

    Raises:
        InputError: another shape than the photo's, or nothing known.
    """
    height, width = photo.shape[:2]
    h, w = inverse.shape
    if abs(w / h - width / height) > SHAPE_TOLERANCE * width / height:
        raise InputError(f"{name}: its depth is {w}x{h}, the photo {width}x{height}: other shapes do not overlay")
    known = np.isfinite(inverse)
    if not known.any():
        raise InputError(f"{name}: no pixel of its depth is known")
    if not metric:
        inverse = on_nominal_scale(inverse, NEAREST_M, FARTHEST_M)
    if h > height or w > width:  # finer than the photo: each of its pixels has one of its own
        inverse = np.asarray(cv2.resize(inverse, (width, height), interpolation=cv2.INTER_NEAREST), np.float32)
    elif (h, w) != (height, width):
        small = cv2.resize(photo, (w, h), interpolation=cv2.INTER_AREA)
        inverse = inverse.reshape(-1)[chosen_neighbour(np.asarray(small, np.uint8), photo)]
    known = np.isfinite(inverse)
    with np.errstate(divide="ignore"):
        depth_m = np.where(known, 1 / inverse, np.nan).astype(np.float32)
    confidence = np.where(known, np.float32(CONFIDENCE), np.float32(0))
    flaws = np.where(known, 0, Flaw.NO_MATCH).astype(np.uint8)
    return DepthMap(depth_m, confidence, flaws, origin, metric)


def _is_heic(path: Path) -> bool:
    """By content: phones and messengers rename HEIC files to .jpg."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == b"ftyp"
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _turned(values: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """The map as the photo is after its EXIF orientation.  Source: EXIF 2.3, tag 0x0112."""
    if orientation in (2, 5, 7, 4):
        values = values[:, ::-1]
    quarter_turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(values, quarter_turns))
