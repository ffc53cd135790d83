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
from stereo_portrait.rendering.bands import in_bands
from stereo_portrait.rendering.filling import fill
from stereo_portrait.rendering.lamps import add_lamps, collected, take_lamps
from stereo_portrait.rendering.layering import LEAST_JUMP_PX, Cuts, choose_cuts, window_range

if TYPE_CHECKING:
    from stereo_portrait.rendering.bokeh import BokehSettings

Map = NDArray[np.float32]
SHARP_BELOW_PX = 0.5
FILL_LIMIT = 1.0  # linear light


@dataclass(frozen=True, slots=True)
class Care:
    """What quality costs."""

    layers: int
    soft_edges: bool
    spacing_px: int  # between computed pixels, where blur is wider than twice that
    least_radius_px: float  # of a disc on the pyramid level where it is summed


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
    calm, taken = take_lamps(linear, radius) if settings.highlights else (linear, None)
    care = Care(settings.layers, settings.soft_edges, 1, 3.0)
    if settings.quality == "preview":
        care = Care(min(settings.layers, 3), False, 4, 2.0)
    radius, cuts, mixed = divide(calm, radius, care, settings.snap_edges)
    index = cuts.index(radius)
    flags = np.zeros(radius.shape, np.uint8)
    if len(mixed.places):
        flags.ravel()[mixed.places] = mixed.far_index + 1
    light, covered = np.zeros_like(linear), np.zeros_like(radius)
    hides = _hiding_layers(index, flags, radius, max(shape.high, shape.wide))
    covers: list[NDArray[np.uint8]] | None = [] if taken is not None and len(taken.places) else None
    depths: list[Map] = []
    for own in range(cuts.count):
        _lay(light, covered, calm, radius, index, flags, mixed, cuts, own, shape, hides, covers, depths, care)
    in_bands(kernels.even_out, len(light), light.size, light, covered)
    if covers is not None and taken is not None:
        lamps = collected(taken, cuts.index(taken.radius_px), *radius.shape)
        add_lamps(light, lamps, covers, depths, shape)
    return light


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


def divide(linear: Map, radius: Map, care: Care, snap_edges: bool) -> tuple[Map, Cuts, Mixed]:
    """The radius with crisp edges, where to cut it into layers, and the pixels that two layers share."""
    if snap_edges:
        near, far = window_range(radius, 5)
        high, low = window_range(radius, 1)
        step = high - low
        steepest = cv2.dilate(step, np.ones((7, 7), np.uint8))
        settled = np.empty_like(radius)
        in_bands(edges.settle, len(radius), radius.size, radius, near, far, step, steepest, settled)
        radius = settled
    high, low = window_range(radius, 1)
    steep = high - low > LEAST_JUMP_PX
    cuts = choose_cuts(high[steep], low[steep], care.layers)
    nothing = Mixed(np.zeros(0, np.int64), np.zeros((0, 9), np.float32), np.zeros(0, np.uint8), np.zeros(0, np.uint8))
    if not care.soft_edges or cuts.count == 1:
        return radius, cuts, nothing
    side = 2 * edges.REACH_PX + 1
    band = cv2.dilate(steep.astype(np.uint8), np.ones((side - 2, side - 2), np.uint8))
    places = np.flatnonzero(band)
    values = np.zeros((len(places), 9), np.float32)
    alike = np.full(radius.shape, 9, np.uint8)
    jump = np.float32(LEAST_JUMP_PX)
    in_bands(edges.company, len(places), 9 * len(places), radius, places, jump, alike)
    in_bands(
        edges.cover, len(places), 85 * len(places), linear, radius, alike, places, cuts.at, jump, edges.PRIORS, values
    )
    near_index, far_index = cuts.index(values[:, 1]), cuts.index(values[:, 2])
    alpha = values[:, 0]
    real = (alpha >= 0) & (near_index != far_index)
    own = radius.ravel()[places]
    in_front = own > (values[:, 1] + values[:, 2]) / 2
    real &= ~(in_front & (np.abs(own) < SHARP_BELOW_PX))  # what is in focus stays bit for bit
    moved = real & (in_front != (alpha > 0.5))
    radius = radius.copy()
    radius.ravel()[places[moved]] = np.where(alpha[moved] > 0.5, values[moved, 1], values[moved, 2])
    mixed = real & (alpha > 0) & (alpha < 1)
    return radius, cuts, Mixed(places[mixed], values[mixed], near_index[mixed], far_index[mixed])


def _lay(
    light: Map,
    covered: Map,
    linear: Map,
    radius: Map,
    index: NDArray[np.uint8],
    flags: NDArray[np.uint8],
    mixed: Mixed,
    cuts: Cuts,
    own: int,
    shape: ApertureShape,
    hides: NDArray[np.uint8],
    covers: list[NDArray[np.uint8]] | None,
    depths: list[Map],
    care: "Care",
) -> None:
    """Render one layer over `light`; its coverage and blur are added to `covers` and `depths`."""
    height, width = radius.shape
    if covers is not None:
        covers.append(np.zeros((height, width), np.uint8))
        depths.append(np.zeros((-(-height // kernels.DEPTH_STEP), -(-width // kernels.DEPTH_STEP)), np.float32))
    box = _box(index, radius, own, max(shape.high, shape.wide))
    if box is None:
        return
    top, bottom, left, right = box
    size, area = (bottom - top, right - left), (bottom - top) * (right - left)
    sheet, weight = np.empty((*size, 4), np.float32), np.empty(size, np.float32)
    depth, depth_known = np.empty(size, np.float32), np.empty(size, np.uint8)
    overlap_to = cuts.at[own] + cuts.overlap[own] if own < cuts.count - 1 else np.float32(np.inf)
    place = (own, left, top)
    in_bands(
        edges.sheet_of,
        size[0],
        area,
        linear,
        index,
        radius,
        flags,
        own,
        np.float32(overlap_to),
        left,
        top,
        sheet,
        weight,
        depth,
        depth_known,
    )
    edges.mix_in(
        mixed.places, mixed.values, mixed.near_index, mixed.far_index, *place, width, sheet, weight, depth, depth_known
    )
    _fill_depth(depth, depth_known)
    if own == 0:
        weight *= sheet[..., 3]  # the farthest layer goes on behind everything
    fill(sheet, weight, FILL_LIMIT)
    if own == 0:
        sheet[..., 3] = 1
    if covers is not None:
        covers[-1][top:bottom, left:right] = np.rint(sheet[..., 3] * 255)
        step = kernels.DEPTH_STEP
        depths[-1][:] = cv2.copyMakeBorder(depth, top, height - bottom, left, width - right, cv2.BORDER_REPLICATE)[
            ::step, ::step
        ]
    levels = _row_sum_levels(sheet, float(np.abs(depth).max()) / care.least_radius_px)
    tiles = -(-size[0] // kernels.TILE_PX) * -(-size[1] // kernels.TILE_PX)
    in_bands(
        kernels.gather_over,
        tiles,
        area,
        light,
        covered,
        linear,
        index,
        flags,
        *place,
        depth,
        _cells(sheet[..., 3]),
        hides,
        sheet,
        (*levels, *[levels[-1]] * (kernels.MOST_LEVELS - len(levels))),
        len(levels),
        shape.reach,
        np.float32(shape.high),
        shape.scales,
        shape.weights,
        np.float32(shape.cats_eye),
        care.spacing_px,
        np.float32(care.least_radius_px),
    )


def _hiding_layers(index: NDArray[np.uint8], flags: NDArray[np.uint8], radius: Map, spread: float) -> NDArray[np.uint8]:
    """For every tile the farthest layer within its reach: layers go on beneath each other, so it hides all behind."""
    tile = kernels.TILE_PX
    rows, columns = -(-index.shape[0] // tile), -(-index.shape[1] // tile)
    least, widest = np.empty((rows, columns), np.uint8), np.empty((rows, columns), np.float32)
    in_bands(kernels.tile_layers, rows, index.size, index, flags, radius, least, widest)
    around = 2 * (int(widest.max() * spread) // tile + 1) + 1
    reach = cv2.dilate(widest, np.ones((around, around), np.uint8)) * np.float32(spread) + np.float32(3)
    hides = np.empty((rows, columns), np.uint8)
    kernels.hiding(0, rows, least, reach, hides)
    return hides


def _box(index: NDArray[np.uint8], radius: Map, own: int, spread: float) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) of all that a layer's blur can touch, from whole tiles; None for an empty layer."""
    height, width = radius.shape
    if own == 0:
        return 0, height, 0, width
    inside = index == own
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return None
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    space = int(np.abs(radius[part][inside[part]]).max() * spread) + 8
    return (
        max(0, int(rows[0]) - space) // kernels.TILE_PX * kernels.TILE_PX,
        min(height, int(rows[-1]) + space + 1),
        max(0, int(columns[0]) - space) // kernels.TILE_PX * kernels.TILE_PX,
        min(width, int(columns[-1]) + space + 1),
    )


def _row_sum_levels(sheet: Map, widest: float) -> list[Map]:
    """Row sums of the sheet and of its halvings, as many as the widest blur needs (in the smallest disc's radii)."""
    levels: list[Map] = []
    current = sheet
    while True:
        sums = np.empty((current.shape[0], current.shape[1] + 1, 4), np.float32)
        in_bands(kernels.row_sums, current.shape[0], current.size, current, sums)
        levels.append(sums)
        enough = widest < 2 ** len(levels)
        if enough or len(levels) == kernels.MOST_LEVELS or min(current.shape[:2]) <= 2:
            return levels
        coarse = np.empty(((current.shape[0] + 1) // 2, (current.shape[1] + 1) // 2, 4), np.float32)
        in_bands(kernels.halve, coarse.shape[0], current.size, current, coarse)
        current = coarse


def _fill_depth(depth: Map, known: NDArray[np.uint8]) -> None:
    """Carry a layer's blur radius smoothly beyond the layer."""
    if known.all():
        return
    rows, columns = -(-depth.shape[0] // kernels.BLOCK_PX), -(-depth.shape[1] // kernels.BLOCK_PX)
    blocks, block_known = np.empty((rows, columns, 1), np.float32), np.empty((rows, columns), np.float32)
    in_bands(kernels.depth_blocks, rows, depth.size, depth, known, blocks, block_known)
    fill(blocks, block_known)
    in_bands(kernels.spread_depth, depth.shape[0], depth.size, blocks, known, depth)


def _cells(alpha: Map) -> NDArray[np.bool_]:
    """(ceil(h / CELL), ceil(w / CELL)) True where a cell has any coverage."""
    cell = kernels.CELL_PX
    rows, columns = -(-alpha.shape[0] // cell), -(-alpha.shape[1] // cell)
    padded = np.zeros((rows * cell, columns * cell), bool)
    padded[: alpha.shape[0], : alpha.shape[1]] = alpha > 1e-3
    return np.ascontiguousarray(padded.reshape(rows, cell, columns, cell).any(axis=(1, 3)))
