"""sRGB <-> linear light.  Source: IEC 61966-2-1."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands

FINE = 1 << 14
DARK_BELOW = 0.02  # linear light; the table's steps are too coarse where sRGB is steep


@cache
def _to_linear_table(levels: int) -> NDArray[np.float32]:
    value = np.linspace(0, 1, levels)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


@cache
def _to_srgb_table() -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, FINE + 1)
    return np.rint(255 * encoded(linear)).astype(np.uint8)


@cache
def _code_limits() -> NDArray[np.float64]:
    """(256,) linear light from which on each 8-bit code is the nearest."""
    value = (np.arange(256) - 0.5) / 255
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0) + 0.055) / 1.055) ** 2.4)


def linear_from_srgb(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    """uint8 or uint16 sRGB -> float32 linear light, 1.0 = white; same shape."""
    table = _to_linear_table(256 if pixels.dtype == np.uint8 else 65536)
    return table[pixels]


def encoded(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear light in [0, 1] -> sRGB in [0, 1]."""
    value = np.clip(linear, 0, 1)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


def srgb_from_linear(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Linear light -> uint8 sRGB; above white is clipped. What came from uint8 goes back to the same uint8."""
    from stereo_portrait.rendering import light_kernels

    rows = np.ascontiguousarray(linear, np.float32).reshape(len(linear), -1)
    out = np.empty(rows.shape, np.uint8)
    in_bands(
        light_kernels.encode_rows, len(rows), rows.size, rows, _to_srgb_table(), FINE, DARK_BELOW, _code_limits(), out
    )
    return out.reshape(linear.shape)
