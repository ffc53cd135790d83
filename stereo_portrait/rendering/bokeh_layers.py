"""The steps of the lens blur, far to near: start a layer, fill what is hidden, build its pyramid, gather it over."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering import bokeh_kernels as kernels
from stereo_portrait.rendering import edge_kernels as edges
from stereo_portrait.rendering.aperture_shape import ApertureShape, shape_of
from stereo_portrait.rendering.lamps import add_lamps, collected, take_lamps
from stereo_portrait.rendering.layering import LEAST_JUMP_PX, Cuts, choose_cuts, window_range

if TYPE_CHECKING:
    from stereo_portrait.rendering.bokeh import BokehSettings

Map = NDArray[np.float32]
SHARP_BELOW_PX = 0.5


@dataclass(slots=True, eq=False)
class Mixed:
    """Pixels in which two layers meet."""

    places: NDArray[np.int64]  # (N,) flat indices
    values: Map  # (N, 9): see edge_kernels.cover
    near_index: NDArray[np.uint8]
    far_index: NDArray[np.uint8]


def render_layers(linear: Map, radius_px: Map, aperture: Aperture, settings: "BokehSettings") -> Map:
    """(H, W, 3) linear light as the lens would have drawn it."""
    radius = known_everywhere(radius_px)
    if float(np.abs(radius).max(initial=0)) < SHARP_BELOW_PX:
        return linear.copy()
    shape = shape_of(aperture)
    calm, places = take_lamps(linear, radius) if settings.highlights else (linear, np.zeros(0, np.int64))
    lamp_radius = radius.ravel()[places]
    radius, cuts, mixed = divide(calm, radius, settings)
    index = cuts.index(radius)
    flags = np.zeros(radius.shape, np.uint8)
    if len(mixed.places):
        flags.ravel()[mixed.places] = 1
    light = np.zeros_like(linear)
    covers: list[NDArray[np.uint8]] = []
    depths: list[Map] = []
    for own in range(cuts.count):
        _lay(light, calm, radius, index, flags, mixed, cuts, own, shape, settings, covers, depths)
    if len(places):
        add_lamps(light, collected(linear, calm, places, lamp_radius, cuts.index(lamp_radius)), covers, depths, shape)
    return light


def known_everywhere(radius_px: Map) -> Map:
    """The radius with holes filled from the farther of the nearest known neighbours left and right, then up and down."""
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


def divide(linear: Map, radius: Map, settings: "BokehSettings") -> tuple[Map, Cuts, Mixed]:
    """The radius with crisp edges, where to cut it into layers, and the pixels that two layers share."""
    if settings.snap_edges:
        near, far = window_range(radius, 5)
        high, low = window_range(radius, 1)
        settled = np.empty_like(radius)
        edges.settle(radius, near, far, low, high, settled)
        radius = settled
    high, low = window_range(radius, 1)
    steep = high - low > LEAST_JUMP_PX
    cuts = choose_cuts(high[steep], low[steep], settings.layers)
    nothing = Mixed(np.zeros(0, np.int64), np.zeros((0, 9), np.float32), np.zeros(0, np.uint8), np.zeros(0, np.uint8))
    if not settings.soft_edges or cuts.count == 1:
        return radius, cuts, nothing
    side = 2 * edges.REACH_PX + 1
    band = cv2.dilate(steep.astype(np.uint8), np.ones((side - 2, side - 2), np.uint8))
    places = np.flatnonzero(band)
    values = np.empty((len(places), 9), np.float32)
    alike = np.full(radius.shape, 9, np.uint8)
    edges.company(radius, places, np.float32(LEAST_JUMP_PX), alike)
    edges.cover(linear, radius, alike, places, np.float32(LEAST_JUMP_PX), edges.PRIORS, values)
    near_index, far_index = cuts.index(values[:, 1]), cuts.index(values[:, 2])
    alpha = values[:, 0]
    real = (alpha >= 0) & (near_index != far_index)
    radius = radius.copy()
    radius.ravel()[places[real]] = np.where(alpha[real] > 0.5, values[real, 1], values[real, 2])
    mixed = real & (alpha > 0) & (alpha < 1)
    return radius, cuts, Mixed(places[mixed], values[mixed], near_index[mixed], far_index[mixed])


def _lay(
    light: Map,
    linear: Map,
    radius: Map,
    index: NDArray[np.uint8],
    flags: NDArray[np.uint8],
    mixed: Mixed,
    cuts: Cuts,
    own: int,
    shape: ApertureShape,
    settings: "BokehSettings",
    covers: list[NDArray[np.uint8]],
    depths: list[Map],
) -> None:
    """Render one layer over `light`; its coverage and blur are added to `covers` and `depths`."""
    height, width = radius.shape
    top, bottom, left, right = 0, height, 0, width
    size = (bottom - top, right - left)
    sheet, weight = np.empty((*size, 4), np.float32), np.empty(size, np.float32)
    depth, depth_weight = np.zeros((*size, 1), np.float32), np.empty(size, np.float32)
    overlap_to = cuts.at[own] + cuts.overlap[own] if own < cuts.count - 1 else np.float32(np.inf)
    edges.sheet_of(linear, index, radius, flags, own, overlap_to, left, top, sheet, weight, depth, depth_weight)
    edges.mix_in(
        mixed.places,
        mixed.values,
        mixed.near_index,
        mixed.far_index,
        own,
        left,
        top,
        width,
        sheet,
        weight,
        depth,
        depth_weight,
    )
    if not (sheet[..., 3] > 0).any():
        covers.append(np.zeros(size, np.uint8))
        depths.append(np.zeros((-(-height // kernels.DEPTH_STEP), -(-width // kernels.DEPTH_STEP)), np.float32))
        return
    fill(depth, depth_weight)
    if own == 0:
        weight *= sheet[..., 3]
        # what is not seen of the farthest layer goes on behind everything
    fill(sheet, weight)
    if own == 0:
        sheet[..., 3] = 1
    covers.append(np.rint(sheet[..., 3] * 255).astype(np.uint8))
    depths.append(np.ascontiguousarray(depth[:: kernels.DEPTH_STEP, :: kernels.DEPTH_STEP, 0]))
    blurred = np.abs(depth[..., 0])
    levels = [np.empty((size[0], size[1] + 1, 4), np.float32)]
    kernels.row_sums(sheet, levels[0])
    current = sheet
    widest = float(blurred.max())
    while widest >= 2 * kernels.LEAST_LEVEL_RADIUS * 2 ** (len(levels) - 1) and min(current.shape[:2]) > 1:
        coarse = np.empty(((current.shape[0] + 1) // 2, (current.shape[1] + 1) // 2, 4), np.float32)
        kernels.halve(current, coarse)
        levels.append(np.empty((coarse.shape[0], coarse.shape[1] + 1, 4), np.float32))
        kernels.row_sums(coarse, levels[-1])
        current = coarse
    busy = _cells(sheet[..., 3])
    kernels.gather_over(
        light,
        linear,
        index,
        flags,
        own,
        left,
        top,
        np.ascontiguousarray(depth[..., 0]),
        busy,
        sheet,
        tuple(levels) if False else kernels_list(levels),
        shape.reach,
        np.float32(shape.high),
        shape.scales,
        shape.weights,
        np.float32(shape.cats_eye),
        1,
    )


def kernels_list(levels: list[Map]):  # type: ignore[no-untyped-def]
    from numba.typed import List

    typed = List()
    for level in levels:
        typed.append(level)
    return typed


def fill(values: Map, weight: Map) -> None:
    """Push-pull: what has no weight becomes a smooth continuation of what has [1].

    [1] Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.
    """
    if weight.all():
        return
    pyramid = [(values, weight)]
    while min(pyramid[-1][1].shape) > 1 and not pyramid[-1][1].all():
        fine, fine_weight = pyramid[-1]
        rows, columns = (fine.shape[0] + 1) // 2, (fine.shape[1] + 1) // 2
        coarse = np.empty((rows, columns, fine.shape[2]), np.float32)
        coarse_weight = np.empty((rows, columns), np.float32)
        kernels.pull(fine, fine_weight, coarse, coarse_weight)
        pyramid.append((coarse, coarse_weight))
    for (fine, fine_weight), (coarse, _) in zip(pyramid[-2::-1], pyramid[:0:-1], strict=True):
        kernels.push(coarse, fine, fine_weight)


def _cells(alpha: Map) -> NDArray[np.bool_]:
    """(ceil(h / CELL), ceil(w / CELL)) True where a cell has any coverage."""
    cell = kernels.CELL_PX
    rows, columns = -(-alpha.shape[0] // cell), -(-alpha.shape[1] // cell)
    padded = np.zeros((rows * cell, columns * cell), bool)
    padded[: alpha.shape[0], : alpha.shape[1]] = alpha > 1e-3
    return np.ascontiguousarray(padded.reshape(rows, cell, columns, cell).any(axis=(1, 3)))
