"""Every kind of picture comes out upright, RGB and 8 bits, or is refused in words."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.depth_map import read_depth
from stereo_portrait.sources.float_image import read_linear, write_linear
from stereo_portrait.sources.image_file import read_deep, read_frames, read_photo
from stereo_portrait.sources.recorded import find_pairs, read_pair_in_one_file

PICTURE = np.random.default_rng(2).integers(0, 255, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "bmp"])
def test_common_formats_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(PICTURE).save(path, **options)
    pixels = read_photo(path).pixels
    assert pixels.shape == (20, 30, 3)
    if suffix != "jpg":
        np.testing.assert_array_equal(pixels, PICTURE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_then_forgotten(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera"
    path = tmp_path / "a.png"
    Image.fromarray(PICTURE).save(path, exif=exif)
    photo = read_photo(path)
    assert photo.pixels.shape[:2] == ((20, 30) if orientation < 5 else (30, 20))
    if orientation == 3:
        np.testing.assert_array_equal(photo.pixels, PICTURE[::-1, ::-1])
    kept = Image.Exif()
    kept.load(photo.metadata.exif)
    assert 0x0112 not in kept
    assert kept[0x010F] == "Camera"


def test_sixteen_bits_are_kept_where_asked_for(tmp_path: Path) -> None:
    import cv2

    deep = PICTURE.astype(np.uint16) * 257
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), deep[..., ::-1])
    pixels, _ = read_deep(path)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, deep)
    np.testing.assert_array_equal(read_photo(path).pixels, PICTURE)


def test_both_pictures_of_an_mpo_come_out(tmp_path: Path) -> None:
    dark, light = (Image.fromarray(np.full((20, 30, 3), level, np.uint8)) for level in (40, 200))
    dark.save(tmp_path / "a.mpo", save_all=True, append_images=[light], quality=95)
    assert len(read_frames(tmp_path / "a.mpo")) == 2
    pair = read_pair_in_one_file(tmp_path / "a.mpo")
    assert pair is not None
    assert np.abs(pair.left.astype(int) - 40).max() < 3
    assert np.abs(pair.right.astype(int) - 200).max() < 3


def test_a_spatial_photo_holds_a_pair(sample_data: Path) -> None:
    pair = read_pair_in_one_file(sample_data / "phone_depth" / "pillow_heif" / "spatial_photo.heic")
    assert pair is not None
    assert pair.left.shape == (2560, 2560, 3)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["im0.png", "im1.png"], 1),
        (["left.jpg", "right.jpg"], 1),
        (["a_L.png", "a_R.png", "b_L.png", "b_R.png", "c_L.png"], 2),
        (["image_2/0.png", "image_3/0.png", "image_2/1.png", "image_3/1.png", "image_3/2.png"], 2),
        (["view1.png", "view5.png"], 1),
        (["x_left.png", "x_right.png"], 1),
    ],
)
def test_pairs_are_found_by_their_names(tmp_path: Path, names: list[str], found: int) -> None:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(PICTURE).save(path)
    pairs = list(find_pairs(tmp_path))
    assert len(pairs) == found
    assert all(p.left != p.right for p in pairs)


def test_a_folder_without_pairs_says_which_names_are_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="im0/im1"):
        list(find_pairs(tmp_path))


def _png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + b"\x00\x00\x00\x00IDAT"


def test_a_claim_of_a_hundred_thousand_pixels_a_side_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(_png(100_000, 100_000))
    with pytest.raises(InputError, match="megapixels"):
        read_photo(tmp_path / "bomb.png")


def _seed(kind: str) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PICTURE).save(buffer, kind, exif=exif)
    return buffer.getvalue()


SEEDS = {kind: _seed(kind) for kind in ("PNG", "JPEG", "TIFF", "WEBP")}


@settings(max_examples=120)
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    edits=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12),
    keep=st.floats(0, 1),
)
def test_damaged_pictures_are_read_or_refused_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, kind: str, edits: list[tuple[int, int]], keep: float
) -> None:
    data = bytearray(SEEDS[kind])
    for at, value in edits:
        data[at % len(data)] = value
    path = tmp_path_factory.getbasetemp() / f"fuzz.{kind.lower()}"
    path.write_bytes(bytes(data[: max(1, int(keep * len(data)))]))
    try:
        assert read_photo(path).pixels.ndim == 3
    except InputError as error:
        assert path.name in str(error)


@settings(max_examples=60)
@given(suffix=st.sampled_from(["png", "pfm", "npy", "exr", "tif"]), data=st.binary(max_size=300))
def test_random_depth_files_are_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"depth.{suffix}"
    head = {"npy": b"\x93NUMPY\x01\x00", "pfm": b"Pf\n", "exr": b"\x76\x2f\x31\x01", "png": b"\x89PNG\r\n\x1a\n"}
    path.write_bytes(head.get(suffix, b"") + data)
    with pytest.raises(InputError, match=path.name):
        read_depth(path)


@pytest.mark.parametrize("suffix", ["npy", "exr"])
def test_linear_light_survives_a_round_trip(tmp_path: Path, suffix: str) -> None:
    linear = np.random.default_rng(0).uniform(0, 50, (7, 9, 3)).astype(np.float32)
    write_linear(tmp_path / f"a.{suffix}", linear)
    np.testing.assert_array_equal(read_linear(tmp_path / f"a.{suffix}"), linear)
