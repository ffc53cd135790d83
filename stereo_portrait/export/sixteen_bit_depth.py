"""A depth map as whole steps of 16 bits, exactly or not at all."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap
from stereo_portrait.core.errors import OutputError

UNITS_M = (0.001, 0.0001, 0.0005, 0.00025, 0.000125, 0.0002)


def unit_of(depth: DepthMap, stated: float | None) -> float:
    """The unit in which the depth is whole numbers of 16 bits.

    Raises:
        OutputError: there is none.
    """
    for unit_m in (*((stated,) if stated else ()), *UNITS_M):
        if _as_whole(depth, unit_m) is not None:
            return float(round(unit_m, 9))
    raise OutputError("this depth is not in whole steps of 16 bits and cannot be recorded without loss; save it as PFM")


def sixteen_bits(depth: DepthMap, unit_m: float) -> NDArray[np.uint16]:
    """(H, W) steps of `unit_m`, 0 where unknown; dividing them gives the depth back exactly.

    Raises:
        OutputError: a value between two steps, or beyond 16 bits.
    """
    whole = _as_whole(depth, unit_m)
    if whole is None:
        raise OutputError(f"a frame's depth is not in whole steps of {unit_m:g} m and cannot be recorded without loss")
    return whole


def _as_whole(depth: DepthMap, unit_m: float) -> NDArray[np.uint16] | None:
    depth_m = depth.depth_m
    per_m = np.float32(round(1 / unit_m, 3))
    steps = np.rint(np.nan_to_num(depth_m, nan=0.0, posinf=-1.0) * per_m)
    if steps.min() < 0 or steps.max() > 65535:
        return None
    back = np.where(steps == 0, np.float32(np.nan), steps.astype(np.float32) / per_m)
    return steps.astype(np.uint16) if np.array_equal(back, depth_m, equal_nan=True) else None
