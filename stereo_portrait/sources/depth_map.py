"""A depth file beside a photo -> DepthMap on the photo's own grid."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap, Flaw
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.pfm import read_pfm

MAX_BYTES = 2_000_000_000
SUFFIXES = (".png", ".tif", ".tiff", ".pfm", ".npy", ".exr")


def read_depth(path: Path, scale: float = 1000.0) -> NDArray[np.float32]:
    """(H, W) metres, NaN unknown: 16-bit PNG or TIFF divided by `scale` (0 unknown); PFM, NPY and EXR in metres.

    Raises:
        InputError: unreadable, not a single channel, without any depth, or a scale that is not positive.
    """
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
    values = _float_map(path) if suffix in (".pfm", ".npy", ".exr") else _scaled(path, scale)
    if values.ndim != 2:
        raise InputError(f"{path}: a depth map has one channel, found shape {values.shape}")
    depth = np.where(np.isfinite(values) & (values > 0), values, np.nan).astype(np.float32)
    if np.isnan(depth).all():
        raise InputError(f"{path}: no pixel holds a depth")
    return depth


def _scaled(path: Path, scale: float) -> NDArray[np.float32]:
    import cv2

    raw: Any = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None:
        raise InputError(f"{path} is not an image that can be read")
    if raw.dtype != np.uint16:
        raise InputError(f"{path}: expected 16-bit depth, found {raw.dtype}; 8 bits are too coarse for metric depth")
    return raw.astype(np.float32) / np.float32(scale)


def _float_map(path: Path) -> NDArray[np.float32]:
    if path.suffix.lower() == ".pfm":
        return read_pfm(path)
    if path.suffix.lower() == ".exr":
        from stereo_portrait.sources.float_image import read_exr

        values = read_exr(path)
        return values[..., 0] if values.ndim == 3 else values
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: not a NumPy array file ({error})") from error
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.number):
        raise InputError(f"{path}: expected an array of numbers")
    return values.astype(np.float32)


def on_photo_grid(depth_m: NDArray[np.float32], photo: NDArray[np.uint8]) -> DepthMap:
    """The sensor's depth on the photo's grid: each pixel copies its nearest depth pixel, none is mixed of two.

    Raises:
        InputError: shapes of depth and photo that differ by more than 2 %.
    """
    height, width = photo.shape[:2]
    h, w = depth_m.shape
    if abs(w / h - width / height) > 0.02 * width / height:
        raise InputError(f"the depth map is {w}x{h} and the photo {width}x{height}: different shapes do not overlay")
    rows = np.minimum(((np.arange(height) + 0.5) * h / height).astype(int), h - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * w / width).astype(int), w - 1)
    values = np.ascontiguousarray(depth_m[rows[:, None], columns[None, :]])
    known = ~np.isnan(values)
    flaws = np.where(known, 0, Flaw.NO_MATCH).astype(np.uint8)
    return DepthMap(values, np.where(known, np.float32(0.9), np.float32(0)), flaws, "sensor")
