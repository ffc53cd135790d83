"""HEIC files as phones write them, which no encoder here can: made from what pillow-heif does write."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

ALPHA = b"urn:mpeg:hevc:2015:auxid:1\x00"
PORTRAIT = "urn:com:apple:photo:2018:aux:portraiteffectsmatte"
SKIN = "urn:com:apple:photo:2019:aux:semanticskinmatte"


def with_matte(path: Path, pixels: np.ndarray, matte: np.ndarray, name: str = PORTRAIT) -> Path:
    """A HEIC whose alpha plane is called by another name, which makes it an auxiliary picture.

    The name is longer, so the boxes around it grow, and the offsets of the pixels behind them move.
    """
    import pillow_heif

    pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([pixels, matte])).save(buffer, "HEIF", quality=95)
    data = bytearray(buffer.getvalue())
    new = name.encode() + b"\x00"
    more = len(new) - len(ALPHA)
    at = data.index(ALPHA)
    locations = data.index(b"iloc") + 4
    if data[locations : locations + 6] != bytes((0, 0, 0, 0, 0x44, 0x40)):
        raise ValueError("the encoder writes another kind of iloc box now")
    (count,) = struct.unpack_from(">H", data, locations + 6)
    for item in range(count):
        place = locations + 8 + item * 18 + 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + more)
    for kind in (b"meta", b"iprp", b"ipco", b"auxC"):
        place = data.index(kind) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + more)
    data[at : at + len(ALPHA)] = new
    path.write_bytes(bytes(data))
    return path
