"""A photo as PNG or JPEG, with the metadata it came with."""

import io
from pathlib import Path

from stereo_portrait.core.capture import Image, Metadata
from stereo_portrait.core.errors import OutputError

SUFFIXES = (".png", ".jpg", ".jpeg")
JPEG_SEGMENT_BYTES = 65533
EXIF_IFD, MAKER_NOTE_TAG = 0x8769, 0x927C


def photo_bytes(pixels: Image, suffix: str, metadata: Metadata | None = None, jpeg_quality: int = 95) -> bytes:
    """An (H, W, 3) sRGB picture in the format of `suffix`; EXIF and ICC profile are passed on.

    A JPEG holds 64 KB of EXIF: of more, the maker's own note is left out, and if that does not help, all of it.

    Raises:
        OutputError: a suffix that is neither PNG nor JPEG.
    """
    from PIL import Image as PillowImage

    if suffix.lower() not in SUFFIXES:
        raise OutputError(f"cannot write a photo as '{suffix}'; use .png or .jpg")
    metadata = metadata or Metadata()
    exif = metadata.exif if suffix.lower() == ".png" else _for_jpeg(metadata.exif)
    extra = {name: value for name, value in (("exif", exif), ("icc_profile", metadata.icc_profile)) if value}
    buffer = io.BytesIO()
    picture = PillowImage.fromarray(pixels)
    if suffix.lower() == ".png":
        picture.save(buffer, "PNG", compress_level=3, **extra)
    else:
        picture.save(buffer, "JPEG", quality=jpeg_quality, subsampling=0, **extra)
    return buffer.getvalue()


def _for_jpeg(exif: bytes) -> bytes:
    from PIL import Image as PillowImage

    if len(exif) <= JPEG_SEGMENT_BYTES:
        return exif
    tags = PillowImage.Exif()
    tags.load(exif)
    tags.get_ifd(EXIF_IFD).pop(MAKER_NOTE_TAG, None)
    shorter = tags.tobytes()
    return shorter if len(shorter) <= JPEG_SEGMENT_BYTES else b""


def write_photo(path: Path, pixels: Image, metadata: Metadata | None = None) -> None:
    """Write `pixels` to `path`; the caller stages the path."""
    from stereo_portrait.export.files import write_bytes

    write_bytes(path, photo_bytes(pixels, path.suffix, metadata))
