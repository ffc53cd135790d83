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


def read_depth(path: Path, scale: float | None = None, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W) metres, NaN unknown: the file's numbers divided by `scale`, those of a metre; 0 and infinity are unknown.

    Without a scale, whole numbers (PNG or TIFF of 16 bits, NPY) are millimetres, floats (PFM, NPY, EXR) metres.

    Raises:
        InputError: unreadable, over the pixel limit, not a single channel, without any depth, or a scale that is not
            positive.
    """
    values = _values(path, scale, settings, coarse=False, whole_per_unit=1000.0)
    depth = np.where(np.isfinite(values) & (values > 0), values, np.nan).astype(np.float32)
    if np.isnan(depth).all():
        raise InputError(f"{path}: no pixel holds a depth")
    return depth


def read_disparity(path: Path, scale: float = 1.0, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W) disparity in pixels of its own grid, NaN unknown: the numbers of any depth file, or of a picture of 8
    bits, over `scale`. Zero, negative and infinite values are unknown.

    Raises:
        InputError: as `read_depth`.
    """
    values = _values(path, scale, settings, coarse=True)
    disparity_px = np.where(np.isfinite(values) & (values > 0), values, np.nan).astype(np.float32)
    if np.isnan(disparity_px).all():
        raise InputError(f"{path}: no pixel holds a disparity")
    return disparity_px


def _values(
    path: Path, scale: float | None, settings: ImageSettings, coarse: bool, whole_per_unit: float = 1.0
) -> NDArray[np.float32]:
    """(H, W) numbers of the file over `scale`, or whole ones over `whole_per_unit`; `coarse` lets 8 bits pass."""
    if scale is not None and not (np.isfinite(scale) and scale > 0):
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
    values = _float_map(path, settings) if suffix in FLOAT_SUFFIXES else _picture(path, settings, coarse)
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"{path}: a depth map has one channel and some pixels, found shape {values.shape}")
    per_unit = scale or (whole_per_unit if values.dtype.kind in "iu" else 1.0)
    return values.astype(np.float32) / np.float32(per_unit)


def _picture(path: Path, settings: ImageSettings, coarse: bool) -> NDArray[Any]:
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
    return np.asarray(raw)


def _float_map(path: Path, settings: ImageSettings) -> NDArray[Any]:
    from stereo_portrait.sources.float_image import read_array, read_exr_depth

    if path.suffix.lower() == ".pfm":
        values = read_pfm(path)
        if values.shape[0] * values.shape[1] > settings.max_megapixels * 1e6:
            raise too_large(str(path), (values.shape[1], values.shape[0]), settings)
        return values
    return read_exr_depth(path, settings) if path.suffix.lower() == ".exr" else read_array(path, settings)


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
