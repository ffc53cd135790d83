"""Where the camera was focused, or whose face it saw, as a photo's own metadata say."""

import struct
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image as PillowImage

from stereo_portrait.core.capture import Photo
from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.xmp import attributes, xmp_packets

ORIENTATION_TAG, EXIF_IFD, SUBJECT_AREA_TAG = 0x0112, 0x8769, 0x9214
EXIF_WIDTH_TAG, EXIF_HEIGHT_TAG = 0xA002, 0xA003
GFOCUS = "{http://ns.google.com/photos/1.0/focus/}"
REGIONS = "{http://www.metadataworkinggroup.com/schemas/regions/}"
AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
DIMENSIONS = "{http://ns.adobe.com/xap/1.0/sType/Dimensions#}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
REGION_ORDER = ("Focus", "Face", "Pet")
Share = tuple[float, float]


def read_focus_px(path: Path, photo: Photo) -> tuple[int, int] | None:
    """The pixel (x, y) of the upright photo, as `read_photo` gave it, or None where the file says nothing usable.

    In this order: Google's focus point, a focus region, the largest face, the largest pet (Metadata Working Group,
    "Guidelines for handling image metadata" 2.0, regions), EXIF's SubjectArea. All of them are stored in the
    orientation of the sensor and are turned with the photo. Damaged metadata count as none.
    """
    height, width = photo.pixels.shape[:2]
    orientation = stored_orientation(path)
    stored = (height, width) if orientation >= 5 else (width, height)
    share = _from_xmp(path, photo, stored)
    if share is None:
        share = _from_exif(photo, stored)
    if share is None or not (0 <= share[0] <= 1 and 0 <= share[1] <= 1):
        return None
    x, y = turned_share(share, orientation)
    return min(width - 1, int(x * width)), min(height - 1, int(y * height))


def stored_orientation(path: Path) -> int:
    """The EXIF orientation (1 to 8) that was applied to make the photo upright; 1 where the file does not say."""
    try:
        with PillowImage.open(path) as picture:
            said = picture.info.get("original_orientation") or picture.getexif().get(ORIENTATION_TAG, 1)
            return int(said) if 1 <= int(said) <= 8 else 1
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, ArithmeticError, RuntimeError, struct.error):
        return 1


def turned_share(share: Share, orientation: int) -> Share:
    """(x, y) in 0..1 of the stored picture -> of the upright one.  Source: EXIF 2.3, tag 0x0112."""
    x, y = share
    if orientation in (2, 4, 5, 7):
        x = 1 - x
    quarter_turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)  # counter-clockwise
    for _ in range(quarter_turns):
        x, y = y, 1 - x
    return x, y


def _from_xmp(path: Path, photo: Photo, stored: tuple[int, int]) -> Share | None:
    try:
        data = path.read_bytes()
        packets = xmp_packets(data) if data[:2] == b"\xff\xd8" else []
        packets = packets or ([photo.metadata.xmp] if photo.metadata.xmp else [])
        packets = [p for p in packets if GFOCUS[1:-1].encode() in p or REGIONS[1:-1].encode() in p]
        if not packets:
            return None
        found, roots = attributes(packets, str(path))
    except (OSError, InputError):
        return None
    if (point := _numbers(found, f"{GFOCUS}FocalPointX", f"{GFOCUS}FocalPointY")) is not None:
        return point[0], point[1]
    return _from_regions(roots, stored)


def _from_regions(roots: list[Element], stored: tuple[int, int]) -> Share | None:
    """The centre of the best region; `stored` is (width, height) of the picture before it was turned."""
    regions: list[tuple[int, float, Share]] = []
    for root in roots:
        for item in (i for regions_list in root.iter(f"{REGIONS}RegionList") for i in regions_list.iter(f"{RDF}li")):
            said = {k: v for element in item.iter() for k, v in element.attrib.items()}
            said |= {e.tag: e.text.strip() for e in item.iter() if len(e) == 0 and e.text and e.text.strip()}
            kind = said.get(f"{REGIONS}Type", "Face")
            centre = _numbers(said, f"{AREA}x", f"{AREA}y")
            if kind not in REGION_ORDER or centre is None:
                continue
            size = _numbers(said, f"{AREA}w", f"{AREA}h") or (0.0, 0.0)
            scale = stored if said.get(f"{AREA}unit", "normalized") == "pixel" else (1, 1)
            share = (centre[0] / scale[0], centre[1] / scale[1])
            regions.append((REGION_ORDER.index(kind), -size[0] * size[1], share))
    return min(regions)[2] if regions else None


def _from_exif(photo: Photo, stored: tuple[int, int]) -> Share | None:
    """SubjectArea's centre, whose pixels are those of the picture that the camera wrote."""
    try:
        tags = PillowImage.Exif()
        tags.load(photo.metadata.exif)
        details = tags.get_ifd(EXIF_IFD)
        area = details.get(SUBJECT_AREA_TAG)
        if not isinstance(area, tuple) or len(area) < 2:
            return None
        x, y = float(area[0]), float(area[1])
        written = [int(details.get(tag) or 0) for tag in (EXIF_WIDTH_TAG, EXIF_HEIGHT_TAG)]
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, ArithmeticError, RuntimeError, struct.error):
        return None
    width, height = stored
    if min(written) > 0 and abs(written[0] * height - written[1] * width) < 0.02 * written[0] * height:
        width, height = written  # a smaller copy of the same picture keeps the camera's numbers
    return (x / width, y / height) if 0 <= x < width and 0 <= y < height else None


def _numbers(said: dict[str, str], first: str, second: str) -> tuple[float, float] | None:
    try:
        values = (float(said[first]), float(said[second]))
    except (KeyError, ValueError):
        return None
    return values if np.isfinite(values).all() else None
