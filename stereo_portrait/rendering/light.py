"""sRGB <-> linear light.  Source: IEC 61966-2-1."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

FINE = 1 << 14


@cache
def _to_linear_table(levels: int) -> NDArray[np.float32]:
    value = np.linspace(0, 1, levels)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


@cache
def _to_srgb_table() -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, FINE + 1)
    return np.rint(255 * encoded(linear)).astype(np.uint8)


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
    slot = np.clip(linear * np.float32(FINE), 0, FINE)
    dark = linear < 0.02  # the table's steps are too coarse where sRGB is steep
    out = _to_srgb_table()[np.rint(slot).astype(np.int32)]
    if dark.any():
        out[dark] = np.rint(255 * encoded(linear[dark].astype(np.float64))).astype(np.uint8)
    return out
