"""Depth inside photos: read, turned upright, kept relative, or refused in words."""

import base64
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.image_file import ImageSettings, read_photo
from stereo_portrait.sources.phone import EmbeddedDepth, on_photo_grid, read_embedded_depth

WIDTH, HEIGHT = 48, 32
NEAR, FAR = 0.5, 4.0
NAMESPACES = (
    'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" xmlns:GFocus="http://ns.google.com/photos/1.0/focus/" '
    'xmlns:D="http://ns.google.com/photos/dd/1.0/depthmap/" xmlns:Item="http://ns.google.com/photos/dd/1.0/item/"'
)
DEPTH_M = np.full((HEIGHT, WIDTH), 3.0)
DEPTH_M[8:24, 16:32] = 1.0


def rdf(attributes: str, inside: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {NAMESPACES} {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def range_inverse(depth_m: np.ndarray, top: int) -> np.ndarray:
    share = FAR * (depth_m - NEAR) / (depth_m * (FAR - NEAR))
    return np.rint(share * top).astype(np.uint16 if top > 255 else np.uint8)


def segment(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def jpeg(packets: list[bytes], extended: bytes = b"", tail: bytes = b"", orientation: int = 1) -> bytes:
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    picture[8:24, 16:32] = 200
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, exif=exif)
    data = buffer.getvalue()
    added = b"".join(segment(b"http://ns.adobe.com/xap/1.0/\x00" + p) for p in packets)
    for at in range(0, len(extended), 500):
        head = b"http://ns.adobe.com/xmp/extension/\x00" + b"A" * 32 + struct.pack(">II", len(extended), at)
        added += segment(head + extended[at : at + 500])
    return data[:2] + added + data[2:] + tail


def gdepth(data: bytes, units: str = "m", more: str = "") -> str:
    text = base64.b64encode(data).decode()
    unit = f'GDepth:Units="{units}"' if units else ""
    return (
        f'GDepth:Format="RangeInverse" GDepth:Near="{NEAR}" GDepth:Far="{FAR}" {unit} GDepth:Mime="image/png" '
        f'{more} GDepth:Data="{text}"'
    )


def opened(path: Path, data: bytes) -> EmbeddedDepth:
    path.write_bytes(data)
    found = read_embedded_depth(path, read_photo(path))
    assert found is not None
    return found


def test_metric_gdepth_in_the_standard_packet_gives_metres(tmp_path: Path) -> None:
    found = opened(tmp_path / "a.jpg", jpeg([rdf(gdepth(png(range_inverse(DEPTH_M, 255))))]))
    assert found.depth.metric
    assert found.depth.depth_m[16, 24] == pytest.approx(1.0, rel=0.02)
    assert found.depth.depth_m[2, 2] == pytest.approx(3.0, rel=0.02)


def test_sixteen_bits_in_the_extended_packet_are_put_together(tmp_path: Path) -> None:
    extended = rdf(gdepth(png(range_inverse(DEPTH_M, 65535))))
    found = opened(tmp_path / "a.jpg", jpeg([rdf('GDepth:Format="RangeInverse"')], extended))
    assert found.depth.depth_m[16, 24] == pytest.approx(1.0, rel=1e-3)


def test_depth_without_a_unit_is_never_called_metric(tmp_path: Path) -> None:
    found = opened(tmp_path / "a.jpg", jpeg([rdf(gdepth(png(range_inverse(DEPTH_M, 255)), units=""))]))
    assert not found.depth.metric
    assert found.depth.depth_m[16, 24] < found.depth.depth_m[2, 2]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_depth_and_focus_turn_with_the_photo(tmp_path: Path, orientation: int) -> None:
    depth_m = DEPTH_M.copy()
    depth_m[:6, :6] = 0.6  # a corner that tells every orientation apart
    focus = f'GFocus:FocalPointX="{2 / WIDTH}" GFocus:FocalPointY="{2 / HEIGHT}"'
    packet = rdf(gdepth(png(range_inverse(depth_m, 255)), more=focus))
    path = tmp_path / "a.jpg"
    found = opened(path, jpeg([packet], orientation=orientation))
    assert found.depth.depth_m.shape == read_photo(path).pixels.shape[:2]
    assert found.focus_px is not None
    x, y = found.focus_px
    assert found.depth.depth_m[y, x] == pytest.approx(0.6, rel=0.05)


def test_dynamic_depth_is_found_behind_the_picture(tmp_path: Path) -> None:
    depth, other = png(range_inverse(DEPTH_M, 255)), b"something else"
    items = (
        '<D:Depthmap D:Format="RangeInverse" D:Near="0.5" D:Far="4.0" D:Units="Meters" D:DepthURI="depth"/>'
        '<Item:a Item:Mime="image/jpeg" Item:DataURI="primary"/>'
        f'<Item:b Item:Mime="image/png" Item:Length="{len(depth)}" Item:DataURI="depth"/>'
        f'<Item:c Item:Mime="image/png" Item:Length="{len(other)}" Item:DataURI="else"/>'
    )
    found = opened(tmp_path / "a.jpg", jpeg([rdf("", items)], tail=depth + other))
    assert found.depth.metric
    assert found.depth.depth_m[16, 24] == pytest.approx(1.0, rel=0.02)


def test_a_plain_photo_has_no_depth(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg([]))
    assert read_embedded_depth(path, read_photo(path)) is None


BROKEN = {
    "unclosed XML": rdf(gdepth(png(range_inverse(DEPTH_M, 255))))[:-40],
    "an entity bomb": b'<!DOCTYPE a [<!ENTITY b "ns.google.com/photos">]><a>&b;</a>',
    "no far": rdf('GDepth:Format="RangeInverse" GDepth:Near="1" GDepth:Data="AAAA"'),
    "near beyond far": rdf('GDepth:Near="4" GDepth:Far="1" GDepth:Data="AAAA"'),
    "not finite": rdf('GDepth:Near="nan" GDepth:Far="1" GDepth:Data="AAAA"'),
    "no picture": rdf('GDepth:Near="1" GDepth:Far="4" GDepth:Data="AAAA"'),
    "empty picture": rdf('GDepth:Near="1" GDepth:Far="4" GDepth:Data=""'),
    "announced but absent": rdf('GDepth:Format="RangeInverse" GDepth:Near="1" GDepth:Far="4"'),
    "an item longer than the file": rdf(
        'D:DepthURI="d" D:Near="1" D:Far="4"', '<Item:b Item:Mime="x" Item:Length="99999"/>'
    ),
    "another shape": rdf(gdepth(png(np.zeros((30, 10), np.uint8)))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_depth_is_refused_in_words(tmp_path: Path, name: str) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(jpeg([BROKEN[name]]))
    with pytest.raises(InputError, match=r"broken\.jpg"):
        read_embedded_depth(path, read_photo(path))


def test_a_depth_picture_over_the_pixel_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg([rdf(gdepth(png(range_inverse(DEPTH_M, 255))))]))
    with pytest.raises(InputError, match="max_megapixels"):
        read_embedded_depth(path, read_photo(path), ImageSettings(max_megapixels=0.001))


SEED = jpeg([rdf(gdepth(png(range_inverse(DEPTH_M, 255)), more='GFocus:FocalPointX="0.5" GFocus:FocalPointY="0.5"'))])


@settings(max_examples=150)
@given(edits=st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 255)), max_size=10), keep=st.floats(0.2, 1))
def test_damaged_photos_are_read_or_refused_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], keep: float
) -> None:
    data = bytearray(SEED)
    for at, value in edits:
        data[at % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "fuzz.jpg"
    path.write_bytes(bytes(data[: int(keep * len(data))]))
    photo = read_photo_or_none(path)
    if photo is None:
        return
    try:
        read_embedded_depth(path, photo)
    except InputError as error:
        assert "fuzz.jpg" in str(error)


def read_photo_or_none(path: Path):  # type: ignore[no-untyped-def]
    try:
        return read_photo(path)
    except InputError:
        return None


def test_upsampled_depth_takes_values_that_were_there() -> None:
    photo = np.full((64, 96, 3), 60, np.uint8)
    photo[16:48, 32:64] = 200
    inverse = np.where(DEPTH_M == 1.0, np.float32(1), np.float32(1 / 3)).astype(np.float32)
    depth = on_photo_grid(inverse, True, photo, "depth", "phone")
    assert set(np.unique(depth.depth_m.round(4))) == {1.0, 3.0}
    np.testing.assert_array_equal(depth.depth_m < 2, photo[..., 0] > 100)


def test_a_phone_photo_of_two_kinds_is_read_whole(sample_data: Path) -> None:
    folder = sample_data / "phone_depth"
    pug = folder / "pillow_heif" / "pug.heic"
    found = read_embedded_depth(pug, read_photo(pug))
    assert found is not None
    assert not found.depth.metric
    assert found.focus_px == (2003, 1506)
    table = folder / "lensblur_table" / "table.jpg"
    found = read_embedded_depth(table, read_photo(table))
    assert found is not None
    assert not found.depth.metric
    assert found.focus_px == (399, 595)
    near, far = found.depth.depth_m[700, 300], found.depth.depth_m[300, 300]
    assert near < far


def test_a_truncated_heic_is_refused(sample_data: Path, tmp_path: Path) -> None:
    data = (sample_data / "phone_depth" / "pillow_heif" / "pug.heic").read_bytes()
    (tmp_path / "cut.heic").write_bytes(data[: len(data) // 3])
    with pytest.raises(InputError, match=r"cut\.heic"):
        read_photo(tmp_path / "cut.heic")
