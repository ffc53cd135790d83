"""Depth inside Android's JPEGs: GDepth (Google camera, Lens Blur) and Dynamic Depth 1.0."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.image_file import ImageSettings, read_grey
from stereo_portrait.sources.xmp import attributes, xmp_packets

GDEPTH = "{http://ns.google.com/photos/1.0/depthmap/}"
DEPTHMAP = "{http://ns.google.com/photos/dd/1.0/depthmap/}"
ITEM = "{http://ns.google.com/photos/dd/1.0/item/}"
UNITS_M = {"m": 1.0, "meters": 1.0, "metres": 1.0, "mm": 0.001}


@dataclass(frozen=True, slots=True, eq=False)
class StoredDepth:
    """Depth as the file holds it: on its own grid, in the orientation of the stored (not yet upright) photo."""

    inverse: NDArray[np.float32]  # (h, w) inverse depth: 1/m if metric, else any unit; NaN unknown
    metric: bool


def read_gdepth(path: Path, settings: ImageSettings) -> StoredDepth | None:
    """The depth of a JPEG's XMP, or None where it has none.

    Near and far turn the picture's [0, 1] into depth: RangeLinear d = near + v (far - near), RangeInverse
    d = far near / (far - v (far - near)).  Source: Depthmap Metadata (GDepth) 1.0; Dynamic Depth 1.0.

    Raises:
        InputError: XMP or depth picture that is damaged or incomplete.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    packets = xmp_packets(data) if data[:2] == b"\xff\xd8" else []
    packets = [p for p in packets if b"ns.google.com/photos" in p]
    if not packets:
        return None
    found, _ = attributes(packets, str(path))
    if f"{GDEPTH}Data" in found:
        return _stored(path, found, GDEPTH, _decoded(path, found[f"{GDEPTH}Data"]), settings)
    if f"{DEPTHMAP}DepthURI" in found or f"{DEPTHMAP}Format" in found:
        return _stored(path, found, DEPTHMAP, _item(path, data, packets, found), settings)
    if f"{GDEPTH}Format" in found:
        raise InputError(f"{path}: its XMP announces depth but does not hold it; the extended part is missing")
    return None


def _stored(
    path: Path,
    found: dict[str, str],
    space: str,
    picture: bytes,
    settings: ImageSettings,
) -> StoredDepth:
    near, far = (_number(path, found, f"{space}{name}") for name in ("Near", "Far"))
    if not 0 <= near < far:
        raise InputError(f"{path}: depth range from {near:g} to {far:g} is impossible")
    share = read_grey(picture, f"the depth inside {path}", settings)
    if found.get(f"{space}Format", "RangeInverse") == "RangeLinear":
        depth = near + share * (far - near)
    else:
        depth = far * max(near, 1e-6) / np.maximum(far - share * (far - max(near, 1e-6)), 1e-9)
    unit_m = UNITS_M.get(found.get(f"{space}Units", "").lower())
    inverse = (1 / np.maximum(depth * (unit_m or 1.0), 1e-9)).astype(np.float32)
    return StoredDepth(inverse, unit_m is not None)


def _item(path: Path, data: bytes, packets: list[bytes], found: dict[str, str]) -> bytes:
    """The bytes of the container item that the depth map names: items follow the primary picture, last one last."""
    _, roots = attributes(packets, str(path))
    items = [e.attrib for root in roots for e in root.iter() if f"{ITEM}Mime" in e.attrib]
    name = found.get(f"{DEPTHMAP}DepthURI")
    end = len(data)
    for entry in reversed(items):
        try:
            length = int(entry.get(f"{ITEM}Length", "0"))
        except ValueError as error:
            raise InputError(f"{path}: an item in it has no length") from error
        if not 0 <= length <= end:
            raise InputError(f"{path}: an item in it claims {length} bytes; the file is truncated")
        if entry.get(f"{ITEM}DataURI") == name and length:
            return data[end - length : end]
        end -= length
    raise InputError(f"{path}: the depth item '{name}' is not in the file; it is truncated or was re-saved")


def _decoded(path: Path, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=False)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{path}: the depth in its XMP is not base64 ({error})") from error


def _number(path: Path, found: dict[str, str], name: str) -> float:
    try:
        value = float(found[name])
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: '{name.rpartition('}')[2]}' of its depth is missing or no number") from error
    if not np.isfinite(value):
        raise InputError(f"{path}: '{name.rpartition('}')[2]}' of its depth is not finite")
    return value
