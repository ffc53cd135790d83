"""Where the camera was focused: regions, focus points and SubjectArea, in every orientation."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stereo_portrait.sources.focus_point import read_focus_px
from stereo_portrait.sources.image_file import read_photo

WIDTH, HEIGHT = 80, 48
MARK = (60, 12)  # a white square that the metadata point at, in the stored picture
SPACES = (
    'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
    'xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" xmlns:GFocus="http://ns.google.com/photos/1.0/focus/"'
)


def region(kind: str, x_px: float, y_px: float, side_px: float, unit: str = "normalized") -> str:
    """One region with its centre in pixels of the stored picture."""
    across, down = (1.0, 1.0) if unit == "pixel" else (WIDTH, HEIGHT)
    return (
        f'<rdf:li><rdf:Description mwg-rs:Type="{kind}"><mwg-rs:Area stArea:x="{x_px / across}" '
        f'stArea:y="{y_px / down}" stArea:w="{side_px / across}" stArea:h="{side_px / down}" stArea:unit="{unit}"/>'
        "</rdf:Description></rdf:li>"
    )


def packet(regions: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {SPACES} {attributes}><mwg-rs:Regions rdf:parseType="Resource">'
        f"<mwg-rs:RegionList><rdf:Bag>{regions}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def jpeg(path: Path, xmp: bytes = b"", area: tuple[int, ...] = (), orientation: int = 1, written: int = 1) -> Path:
    """A dark picture with a white mark; `written` says how much larger the camera's own picture was."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[MARK[1] - 4 : MARK[1] + 4, MARK[0] - 4 : MARK[0] + 4] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    if area:
        details = exif.get_ifd(0x8769)
        details[0x9214], details[0xA002], details[0xA003] = area, WIDTH * written, HEIGHT * written
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, exif=exif, **({"xmp": xmp} if xmp else {}))
    path.write_bytes(buffer.getvalue())
    return path


def brightness_at_focus(path: Path) -> int:
    photo = read_photo(path)
    found = read_focus_px(path, photo)
    assert found is not None
    return int(photo.pixels[found[1], found[0]].mean())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("how", ["face", "pixel face", "area", "area of a larger picture", "google"])
def test_the_focus_point_turns_with_the_photo(tmp_path: Path, how: str, orientation: int) -> None:
    path = tmp_path / "a.jpg"
    if how == "area":
        jpeg(path, area=(*MARK, 8, 8), orientation=orientation)
    elif how == "area of a larger picture":
        jpeg(path, area=(MARK[0] * 3, MARK[1] * 3, 24, 24), orientation=orientation, written=3)
    elif how == "google":
        focus = f'GFocus:FocalPointX="{MARK[0] / WIDTH}" GFocus:FocalPointY="{MARK[1] / HEIGHT}"'
        jpeg(path, packet("", focus), orientation=orientation)
    else:
        unit = "pixel" if how == "pixel face" else "normalized"
        jpeg(path, packet(region("Face", *MARK, 8, unit)), orientation=orientation)
    assert brightness_at_focus(path) > 200


def test_the_largest_face_wins_and_a_focus_region_before_any_face(tmp_path: Path) -> None:
    small, large, focus = region("Face", 10, 40, 4), region("Face", *MARK, 12), region("Focus", 10, 10, 2)
    assert brightness_at_focus(jpeg(tmp_path / "faces.jpg", packet(small + large))) > 200
    assert brightness_at_focus(jpeg(tmp_path / "focus.jpg", packet(small + large + focus))) < 50
    barcode = jpeg(tmp_path / "code.jpg", packet(region("BarCode", *MARK, 8)))
    assert read_focus_px(barcode, read_photo(barcode)) is None


@pytest.mark.parametrize("area", [(500, 10), (10, 500), (-3, 5), (7,)])
def test_areas_outside_the_picture_are_none(tmp_path: Path, area: tuple[int, ...]) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9214] = area
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.jpg", exif=exif)
    assert read_focus_px(tmp_path / "a.jpg", read_photo(tmp_path / "a.jpg")) is None


@settings(max_examples=150)
@given(st.data())
def test_damaged_regions_give_a_point_inside_or_none(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    xmp = bytearray(packet(region("Face", *MARK, 8) + region("Pet", 5, 5, 1e9)))
    for _ in range(data.draw(st.integers(0, 5))):
        xmp[data.draw(st.integers(0, len(xmp) - 1))] = data.draw(st.integers(32, 126))
    path = jpeg(tmp_path_factory.getbasetemp() / "regions.jpg", bytes(xmp[: data.draw(st.integers(1, len(xmp)))]))
    found = read_focus_px(path, read_photo(path))
    assert found is None or (0 <= found[0] < WIDTH and 0 <= found[1] < HEIGHT)
