"""Closed-form matting: alpha of undecided pixels from the colours around them.

Source: Levin et al., "A Closed-Form Solution to Natural Image Matting", PAMI 2008.
"""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image

REGULARISATION = 1e-7  # of the colour covariance: Levin's epsilon, colours in [0, 1]
PULL = 1e-5  # towards the first guess: decides what colours leave open, and keeps the system regular
WINDOW = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def solved_alpha(known: NDArray[np.float32], guess: NDArray[np.float32], photo: Image) -> NDArray[np.float32]:
    """(H, W) alpha: `known` where it is 0 or 1, solved for where it is 0.5; `guess` speaks where colours do not.

    Factorised, not iterated: a narrow band of 40,000 pixels takes less time than fifty steps, and leaves no rest. The
    memory grows faster than the number of undecided pixels: keep it below 60,000.
    """
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import splu

    unsure = (known == 0.5).ravel()
    rows = matting_rows(photo, unsure)
    system = csc_array(rows[:, unsure] + PULL * eye_array(int(unsure.sum())))
    right = PULL * guess.ravel()[unsure].astype(np.float64)
    right -= rows[:, ~unsure] @ known.ravel()[~unsure].astype(np.float64)
    symmetric = {"SymmetricMode": True}
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=symmetric)
    alpha = known.ravel().copy()
    alpha[unsure] = np.clip(factors.solve(right), 0, 1)
    return alpha.reshape(known.shape)


def matting_rows(photo: Image, wanted: NDArray[np.bool_]) -> Any:
    """(N, H W) sparse rows of the matting Laplacian, one for each of the N wanted pixels (H W,).

    Between pixels i and j: delta_ij - (1 + (I_i - m) (C + e/9)^-1 (I_j - m)) / 9, summed over all windows of 3x3 that
    hold both; m and C are the window's mean colour and covariance.
    """
    from scipy.sparse import csr_array

    height, width = photo.shape[:2]
    size = height * width
    centres = _windows(wanted.reshape(height, width))
    steps = [dy * width + dx for dy, dx in WINDOW]
    colours = photo.reshape(size, 3).astype(np.float64) / 255
    off = np.stack([colours[centres + step] for step in steps])  # (9, windows, 3)
    off -= off.mean(axis=0)
    covariance = np.einsum("ani,anj->nij", off, off) / 9 + np.eye(3) * REGULARISATION / 9
    whitened = np.einsum("nij,anj->ani", _inverse(covariance), off)
    weights = {step: np.zeros(size) for step in {b - a for a, b in combinations(steps, 2)}}
    total = np.zeros(size)
    for a, b in combinations(range(9), 2):
        weight = (1 + np.einsum("ni,ni->n", off[a], whitened[b])) / 9
        weights[steps[b] - steps[a]][centres + steps[a]] += weight
        total[centres + steps[a]] += weight  # rows sum to zero
        total[centres + steps[b]] += weight
    at = np.flatnonzero(wanted)
    columns, values = [at], [total[at]]
    for step, weight in weights.items():
        columns += [at + step, at - step]
        values += [-np.where(at + step < size, weight[at], 0), -np.where(at >= step, weight[at - step], 0)]
    row = np.tile(np.arange(at.size), len(columns))
    column = np.clip(np.concatenate(columns), 0, size - 1)  # what lies outside has no weight
    return csr_array((np.concatenate(values), (row, column)), shape=(at.size, size))


def _windows(wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat positions of the windows' centres that hold a wanted pixel."""
    import cv2

    held = cv2.dilate(wanted.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    held[[0, -1], :] = held[:, [0, -1]] = False
    return np.flatnonzero(held)


def _inverse(m: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3, 3) inverses of symmetric matrices, by cofactors."""
    a, b, c = m[:, 0, 0], m[:, 0, 1], m[:, 0, 2]
    d, e, f = m[:, 1, 1], m[:, 1, 2], m[:, 2, 2]
    aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
    dd, de, ff = a * f - c * c, b * c - a * e, a * d - b * b
    out = np.stack([aa, ab, ac, ab, dd, de, ac, de, ff], axis=-1) / (a * aa + b * ab + c * ac)[:, None]
    return out.reshape(m.shape)
