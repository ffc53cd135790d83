"""Numbers in .npy and OpenEXR files, in and out: linear light, or depth."""

import struct
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings, too_large


def read_linear(path: Path, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W, 3) linear light from .npy or .exr.

    Raises:
        InputError: unreadable, another shape, or values that are negative or not finite.
    """
    values = read_exr(path, settings) if path.suffix.lower() == ".exr" else read_array(path, settings)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.size == 0:
        raise InputError(f"{path}: expected (H, W, 3) linear light, found shape {values.shape}")
    values = np.ascontiguousarray(values[..., :3], np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: holds NaN or infinity; linear light must be finite")
    return np.maximum(values, 0)


def read_array(path: Path, settings: ImageSettings = DEFAULT) -> NDArray[Any]:
    """The real numbers of a .npy file, in the file's own type.

    Raises:
        InputError: unreadable, other things than numbers, or over the pixel limit, which is checked before reading.
    """
    try:
        values = np.load(path, allow_pickle=False) if _fits(path, settings) else None
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, OverflowError) as error:
        raise InputError(f"{path}: not a NumPy array file ({error})") from error
    except (TypeError, KeyError, RecursionError, struct.error, tokenize.TokenError) as error:
        raise InputError(f"{path}: not a NumPy array file, its header is damaged") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected an array of floats or whole numbers")
    return values


def read_exr_depth(path: Path, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W) of the channel that is named for depth (Z, depth, V, in any layer), else of Y or the first channel.

    Raises:
        InputError: as `read_exr`.
    """
    channels = _channels(path, settings)
    last = {name: name.rsplit(".", 1)[-1].lower() for name in channels}
    named = [n for n in channels if last[n] in ("z", "depth", "disparity")]
    named += [n for n in channels if "depth" in n.lower() or "disparity" in n.lower()]
    named += [n for n in channels if last[n] in ("y", "v")]
    plain = [n for n in channels if last[n] != "a"] or list(channels)
    values = channels[(named or plain)[0]]
    return np.ascontiguousarray(values[..., 0] if values.ndim == 3 else values, np.float32)


def read_exr(path: Path, settings: ImageSettings = DEFAULT) -> NDArray[np.float32]:
    """(H, W) or (H, W, 3) float32 of an OpenEXR file's RGB, Y or first channels.

    Raises:
        InputError: unreadable, or over the pixel limit.
    """
    channels = _channels(path, settings)
    for name in ("RGB", "RGBA"):
        if name in channels:
            return np.ascontiguousarray(channels[name][..., :3], np.float32)
    if all(c in channels for c in "RGB"):
        return np.stack([channels[c] for c in "RGB"], axis=-1).astype(np.float32)
    return np.ascontiguousarray(channels.get("Y", next(iter(channels.values()))), np.float32)


def _channels(path: Path, settings: ImageSettings) -> dict[str, NDArray[Any]]:
    """Every channel of an OpenEXR file by name; colours may come as one of three or four planes."""
    try:
        import OpenEXR
    except ImportError as error:
        raise InputError("EXR files need the package OpenEXR; install it with pip") from error
    if not path.is_file():
        raise InputError(f"cannot read {path}: no such file")
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            (left, top), (right, bottom) = file.header()["dataWindow"]
        size = (int(right) - int(left) + 1, int(bottom) - int(top) + 1)
        if size[0] * size[1] > settings.max_megapixels * 1e6:
            raise too_large(str(path), size, settings)
        with OpenEXR.File(str(path)) as file:
            channels = {name: np.array(channel.pixels) for name, channel in file.channels().items()}
    except InputError:
        raise
    except Exception as error:  # the binding raises bare RuntimeError and worse
        raise InputError(f"{path}: not an OpenEXR file that can be read ({error})") from error
    if not channels:
        raise InputError(f"{path}: no picture in this EXR file")
    return channels


def _fits(path: Path, settings: ImageSettings) -> bool:
    """False for a file that is no single array.

    Raises:
        InputError: an array over the pixel limit.
    """
    claimed = np.load(path, allow_pickle=False, mmap_mode="r")  # nothing is read yet
    if not isinstance(claimed, np.ndarray):
        claimed.close()  # an archive of several
        return False
    height, width = (*claimed.shape, 1, 1)[:2]
    if height * width > settings.max_megapixels * 1e6:
        raise too_large(str(path), (width, height), settings)
    return True


def write_linear(path: Path, linear: NDArray[np.float32]) -> None:
    """(H, W, 3) float32 as .npy or .exr; the caller stages the path."""
    if path.suffix.lower() == ".npy":
        np.save(path, linear)
        return
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"RGB": np.ascontiguousarray(linear, np.float32)}) as file:
        file.write(str(path))
