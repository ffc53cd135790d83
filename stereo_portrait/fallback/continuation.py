"""The smooth continuation of a correction from where it is known into a region where it is not."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask

FloatMap = NDArray[np.float32]
SOLVE_LONG_PX = 640  # the correction is smooth: it is solved at this size and brought back


def continued(corrections: list[FloatMap], known: Mask, target: Mask, pull: float) -> list[FloatMap]:
    """(H, W) each: the smooth continuation of a correction from `known` into `target`; 0 elsewhere.

    Minimises |grad c|^2 + pull c^2 on the target with the known values given along its border.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    height, width = known.shape
    shrink = min(1.0, SOLVE_LONG_PX / max(height, width))
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    fixed = share > 0.5
    free = (cv2.resize(target.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0) & ~fixed
    unknowns = int(free.sum())
    if not unknowns or not fixed.any():
        return [np.zeros(known.shape, np.float32) for _ in corrections]
    values = []
    for correction in corrections:
        small = cv2.resize((correction * known).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        values.append(np.where(fixed, small / np.maximum(share, 1e-6), 0))
    number = np.full(free.shape, -1, np.int64)
    number[free] = np.arange(unknowns)
    y, x = np.nonzero(free)
    diagonal = np.full(unknowns, max(pull, 1e-9))
    right = np.zeros((unknowns, len(values)))
    rows, columns = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        ny, nx = y + dy, x + dx
        inside = (ny >= 0) & (ny < free.shape[0]) & (nx >= 0) & (nx < free.shape[1])
        ny, nx = np.clip(ny, 0, free.shape[0] - 1), np.clip(nx, 0, free.shape[1] - 1)
        other, border = inside & free[ny, nx], inside & fixed[ny, nx]
        diagonal += other | border
        for index, value in enumerate(values):
            right[:, index] += np.where(border, value[ny, nx], 0)
        rows.append(np.flatnonzero(other))
        columns.append(number[ny, nx][other])
    i, j = np.concatenate(rows), np.concatenate(columns)
    everyone = np.arange(unknowns)
    entries = (np.r_[-np.ones(len(i)), diagonal], (np.r_[i, everyone], np.r_[j, everyone]))
    solved = splu(coo_matrix(entries).tocsc()).solve(right)
    found = []
    for index, value in enumerate(values):
        smooth = value.astype(np.float32)
        smooth[free] = solved[:, index]
        full = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
        found.append(np.where(target, full, 0).astype(np.float32))
    return found
