"""PFM, the float map of the stereo world: rows bottom to top, the sign of the scale is the byte order."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import InputError

MAX_VALUES = 400_000_000
_HEADER = re.compile(rb"\A(P[Ff])\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(\d{1,9})\s+([-+]?[0-9.]+(?:[eE][-+]?\d+)?)[ \t\r]*\n")


def read_pfm(path: Path) -> NDArray[np.float32]:
    """(H, W) or (H, W, 3) float32, top row first; values as stored: the scale's size is not applied, inf stays inf.

    Reads headers on one line or three (SceneFlow, Middlebury), both byte orders.

    Raises:
        InputError: not a PFM, an impossible size, or fewer bytes than the header promises.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    header = _HEADER.match(data[:4096])
    if header is None:
        raise InputError(f"{path}: not a PFM file (its header should read 'Pf', width, height, scale)")
    width, height = int(header[2]), int(header[3])
    channels = 3 if header[1] == b"PF" else 1
    try:
        scale = float(header[4])
    except ValueError as error:
        raise InputError(f"{path}: the PFM scale {header[4].decode()!r} is not a number") from error
    count = width * height * channels
    if not 0 < count <= MAX_VALUES:
        raise InputError(f"{path}: a PFM of {width}x{height} cannot be right")
    if len(data) - header.end() < 4 * count:
        raise InputError(f"{path}: truncated, {len(data) - header.end()} bytes of pixels where {4 * count} are due")
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", count, header.end())
    shape = (height, width, 3) if channels == 3 else (height, width)
    return np.ascontiguousarray(values.reshape(shape)[::-1], dtype=np.float32)


def pfm_bytes(values: NDArray[np.float32]) -> bytes:
    """An (H, W) float32 map as little-endian PFM."""
    height, width = values.shape
    return f"Pf\n{width} {height}\n-1.0\n".encode() + values[::-1].astype("<f4").tobytes()
