"""Depth inside Apple's HEIC files."""

from pathlib import Path
from typing import Any

import numpy as np

from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.gdepth import StoredDepth
from stereo_portrait.sources.image_file import ImageSettings

UNIFORM_INVERSE, UNIFORM_DISPARITY, UNIFORM_DEPTH, NONUNIFORM_DISPARITY = range(4)


def read_heic_depth(path: Path, settings: ImageSettings) -> StoredDepth | None:
    """The first depth image of a HEIC file, or None where it has none.

    The picture's [0, 1] spans d_min..d_max (disparity) or z_near..z_far, as the file's depth representation says
    (ISO/IEC 23008-2, depth representation information). It is relative: no HEIC field states its unit.

    Raises:
        InputError: damaged, or a depth image of no size.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError("HEIC files need the package pillow-heif; install it with pip") from error
    try:
        file: Any = pillow_heif.open_heif(path)
        primary = file[file.primary_index]
        images = primary.info.get("depth_images") or []
        if not images:
            return None
        size = images[0].size
        if min(size) < 1 or size[0] * size[1] > settings.max_megapixels * 1e6:
            raise InputError(f"{path}: its depth image claims {size[0]}x{size[1]}")
        values = np.asarray(images[0])
        meta = images[0].info.get("metadata") or {}
    except (OSError, ValueError, RuntimeError, EOFError, SyntaxError, MemoryError) as error:
        raise InputError(f"{path}: damaged HEIC ({error}); copy the file again") from error
    if values.ndim != 2:
        values = values[..., 0]
    top = 255.0 if values.dtype == np.uint8 else 65535.0
    share = values.astype(np.float32) / np.float32(top)
    kind = int(meta.get("representation_type", UNIFORM_DISPARITY))
    if kind == UNIFORM_DEPTH and "z_near" in meta and "z_far" in meta:
        depth = float(meta["z_near"]) + share * (float(meta["z_far"]) - float(meta["z_near"]))
        inverse = 1 / np.maximum(depth, 1e-6)
    elif kind == UNIFORM_INVERSE and "z_near" in meta and "z_far" in meta:
        near, far = (1 / max(float(meta[name]), 1e-6) for name in ("z_near", "z_far"))
        inverse = far + share * (near - far)
    else:
        low, high = float(meta.get("d_min", 0.0)), float(meta.get("d_max", 1.0))
        inverse = low + share * (high - low if high > low else 1.0)
    return StoredDepth(inverse.astype(np.float32), metric=False)
