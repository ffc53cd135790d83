"""The steps of the lens blur, near to far: start a layer, fill what is hidden, build its pyramid, lay it under."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering import cell_kernels as cells
from stereo_portrait.rendering import disc_kernels as discs
from stereo_portrait.rendering import sheet_kernels as sheets
from stereo_portrait.rendering.aperture_shape import ApertureShape, shape_of
from stereo_portrait.rendering.cell_kernels import BLOCK_PX, CELL_PX
from stereo_portrait.rendering.edge_kernels import SHARP_BELOW_PX
from stereo_portrait.rendering.edges import Mixed, divide, known_everywhere
from stereo_portrait.rendering.filling import fill
from stereo_portrait.rendering.lamp_kernels import DEPTH_STEP
from stereo_portrait.rendering.lamps import GLARING, LAMP_ABOVE, add_lamps, collected, take_lamps
from stereo_portrait.rendering.layering import Cuts

if TYPE_CHECKING:
    from stereo_portrait.rendering.bokeh import BokehSettings

Map = NDArray[np.float32]
Cells = NDArray[np.uint8]
FILL_LIMIT = 1.0  # linear light
MOST_RADIUS_PX = np.float32(1e5)  # beyond any picture; places in it are counted in whole numbers
MOST_KEPT_PX = 1_000_000  # of a picture whose scratch arrays outlive it: some 45 MB


@dataclass(frozen=True, slots=True)
class Care:
    """What quality costs."""

    layers: int
    soft_edges: bool
    spacing_px: int  # between computed pixels, where blur is wider than twice that
    least_radius_px: float  # of a disc on the pyramid level where it is summed


@dataclass(slots=True, eq=False)
class Parts:
    """A photo and which layer each of its pixels belongs to."""

    linear: Map
    radius: Map
    index: NDArray[np.uint8]
    slot: NDArray[np.int32]  # (H, W) 1 + the pixel's place in `mixed`, or 0
    mixed: Mixed
    cuts: Cuts
    present: NDArray[np.int64]  # (cells) one bit for every layer


class Scratch:
    """Arrays that every layer uses anew, so that memory does not grow with the number of layers.

    They start as zeros, which take no memory until they are written, and are valid only in the layer's needed cells.
    """

    def __init__(self, height: int, width: int) -> None:
        self.sheets = [np.zeros((height, width, 4), np.float32)]
        while len(self.sheets) < 2 or (len(self.sheets) < discs.MOST_LEVELS and min(self.sheets[-1].shape[:2]) > 2):
            rows, columns = self.sheets[-1].shape[:2]
            self.sheets.append(np.zeros(((rows + 1) // 2, (columns + 1) // 2, 4), np.float32))
        sizes = [(s.shape[0], s.shape[1], _stride(s.shape[1] + 1)) for s in self.sheets]
        starts = np.cumsum([0] + [rows * stride for rows, _, stride in sizes])
        self.all_sums = np.zeros((int(starts[-1]), 4), np.float32)
        self.sums = [
            self.all_sums[start : start + rows * stride].reshape(rows, stride, 4)
            for start, (rows, _, stride) in zip(starts, sizes, strict=False)
        ]
        self.places = np.array([(start, *size) for start, size in zip(starts, sizes, strict=False)], np.int64)
        self.depth = np.zeros((height, width), np.float32)
        self.halved = False  # the first halving holds the filled sheet, which is not filled itself
        self.half_weight = np.zeros(((height + 1) // 2, (width + 1) // 2), np.float32)
        self.blocks = np.zeros((-(-height // BLOCK_PX), -(-width // BLOCK_PX), 1), np.float32)
        shape = -(-height // CELL_PX), -(-width // CELL_PX)
        self.widest = np.zeros(shape, np.float32)
        self.active, self.needed, self.holes = (np.zeros(shape, np.uint8) for _ in range(3))
        self.ranges = np.zeros((*shape, 2), np.float32)


def scratch_of(height: int, width: int) -> Scratch:
    """Scratch arrays of this size; those of the thread's last small picture are used again: every frame needs them."""
    kept: Scratch | None = getattr(_kept, "scratch", None)
    if type(kept) is Scratch and kept.depth.shape == (height, width):
        return kept
    made = Scratch(height, width)
    _kept.scratch = made if height * width <= MOST_KEPT_PX else None
    return made


_kept = threading.local()


def _stride(columns: int) -> int:
    """A row's length that does not put the rows of a disc into the same few lines of the cache."""
    return columns + 24 if (columns + 8) % 128 < 16 else columns


def render_layers(linear: Map, radius_px: Map, aperture: Aperture, settings: "BokehSettings") -> Map:
    """(H, W, 3) linear light as the lens would have drawn it."""
    radius = known_everywhere(radius_px)
    widest = float(np.abs(radius).max(initial=0))
    if widest < SHARP_BELOW_PX:
        return linear.copy()
    if widest > MOST_RADIUS_PX:
        radius = np.clip(radius, -MOST_RADIUS_PX, MOST_RADIUS_PX)
    shape = shape_of(aperture)
    calm, even, taken = take_lamps(linear, radius, LAMP_ABOVE if settings.highlights else GLARING)
    care = Care(settings.layers, settings.soft_edges, 1, 3.0)
    if settings.quality != "full":
        care = Care(min(settings.layers, 3), False, 4, 2.0)
    parts = _parts(even, *divide(even, radius, care.layers, care.soft_edges, settings.snap_edges))
    height, width = radius.shape
    light, through = np.zeros_like(linear), np.ones_like(radius)
    seen = np.ones(parts.present.shape, np.uint8)
    scratch = scratch_of(height, width)
    lit = len(taken.places) > 0
    count = parts.cuts.count if lit else 0
    covers = np.zeros((count, height, width), np.uint8)
    depths = np.zeros((count, -(-height // DEPTH_STEP), -(-width // DEPTH_STEP)), np.float32)
    for own in range(parts.cuts.count - 1, -1, -1):
        if not _start(parts, own, shape, seen, scratch):
            continue
        levels = _levels(scratch, care)
        _fill(own, scratch, lit or levels[0] == 0)
        if lit:
            in_bands(sheets.cover_of, len(seen), radius.size, scratch.sheets[0], scratch.needed, covers[own])
            depths[own] = scratch.blocks[:: DEPTH_STEP // BLOCK_PX, :: DEPTH_STEP // BLOCK_PX, 0]
        _sum_rows(scratch, *levels)
        _lay_under(light, through, calm, parts, own, shape, seen, scratch, levels, care)
    if lit:
        lamps = collected(taken, parts.cuts.index(taken.radius_px), height, width)
        add_lamps(light, lamps, covers, depths, shape)
    return light


def _parts(linear: Map, radius: Map, cuts: Cuts, mixed: Mixed) -> Parts:
    """Every pixel's layer."""
    height, width = radius.shape
    index, slot = cuts.index(radius), np.zeros(radius.shape, np.int32)
    slot.ravel()[mixed.places] = np.arange(1, len(mixed.places) + 1)
    present = np.zeros((-(-height // CELL_PX), -(-width // CELL_PX)), np.int64)
    goes_on = cuts.goes_on
    highest = np.maximum.accumulate(np.concatenate(([-np.inf], goes_on))).astype(np.float32)
    in_bands(
        cells.layers_here,
        len(present),
        radius.size,
        radius,
        index,
        slot,
        mixed.near_index,
        mixed.far_index,
        goes_on,
        highest,
        present,
    )
    return Parts(linear, radius, index, slot, mixed, cuts, present)


def _start(parts: Parts, own: int, shape: ApertureShape, seen: Cells, scratch: Scratch) -> bool:
    """Start one layer in the scratch arrays: light, coverage and blur radius; False if nothing of it is seen."""
    limit = parts.cuts.goes_on[own] if own < parts.cuts.count - 1 else np.float32(np.inf)
    mixed, size = parts.mixed, parts.radius.size
    blocks_known = np.empty(scratch.blocks.shape[:2], np.float32)
    layer = (parts.index, parts.slot, mixed.values, mixed.near_index, mixed.far_index, limit)
    in_bands(
        cells.depth_blocks,
        len(seen),
        size,
        own,
        parts.radius,
        *layer,
        parts.present,
        scratch.blocks,
        blocks_known,
        scratch.widest,
    )
    if not blocks_known.any():
        return False
    fill(scratch.blocks, blocks_known)
    spread = np.float32(max(shape.high, shape.wide))
    active, needed = scratch.active, scratch.needed
    if not cells.plan(own, parts.present, seen, scratch.blocks, scratch.widest, spread, active, needed):
        return False
    sheet = scratch.sheets[0]
    in_bands(
        sheets.start_sheet,
        len(seen),
        size,
        own,
        parts.linear,
        parts.radius,
        *layer,
        scratch.blocks,
        parts.present,
        needed,
        sheet,
        scratch.depth,
        scratch.ranges,
        scratch.holes,
    )
    return True


def _levels(scratch: Scratch, care: Care) -> tuple[int, int]:
    """The finest and the coarsest pyramid level that the layer's discs are summed on."""
    drawn = scratch.ranges[scratch.active > 0]
    least_radius, count = np.float32(care.least_radius_px), len(scratch.sheets)
    return (
        int(discs.level_of(drawn[:, 0].min(), least_radius, count)),
        int(discs.level_of(drawn[:, 1].max(), least_radius, count)),
    )


def _fill(own: int, scratch: Scratch, whole: bool) -> None:
    """Fill what is hidden of a layer; only in its first halving unless the `whole` resolution is asked for."""
    scratch.halved = bool(scratch.holes.any())
    if not scratch.halved:
        return
    sheet, half, weight, rows = scratch.sheets[0], scratch.sheets[1], scratch.half_weight, len(scratch.needed)
    in_bands(sheets.pull_sheet, rows, sheet.size, sheet, scratch.needed, np.float32(FILL_LIMIT), whole, half, weight)
    fill(half, weight, FILL_LIMIT)
    if whole:
        in_bands(sheets.push_sheet, rows, sheet.size, half, scratch.holes, own == 0, sheet)
        scratch.halved = False


def _sum_rows(scratch: Scratch, lowest: int, highest: int) -> None:
    """Row sums of the layer's sheet and its halvings, on the levels that are used."""
    needed, side = scratch.needed, CELL_PX
    for level in range(highest + 1):
        values, sums = scratch.sheets[level], scratch.sums[level]
        if level > 0:
            if side > 1:
                side //= 2
            else:
                needed = np.ones(values.shape[:2], np.uint8)
            if level > 1 or not scratch.halved:
                in_bands(sheets.halve, len(values), 4 * values.size, scratch.sheets[level - 1], needed, side, values)
        if level >= lowest:
            in_bands(sheets.row_sums, len(values), values.size, values, needed, side, sums)


def _lay_under(
    light: Map,
    through: Map,
    linear: Map,
    parts: Parts,
    own: int,
    shape: ApertureShape,
    seen: Cells,
    scratch: Scratch,
    levels: tuple[int, int],
    care: Care,
) -> None:
    """Blur the layer in the scratch arrays and add what of it is seen to `light`."""
    in_bands(
        discs.lay_under,
        len(seen),
        light.size,
        own,
        light,
        through,
        seen,
        linear,
        parts.radius,
        parts.index,
        parts.slot,
        scratch.sheets[0],
        scratch.depth,
        scratch.active,
        scratch.ranges,
        scratch.all_sums,
        scratch.places,
        *levels,
        (shape.reach, np.float32(shape.high), shape.scales, shape.weights),
        (shape.starts, shape.counts, shape.spans),
        np.float32(shape.cats_eye),
        care.spacing_px,
        np.float32(care.least_radius_px),
    )
