"""Well-formed containers that lie: numbers, lengths, EXIF and boxes that no camera writes."""

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stereo_portrait.core.capture import Photo
from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.image_file import read_photo
from stereo_portrait.sources.phone import read_embedded_depth
from tests.sources.test_phone import DEPTH_M, HEIGHT, WIDTH, gdepth, jpeg, png, range_inverse, rdf

PLAIN_NUMBERS = ("0", "-1", "1", "1e-30", "1e30", "1e308", "-1e308", "inf", "nan", "", "zwei", "0x10", "1,5")
numbers = st.sampled_from(PLAIN_NUMBERS) | st.floats().map(str)
PICTURE = png(range_inverse(DEPTH_M, 255))


def read_or_refused(path: Path, data: bytes) -> None:
    """Either depth on the photo's grid with a focus point inside it, or a message that names the file."""
    path.write_bytes(data)
    try:
        photo: Photo = read_photo(path)
        found = read_embedded_depth(path, photo)
    except InputError as error:
        assert path.name in str(error)
        return
    if found is None:
        return
    height, width = photo.pixels.shape[:2]
    assert found.depth.depth_m.shape == (height, width)
    known = found.depth.depth_m[found.depth.confidence > 0]
    assert not np.isnan(known).any()
    assert (known > 0).all()
    if found.focus_px is not None:
        assert 0 <= found.focus_px[0] < width
        assert 0 <= found.focus_px[1] < height


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=120)
@given(near=numbers, far=numbers, x=numbers, y=numbers, kind=st.sampled_from(["RangeLinear", "RangeInverse", "?"]))
def test_absurd_ranges_and_focus_points_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, near: str, far: str, x: str, y: str, kind: str
) -> None:
    text = gdepth(PICTURE, more=f'GFocus:FocalPointX="{x}" GFocus:FocalPointY="{y}"')
    text = text.replace('Near="0.5"', f'Near="{near}"').replace('Far="4.0"', f'Far="{far}"')
    text = text.replace("RangeInverse", kind)
    read_or_refused(tmp_path_factory.getbasetemp() / "range.jpg", jpeg([rdf(text)]))


@settings(max_examples=120)
@given(
    lengths=st.lists(numbers | st.integers(-5, 10**12).map(str), max_size=4),
    uri=st.sampled_from(['D:DepthURI="d"', 'D:DepthURI=""', ""]),
    tail=st.binary(max_size=40),
)
def test_container_items_that_lie_about_their_length_are_refused(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[str], uri: str, tail: bytes
) -> None:
    items = "".join(f'<Item:i Item:Mime="x" Item:DataURI="d" Item:Length="{length}"/>' for length in lengths)
    packet = rdf(f'D:Format="RangeInverse" D:Near="1" D:Far="4" {uri}', items)
    read_or_refused(tmp_path_factory.getbasetemp() / "items.jpg", jpeg([packet], tail=tail))


@pytest.mark.parametrize("claimed", [(0, 0), (0, 7), (7, 0), (10_000, 10_001), (60_000, 60_000)])
def test_depth_pictures_that_claim_no_or_absurd_size_are_refused(tmp_path: Path, claimed: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *claimed, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    data = PICTURE[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + PICTURE[33:]
    path = tmp_path / "claim.jpg"
    path.write_bytes(jpeg([rdf(gdepth(data))]))
    with pytest.raises(InputError, match=r"claim\.jpg"):
        read_embedded_depth(path, read_photo(path))


@settings(max_examples=60)
@given(edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_exif_never_costs_a_photo_its_depth_or_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9214] = (5, 6, 7, 8)
    raw = bytearray(exif.tobytes())
    for at, value in edits:
        raw[6 + at % (len(raw) - 6)] = value
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT)).save(buffer, "JPEG", exif=bytes(raw))
    data = buffer.getvalue()
    packet = jpeg([rdf(gdepth(PICTURE))])
    added = packet[2 : 4 + int.from_bytes(packet[4:6], "big")]
    read_or_refused(tmp_path_factory.getbasetemp() / "exif.jpg", data[:2] + added + data[2:])


@settings(max_examples=60)
@given(edits=st.lists(st.tuples(st.integers(8, 600), st.integers(0, 255)), max_size=6), keep=st.floats(0.1, 1))
def test_damaged_heic_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], keep: float
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), (90, 120, 30))).save(buffer)
    data = bytearray(buffer.getvalue())
    for at, value in edits:
        data[at % len(data)] = value
    read_or_refused(tmp_path_factory.getbasetemp() / "fuzz.heic", bytes(data[: int(keep * len(data))]))


def test_a_heic_by_another_name_gives_its_depth_and_no_focus_outside_the_photo(
    sample_data: Path, tmp_path: Path
) -> None:
    renamed = tmp_path / "pug.jpg"
    renamed.write_bytes((sample_data / "phone_depth" / "pillow_heif" / "pug.heic").read_bytes())
    photo = read_photo(renamed)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9214] = (-5, 3)
    outside = replace(photo, metadata=replace(photo.metadata, exif=exif.tobytes()))
    found = read_embedded_depth(renamed, outside)
    assert found is not None
    assert not found.depth.metric
    assert found.focus_px is None
