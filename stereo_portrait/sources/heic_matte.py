"""The subject that a phone cut out itself: Apple's portrait matte and semantic mattes inside HEIC files."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Matte
from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings

APPLE = "urn:com:apple:photo:"
WHOLE = "portraiteffectsmatte"
PARTS = ("semantichairmatte", "semanticskinmatte", "semanticteethmatte", "semanticglassesmatte")
SHAPE_TOLERANCE = 0.03


def read_heic_matte(path: Path, size_px: tuple[int, int], settings: ImageSettings = DEFAULT) -> Matte | None:
    """The matte on a grid of `size_px` (width, height), or None where the file has none.

    The portrait matte is the whole subject. Without one the semantic mattes (hair, skin, teeth, glasses) are joined:
    they are a part of the subject, which a network has to complete.

    Raises:
        InputError: damaged, of no size, over the pixel limit, or of another shape than the photo.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError("HEIC files need the package pillow-heif; install it with pip") from error
    try:
        file: Any = pillow_heif.open_heif(path)
        primary = file[file.primary_index]
        found = {name.rsplit(":", 1)[-1]: ids for name, ids in (primary.info.get("aux") or {}).items() if APPLE in name}
        names = [WHOLE] if WHOLE in found else [name for name in PARTS if name in found]
        mattes = [_pixels(primary.get_aux_image(found[name][0]), path, settings) for name in names]
    except (OSError, ValueError, RuntimeError, EOFError, SyntaxError, MemoryError, LookupError) as error:
        raise InputError(f"{path}: the matte inside it is damaged ({error}); copy the file again") from error
    if not mattes:
        return None
    width, height = size_px
    alpha = np.zeros((height, width), np.float32)
    for matte in mattes:
        h, w = matte.shape
        if abs(w / h - width / height) > SHAPE_TOLERANCE * width / height:
            raise InputError(f"{path}: its matte is {w}x{h}, the photo {width}x{height}: other shapes do not overlay")
        fitted = cv2.resize(matte, (width, height), interpolation=cv2.INTER_CUBIC if w < width else cv2.INTER_AREA)
        alpha = np.maximum(alpha, np.clip(fitted, 0, 1))
    return Matte(alpha, whole=names == [WHOLE])


def _pixels(picture: Any, path: Path, settings: ImageSettings) -> NDArray[np.float32]:
    """(h, w) in 0..1.

    Raises:
        InputError: no size, or over the pixel limit.
    """
    width, height = picture.size
    if min(width, height) < 1 or width * height > settings.max_megapixels * 1e6:
        raise InputError(f"{path}: its matte claims {width}x{height}")
    values = np.asarray(picture)
    if values.ndim == 3:
        values = values[..., 0]
    return values.astype(np.float32) / np.float32(255 if values.dtype == np.uint8 else 65535)
