"""A photo as PNG or JPEG, with the metadata it came with."""

import io
from pathlib import Path

from stereo_portrait.core.capture import Image, Metadata
from stereo_portrait.core.errors import OutputError

SUFFIXES = (".png", ".jpg", ".jpeg")


def photo_bytes(pixels: Image, suffix: str, metadata: Metadata | None = None, jpeg_quality: int = 95) -> bytes:
    """An (H, W, 3) sRGB picture in the format of `suffix`; EXIF and ICC profile are passed on.

    Raises:
        OutputError: a suffix that is neither PNG nor JPEG.
    """
    from PIL import Image as PillowImage

    if suffix.lower() not in SUFFIXES:
        raise OutputError(f"cannot write a photo as '{suffix}'; use .png or .jpg")
    metadata = metadata or Metadata()
    extra = {name: value for name, value in (("exif", metadata.exif), ("icc_profile", metadata.icc_profile)) if value}
    buffer = io.BytesIO()
    picture = PillowImage.fromarray(pixels)
    if suffix.lower() == ".png":
        picture.save(buffer, "PNG", compress_level=3, **extra)
    else:
        picture.save(buffer, "JPEG", quality=jpeg_quality, subsampling=0, **extra)
    return buffer.getvalue()


def write_photo(path: Path, pixels: Image, metadata: Metadata | None = None) -> None:
    """Write `pixels` to `path`; the caller stages the path."""
    from stereo_portrait.export.files import write_bytes

    write_bytes(path, photo_bytes(pixels, path.suffix, metadata))
