"""An image file -> upright RGB pixels with the metadata to keep, or one clear error."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from stereo_portrait.core.capture import Metadata, Photo
from stereo_portrait.core.errors import ConfigError, InputError

SMALLEST_SIDE_PX = 8  # below this there is nothing to match, focus on or blur
ORIENTATION_TAG = 0x0112
RAW_MODES_16 = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@dataclass(frozen=True)
class ImageSettings:
    """Limits on what is opened."""

    max_megapixels: float = 200.0

    def __post_init__(self) -> None:
        if not 0.001 <= self.max_megapixels <= 2000:
            raise ConfigError(f"images.max_megapixels must be between 0.001 and 2000, found {self.max_megapixels:g}")


DEFAULT = ImageSettings()


def read_photo(path: Path, settings: ImageSettings = DEFAULT) -> Photo:
    """An upright uint8 sRGB photo: EXIF orientation applied, alpha dropped, grey repeated, 16 bit rounded to 8.

    EXIF (less its orientation), ICC profile and XMP are kept beside the pixels.

    Raises:
        InputError: missing, empty, truncated, not an image, too large or too small; the file is named.
    """
    with _opened(path, settings) as picture:
        return _photo(picture, path)


def read_frames(path: Path, settings: ImageSettings = DEFAULT) -> list[Photo]:
    """Every full picture of a file that may hold several (MPO, spatial HEIC), the first one first.

    Raises:
        InputError: as `read_photo`.
    """
    with _opened(path, settings) as picture:
        count = getattr(picture, "n_frames", 1)
        photos = []
        for index in range(min(count, 4)):
            try:
                picture.seek(index)
                _check_size(picture, f"picture {index + 1} in {path}", settings)
                photos.append(_photo(picture, path))
            except (EOFError, OSError, SyntaxError, ValueError) as error:
                raise InputError(f"{path}: picture {index + 1} of {count} in it is damaged ({error})") from error
        return photos


def read_deep(path: Path, settings: ImageSettings = DEFAULT) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], Metadata]:
    """(H, W, 3) pixels with all their bits: uint16 for a 16-bit PNG or TIFF, else uint8; sRGB encoded.

    Raises:
        InputError: as `read_photo`.
    """
    photo = read_photo(path, settings)
    if path.suffix.lower() in (".png", ".tif", ".tiff"):
        import cv2

        data = np.frombuffer(path.read_bytes(), np.uint8)
        deep = cv2.imdecode(data, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
        if deep is not None and deep.dtype == np.uint16 and deep.shape[:2] == photo.pixels.shape[:2]:
            return cv2.cvtColor(deep, cv2.COLOR_BGR2RGB), photo.metadata
    return photo.pixels, photo.metadata


def _opened(path: Path, settings: ImageSettings) -> Image.Image:
    """Open and check the header; the pixels are decoded later."""
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise InputError(f"{path} is a folder; name an image file")
        if size == 0:
            raise InputError(f"{path} is empty; copy it again from the camera")
        with path.open("rb") as file:
            head = file.read(32)
        if head[4:8] == b"ftyp":
            _check_boxes(path, size)
            _register_heif()
        Image.MAX_IMAGE_PIXELS = None  # our own limit, a setting, is checked right below
        picture = Image.open(path)
    except OSError as error:
        if isinstance(error, UnidentifiedImageError):
            raise InputError(
                f"{path} is not an image that can be read (PNG, JPEG, TIFF, WebP, HEIC); it begins with {head[:8]!r}"
            ) from error
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (SyntaxError, ValueError, RuntimeError, EOFError, OverflowError, MemoryError) as error:
        raise InputError(f"{path}: damaged image header ({error}); copy the file again") from error
    _check_size(picture, str(path), settings)
    if min(picture.width, picture.height) < SMALLEST_SIDE_PX:
        picture.close()
        raise InputError(
            f"{path} is {picture.width}x{picture.height}; at least {SMALLEST_SIDE_PX} pixels a side are needed"
        )
    return picture


def _check_size(picture: Image.Image, name: str, settings: ImageSettings) -> None:
    """Close and refuse a picture over the pixel limit, before it is decoded."""
    size = (picture.width, picture.height)
    if size[0] * size[1] > settings.max_megapixels * 1e6:
        picture.close()
        raise too_large(name, size, settings)


def too_large(name: str, size: tuple[int, int], settings: ImageSettings) -> InputError:
    """The error for a picture of `size` (width, height) over the limit."""
    width, height = size
    return InputError(
        f"{name} claims {width}x{height}, {width * height / 1e6:.0f} megapixels; the limit is "
        f"{settings.max_megapixels:g} (--set images.max_megapixels=N raises it)"
    )


def _check_boxes(path: Path, size: int) -> None:
    """A HEIC is a row of boxes with lengths (ISO/IEC 14496-12); libheif decodes a cut one to grey without a word."""
    at = 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length == 0:  # to the end of the file
                return
            if length < 8 or at + length > size:
                raise InputError(f"{path}: truncated, {size} bytes where {at + length} are due; copy the file again")
            at += length


def _register_heif() -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError("HEIC files need the package pillow-heif; install it with pip") from error
    pillow_heif.register_heif_opener()


def _photo(picture: Image.Image, path: Path) -> Photo:
    try:
        picture.load()
        upright = ImageOps.exif_transpose(picture)  # before the orientation is taken out of the EXIF
        metadata = _metadata(picture)
        pixels = _rgb8(upright)
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError, MemoryError, OverflowError) as error:
        raise InputError(f"{path}: damaged or truncated ({error}); copy the file again") from error
    return Photo(pixels, path.stem, metadata)


def _rgb8(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode in RAW_MODES_16:
        grey = np.asarray(picture).astype(np.float32)
        narrow = np.rint(np.clip(grey, 0, 65535) / 257).astype(np.uint8)
        return np.repeat(narrow[..., None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError("floating point pixels; save the photo as 8 or 16 bit")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        picture = picture.convert("RGBA")
        return np.ascontiguousarray(np.asarray(picture)[..., :3])
    if picture.mode == "P" and "transparency" in picture.info:
        return np.ascontiguousarray(np.asarray(picture.convert("RGBA"))[..., :3])
    return np.array(picture.convert("RGB"))


def _metadata(picture: Image.Image) -> Metadata:
    exif = b""
    try:
        tags = picture.getexif()
        if tags:
            tags.pop(ORIENTATION_TAG, None)
            exif = tags.tobytes()
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, RuntimeError, OverflowError):
        exif = b""  # damaged EXIF must not cost the photo
    icc = picture.info.get("icc_profile") or b""
    xmp = picture.info.get("xmp") or b""
    if icc and picture.mode not in ("RGB", "RGBA", "P"):
        icc = b""  # a grey or CMYK profile does not describe the RGB result
    return Metadata(exif, bytes(icc), xmp if isinstance(xmp, bytes) else str(xmp).encode())


def read_grey(data: bytes, name: str, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W) grey values in [0, 1] of a PNG or JPEG in memory, 8 or 16 bits.

    Raises:
        InputError: not a picture, damaged, of no size, or over the pixel limit; `name` is in the message.
    """
    try:
        Image.MAX_IMAGE_PIXELS = None  # our own limit, a setting, is checked right below
        picture = Image.open(io.BytesIO(data))
        _check_size(picture, name, settings)
        picture.load()
        deep = picture.mode in RAW_MODES_16
        values = np.asarray(picture if deep else picture.convert("L"), np.float32)
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError, MemoryError, OverflowError) as error:
        raise InputError(f"{name} is not a picture that can be read ({error})") from error
    if values.size == 0:
        raise InputError(f"{name} has no pixels")
    return values / np.float32(65535 if deep else 255)
