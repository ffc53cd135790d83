"""A small file that unpacks to a huge picture is refused before it is unpacked, whichever reader meets it."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.depth_map import read_depth, read_relative
from stereo_portrait.sources.float_image import read_linear, write_linear
from stereo_portrait.sources.image_file import ImageSettings, read_frames

SMALL = ImageSettings(max_megapixels=0.001)


def _claiming_png(path: Path, side: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(100))
    chunks = b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, body))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


READERS: dict[str, Callable[[Path], object]] = {
    "depth": read_depth,
    "relative": lambda path: read_relative(path, ImageSettings()),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("side", [16_000, 60_000])
def test_a_depth_picture_that_claims_to_be_huge_is_refused_by_the_setting(
    tmp_path: Path, reader: str, side: int
) -> None:
    _claiming_png(tmp_path / "depth.png", side)
    with pytest.raises(InputError, match=r"depth\.png claims .* images\.max_megapixels"):
        READERS[reader](tmp_path / "depth.png")


def test_a_depth_picture_without_its_pixels_is_called_damaged(tmp_path: Path) -> None:
    _claiming_png(tmp_path / "depth.png", 300)
    with pytest.raises(InputError, match="truncated"):
        read_depth(tmp_path / "depth.png")


def test_the_second_picture_of_a_file_is_held_to_the_limit_too(tmp_path: Path) -> None:
    small, large = (Image.fromarray(np.zeros((side, side, 3), np.uint8)) for side in (20, 100))
    small.save(tmp_path / "pages.tif", save_all=True, append_images=[large])
    assert len(read_frames(tmp_path / "pages.tif")) == 2
    with pytest.raises(InputError, match=r"picture 2 in .* claims 100x100"):
        read_frames(tmp_path / "pages.tif", SMALL)


def test_an_exr_over_the_limit_is_refused_before_its_pixels_are_read(tmp_path: Path) -> None:
    write_linear(tmp_path / "light.exr", np.ones((40, 50, 3), np.float32))
    assert read_linear(tmp_path / "light.exr").shape == (40, 50, 3)
    with pytest.raises(InputError, match="claims 50x40"):
        read_linear(tmp_path / "light.exr", SMALL)
    with pytest.raises(InputError, match="claims 50x40"):
        read_depth(tmp_path / "light.exr", settings=SMALL)
