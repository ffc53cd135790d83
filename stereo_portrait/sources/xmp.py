"""XMP packets of a JPEG: the standard one, and the extended one put together from its pieces."""

import re
import struct
from typing import Any
from xml.etree.ElementTree import Element

from stereo_portrait.core.errors import InputError

STANDARD = b"http://ns.adobe.com/xap/1.0/\x00"
EXTENDED = b"http://ns.adobe.com/xmp/extension/\x00"
MAX_EXTENDED_BYTES = 200_000_000
GUID_BYTES = 32


def xmp_packets(data: bytes) -> list[bytes]:
    """The XML texts found in the JPEG's APP1 segments; extended pieces are ordered by their offset.

    Source: XMP Specification Part 3, section 1.1.3 (JPEG). An incomplete extended packet is left out.
    """
    packets: list[bytes] = []
    pieces: dict[bytes, dict[int, bytes]] = {}
    totals: dict[bytes, int] = {}
    for body in _app1_segments(data):
        if body.startswith(STANDARD):
            packets.append(body[len(STANDARD) :])
        elif body.startswith(EXTENDED) and len(body) >= len(EXTENDED) + GUID_BYTES + 8:
            head = len(EXTENDED)
            guid = body[head : head + GUID_BYTES]
            total, offset = struct.unpack(">II", body[head + GUID_BYTES : head + GUID_BYTES + 8])
            if total <= MAX_EXTENDED_BYTES:
                totals[guid] = total
                pieces.setdefault(guid, {})[offset] = body[head + GUID_BYTES + 8 :]
    for guid, parts in pieces.items():
        text = b"".join(parts[offset] for offset in sorted(parts))
        if len(text) == totals[guid]:
            packets.append(text)
    return packets


def _app1_segments(data: bytes) -> list[bytes]:
    segments = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in (0xDA, 0xD9):  # pixels begin, or the end
            break
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if length < 2 or at + 2 + length > len(data):
            break
        if marker == 0xE1:
            segments.append(data[at + 4 : at + 2 + length])
        at += 2 + length
    return segments


def attributes(packets: list[bytes], name: str) -> tuple[dict[str, str], list[Element]]:
    """Every attribute and simple element of all packets as {namespace}name -> text, and the root elements.

    Raises:
        InputError: XML that is broken or that declares entities; `name` is the file.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    found: dict[str, str] = {}
    roots = []
    for packet in packets:
        start, end = packet.find(b"<"), packet.rfind(b">")
        text = re.sub(rb"<\?xpacket[^>]*\?>", b"", packet[start : end + 1]).strip()
        try:
            root: Any = fromstring(text, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
            raise InputError(f"{name}: its XMP is damaged ({error}); the depth in it cannot be read") from error
        roots.append(root)
        for element in root.iter():
            found.update(element.attrib)
            if len(element) == 0 and element.text and element.text.strip():
                found.setdefault(element.tag, element.text.strip())
    return found, roots
