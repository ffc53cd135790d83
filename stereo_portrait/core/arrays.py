"""The gate that every array passes on its way into a core type."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Shape = tuple[int | str | None, ...]


def checked(
    array: Any,
    name: str,
    shape: Shape,
    dtype: DTypeLike,
    sizes: dict[str, int] | None = None,
) -> NDArray[Any]:
    """Return a read-only view of `array` after checking its shape and dtype.

    `shape` mixes fixed sizes, None for any size, and letters such as "H" that must agree with each other; pass one
    `sizes` dictionary to several calls to make the letters agree across arrays.

    Raises:
        TypeError: not an array, or another dtype. There is no silent conversion.
        ValueError: another shape.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a numpy array, found {type(array).__name__}")
    if array.dtype != np.dtype(dtype):
        raise TypeError(f"{name} must have dtype {np.dtype(dtype)}, found {array.dtype}")
    sizes = {} if sizes is None else sizes
    fits = array.ndim == len(shape)
    for found, wanted in zip(array.shape, shape, strict=False):
        expected = sizes.setdefault(wanted, found) if isinstance(wanted, str) else wanted
        fits = fits and (expected is None or found == expected)
    if not fits:
        wanted_text = ", ".join(str(sizes.get(s, s) if isinstance(s, str) else s) for s in shape)
        raise ValueError(f"{name} must have shape ({wanted_text}), found {array.shape}")
    view = array.view()
    view.flags.writeable = False
    return view
