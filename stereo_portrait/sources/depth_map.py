"""A depth file beside a photo -> numbers on the file's own grid."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import InputError
from stereo_portrait.core.pfm import read_pfm
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings, read_grey, too_large

MAX_BYTES = 2_000_000_000
FLOAT_SUFFIXES = (".pfm", ".npy", ".exr")
SUFFIXES = (".png", ".tif", ".tiff", *FLOAT_SUFFIXES)


def read_depth(path: Path, scale: float = 1000.0, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W) metres, NaN unknown: 16-bit PNG or TIFF divided by `scale` (0 unknown); PFM, NPY and EXR in metres.

    Raises:
        InputError: unreadable, over the pixel limit, not a single channel, without any depth, or a scale that is not
            positive.
    """
    values = _values(path, scale, settings, coarse=False)
    depth = np.where(np.isfinite(values) & (values > 0), values, np.nan).astype(np.float32)
    if np.isnan(depth).all():
        raise InputError(f"{path}: no pixel holds a depth")
    return depth


def read_disparity(path: Path, scale: float = 1.0, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W) disparity in pixels of its own grid, NaN unknown: PNG or TIFF of 8 or 16 bits over `scale`; PFM, NPY and
    EXR in pixels. Zero, negative and infinite values are unknown.

    Raises:
        InputError: as `read_depth`.
    """
    values = _values(path, scale, settings, coarse=True)
    disparity_px = np.where(np.isfinite(values) & (values > 0), values, np.nan).astype(np.float32)
    if np.isnan(disparity_px).all():
        raise InputError(f"{path}: no pixel holds a disparity")
    return disparity_px


def _values(path: Path, scale: float, settings: ImageSettings, coarse: bool) -> NDArray[np.float32]:
    """(H, W) numbers of the file, those of pictures divided by `scale`; `coarse` lets 8 bits pass."""
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"--depth-scale must be positive, found {scale:g}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: a depth map is one of {', '.join(SUFFIXES)}")
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: over {MAX_BYTES} bytes is too large for a depth map")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    values = _float_map(path, settings) if suffix in FLOAT_SUFFIXES else _scaled(path, scale, settings, coarse)
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"{path}: a depth map has one channel and some pixels, found shape {values.shape}")
    return values


def _scaled(path: Path, scale: float, settings: ImageSettings, coarse: bool) -> NDArray[np.float32]:
    import cv2
    from PIL import Image

    try:
        Image.MAX_IMAGE_PIXELS = None  # our own limit, a setting, is checked right below
        with Image.open(path) as header:
            size = header.size
        if size[0] * size[1] > settings.max_megapixels * 1e6:
            raise too_large(str(path), size, settings)
        raw: Any = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError, OverflowError, MemoryError, cv2.error) as error:
        raise InputError(f"{path} is not an image that can be read") from error
    if raw is None:
        raise InputError(f"{path}: damaged or truncated; copy the file again")
    if raw.dtype != np.uint16 and not (coarse and raw.dtype == np.uint8):
        raise InputError(
            f"{path}: expected 16-bit depth, found {raw.dtype}: too coarse for metres; is it --depth-kind relative?"
        )
    return raw.astype(np.float32) / np.float32(scale)


def _float_map(path: Path, settings: ImageSettings) -> NDArray[np.float32]:
    if path.suffix.lower() == ".pfm":
        return read_pfm(path)
    if path.suffix.lower() == ".exr":
        from stereo_portrait.sources.float_image import read_exr

        values = read_exr(path, settings)
        return values[..., 0] if values.ndim == 3 else values
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: not a NumPy array file ({error})") from error
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.number):
        raise InputError(f"{path}: expected an array of numbers")
    return values.astype(np.float32)


def read_relative(path: Path, settings: ImageSettings, near_is_large: bool = True) -> NDArray[np.float32]:
    """(H, W) relative inverse depth from an 8- or 16-bit picture, PFM, NPY or EXR; NaN unknown.

    Raises:
        InputError: unreadable, or not one channel.
    """
    if path.suffix.lower() in FLOAT_SUFFIXES:
        values = _values(path, 1.0, settings, coarse=True)
        values = np.where(np.isfinite(values), values, np.nan).astype(np.float32)
    else:
        try:
            values = read_grey(path.read_bytes(), str(path), settings)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
    return values if near_is_large else -values
