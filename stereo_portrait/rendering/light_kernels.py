"""The compiled loop behind `light.srgb_from_linear`."""

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def encode_rows(
    first: int, last: int, linear: Any, table: Any, fine: int, dark_below: float, limits: Any, out: Any
) -> None:
    """Rows of (n, m) linear light -> uint8 sRGB: from the table, and where it is too coarse by the codes' own limits.

    `limits[k]` is the light from which on code k is the nearest one.
    """
    for y in range(first, last):
        for x in range(linear.shape[1]):
            value = linear[y, x]
            if not value > 0:
                out[y, x] = 0
                continue
            if value >= 1:
                out[y, x] = 255
                continue
            code = np.int32(table[np.int32(np.rint(value * np.float32(fine)))])
            if value < np.float32(dark_below):
                while code > 0 and value < limits[code]:
                    code -= 1
                while code < 255 and value >= limits[code + 1]:
                    code += 1
            out[y, x] = code
