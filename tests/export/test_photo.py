import io

import numpy as np
import pytest
from PIL import Image

from stereo_portrait.core.capture import Metadata
from stereo_portrait.export.photo import photo_bytes

GREY = np.full((8, 9, 3), 90, np.uint8)


def exif(note_bytes: int, words: str = "") -> bytes:
    tags = Image.Exif()
    tags[0x0110] = "a camera"
    tags[0x010E] = words
    tags.get_ifd(0x8769)[0x927C] = bytes(note_bytes)
    return tags.tobytes()


@pytest.mark.parametrize(("suffix", "kept"), [(".png", 70_000), (".jpg", 0)])
def test_a_long_maker_s_note_does_not_cost_the_photo_its_exif(suffix: str, kept: int) -> None:
    found = Image.open(io.BytesIO(photo_bytes(GREY, suffix, Metadata(exif(70_000))))).getexif()
    assert found[0x0110] == "a camera"
    assert len(found.get_ifd(0x8769).get(0x927C, b"")) == kept


def test_exif_that_no_jpeg_can_hold_is_left_out_and_the_photo_is_written() -> None:
    written = photo_bytes(GREY, ".jpg", Metadata(exif(0, "x" * 70_000)))
    assert len(Image.open(io.BytesIO(written)).getexif()) == 0
