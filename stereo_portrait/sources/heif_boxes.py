"""What a HEIF file says about each of its pictures, for the properties that libheif's wrapper does not hand on."""

import struct
from collections.abc import Iterator

UUID = b"uuid"
MAX_META_BYTES = 20_000_000
Property = tuple[bytes, bytes]  # four-letter kind, or the 16 bytes of an extended kind; and what the box holds


def item_properties(data: bytes) -> dict[int, list[Property]]:
    """{item: its properties} out of the first bytes of a file; empty where they cannot be followed.

    Source: ISO/IEC 14496-12 (boxes) and 23008-12, sections 9.3 (iprp, ipco, ipma).
    """
    try:
        meta = next((body for kind, body in boxes(data) if kind == b"meta"), b"")[4:]
        inside = dict(boxes(next((body for kind, body in boxes(meta) if kind == b"iprp"), b"")))
        known = list(boxes(inside.get(b"ipco", b"")))
        return {
            item: [known[index - 1] for index in indices if 1 <= index <= len(known)]
            for item, indices in _associations(inside.get(b"ipma", b""))
        }
    except (struct.error, IndexError):
        return {}


def boxes(data: bytes) -> Iterator[Property]:
    """The boxes that lie one behind the other in `data`; a box that runs over the end is the last."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif length == 0:
            length = len(data) - at
        if kind == UUID:
            kind = data[at + head : at + head + 16]
            head += 16
        if length < head:
            return
        yield kind, data[at + head : min(at + length, at + head + MAX_META_BYTES)]
        at += length


def _associations(body: bytes) -> Iterator[tuple[int, list[int]]]:
    if len(body) < 8:
        return
    version, wide = body[0], body[3] & 1
    (count,) = struct.unpack_from(">I", body, 4)
    at = 8
    for _ in range(min(count, len(body))):
        form = ">I" if version else ">H"
        (item,) = struct.unpack_from(form, body, at)
        at += struct.calcsize(form)
        entries = body[at]
        at += 1
        form, mask = (">H", 0x7FFF) if wide else (">B", 0x7F)
        step = struct.calcsize(form)
        yield item, [struct.unpack_from(form, body, at + step * i)[0] & mask for i in range(entries)]
        at += step * entries
