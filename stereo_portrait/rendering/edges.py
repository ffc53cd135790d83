"""Crisp depth edges, where to cut the radii into layers, and the pixels that two layers share."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.rendering import edge_kernels as kernels
from stereo_portrait.rendering.layering import LEAST_JUMP_PX, Cuts, choose_cuts, window_range

Map = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Mixed:
    """Pixels in which two layers meet."""

    places: NDArray[np.int64]  # (N,) flat indices
    values: Map  # (N, 9): see edge_kernels.cover
    near_index: NDArray[np.uint8]
    far_index: NDArray[np.uint8]


def known_everywhere(radius_px: Map) -> Map:
    """The radius with holes filled from the farther of the nearest known neighbours in the row, then in the column."""
    unknown = ~np.isfinite(radius_px)
    if not unknown.any():
        return radius_px
    radius = radius_px.copy()
    if unknown.all():
        return np.zeros_like(radius)
    for turned in (radius, radius.T):
        missing = ~np.isfinite(turned)
        if not missing.any():
            break
        columns = np.arange(turned.shape[1])
        before = np.maximum.accumulate(np.where(missing, -1, columns), axis=1)
        after = np.minimum.accumulate(np.where(missing, turned.shape[1], columns)[:, ::-1], axis=1)[:, ::-1]
        rows = np.arange(turned.shape[0])[:, None]
        left = np.where(before >= 0, turned[rows, np.maximum(before, 0)], np.inf)
        right = np.where(after < turned.shape[1], turned[rows, np.minimum(after, turned.shape[1] - 1)], np.inf)
        best = np.minimum(left, right)
        turned[missing] = np.where(np.isfinite(best), best, np.nan)[missing]
    return np.ascontiguousarray(radius)


def divide(linear: Map, radius: Map, most_layers: int, soft_edges: bool, snap_edges: bool) -> tuple[Map, Cuts, Mixed]:
    """The radius with crisp edges, where to cut it into layers, and the pixels that two layers share."""
    if snap_edges:
        (near, far), (high, low) = window_range(radius, 5), window_range(radius, 1)
        step = high - low
        steepest = cv2.dilate(step, np.ones((7, 7), np.uint8))
        settled = np.empty_like(radius)
        in_bands(kernels.settle, len(radius), radius.size, radius, near, far, step, steepest, settled)
        radius = settled
    high, low = window_range(radius, 1)
    steep = high - low > LEAST_JUMP_PX
    edge = np.flatnonzero(steep)
    cuts = choose_cuts(high.ravel()[edge], low.ravel()[edge], most_layers)
    if not soft_edges or cuts.count == 1:
        nothing = np.zeros(0, np.uint8)
        return radius, cuts, Mixed(np.zeros(0, np.int64), np.zeros((0, 9), np.float32), nothing, nothing)
    band = cv2.dilate(steep.astype(np.uint8), _square(kernels.REACH_PX - 1))
    around = cv2.dilate(band, _square(kernels.SAMPLE_PX))
    roots, trust = np.empty((*radius.shape, 4), np.float32), np.empty_like(radius)
    jump = np.float32(LEAST_JUMP_PX)
    in_bands(kernels.trusted_roots, len(radius), 4 * radius.size, linear, radius, around, jump, roots, trust)
    quads = np.flatnonzero(cv2.dilate(band, np.ones((2, 2), np.uint8), anchor=(0, 0))[::2, ::2])
    count = 4 * len(quads)
    values = np.empty((count, 9), np.float32)
    near_index, far_index, mixed = (np.empty(count, np.uint8) for _ in range(3))
    moved = radius.copy()
    in_bands(
        kernels.cover,
        len(quads),
        85 * count,
        linear,
        radius,
        high,
        low,
        roots,
        trust,
        quads,
        cuts.at,
        jump,
        kernels.PRIORS,
        values,
        near_index,
        far_index,
        mixed,
        moved,
    )
    shared = np.flatnonzero(mixed)
    quad = quads[shared // 4]
    across = (radius.shape[1] + 1) // 2
    places = (quad // across * 2 + shared % 4 // 2) * radius.shape[1] + quad % across * 2 + shared % 2
    return moved, cuts, Mixed(places, values[shared], near_index[shared], far_index[shared])


def _square(reach: int) -> NDArray[np.uint8]:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
