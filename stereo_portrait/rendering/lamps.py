"""Lamps, the pixels much brighter than white, are taken out of the picture and drawn as exact discs."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.rendering.aperture_shape import ApertureShape
from stereo_portrait.rendering.edge_kernels import SHARP_BELOW_PX
from stereo_portrait.rendering.filling import fill
from stereo_portrait.rendering.lamp_kernels import BAND_PX, draw_lamps, rows_with_lamps

Map = NDArray[np.float32]
LAMP_ABOVE = 1.2  # linear light, 1.0 = white
SAME_DEPTH_PX = 0.5  # of blur radius
LEAST_RADIUS_PX = 1.0  # sharper lamps stay in the picture,
GLARING = 256.0  # unless they are so bright that sums over a row would lose what is beside them
MOST = 1e12  # linear light; what is brighter counts as this
WORK_PER_PX = 8.0  # drawn disc pixels for each pixel of the picture before lamps are pooled
MOST_POOLED_PX = 4


class Taken(NamedTuple):
    """Pixels of lamps."""

    places: NDArray[np.int64]  # (N,) flat indices
    light: Map  # (N, 3) linear light above the surroundings
    radius_px: Map  # (N,) signed


@dataclass(slots=True, eq=False)
class Lamps:
    """Light taken out of a picture, pixel by pixel or pooled over small blocks."""

    at: Map  # (N, 2) x, y in pixels
    light: Map  # (N, 3) linear light above the surroundings, summed over the block
    radius_px: Map  # (N,) signed
    index: NDArray[np.uint8]  # (N,) layer


def take_lamps(linear: Map, radius: Map, above: float = LAMP_ABOVE) -> tuple[Map, Map, Taken]:
    """The picture with lamps replaced by their surroundings, the same at most GLARING bright, and what was taken out.

    What is in focus stays in the first picture however bright it is. `above`: linear light that makes a lamp.
    """
    found = np.zeros(len(linear), np.uint8)
    limits = np.float32(above), np.float32(LEAST_RADIUS_PX), np.float32(GLARING)
    in_bands(rows_with_lamps, len(linear), linear.size, linear, radius, *limits, found)
    if not found.any():
        return linear, linear, Taken(np.zeros(0, np.int64), np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    peak = np.maximum(np.maximum(linear[..., 0], linear[..., 1]), linear[..., 2])
    size = np.abs(radius)
    core = ((peak > above) & (size >= LEAST_RADIUS_PX)) | ((peak > GLARING) & (size >= SHARP_BELOW_PX))
    high = cv2.dilate(np.where(core, radius, np.float32(-1e6)), _square(1))
    low = cv2.erode(np.where(core, radius, np.float32(1e6)), _square(1))
    lamp = (radius <= high + SAME_DEPTH_PX) & (radius >= low - SAME_DEPTH_PX) & (size >= SHARP_BELOW_PX)
    calm = linear.copy()
    # nearer things beside a lamp are not what surrounds it
    alien = ~lamp & (radius > cv2.dilate(high, _square(4)) + SAME_DEPTH_PX)
    alien &= cv2.dilate(lamp.astype(np.uint8), _square(4)) > 0
    fill(calm, (~(lamp | alien)).astype(np.float32), GLARING)
    calm[alien] = linear[alien]
    calm = np.minimum(calm, linear)
    places = np.flatnonzero(lamp)
    extra = np.minimum(linear - calm, np.float32(MOST))
    seen = Taken(places, extra.reshape(-1, 3)[places], radius.ravel()[places])
    hidden = _behind_thin_things(extra, radius, core)
    even = np.minimum(calm, np.float32(GLARING)) if found.max() > 1 else calm
    return (
        calm,
        even,
        Taken(
            np.concatenate((seen.places, hidden.places)),
            np.concatenate((seen.light, hidden.light)),
            np.concatenate((seen.radius_px, hidden.radius_px)),
        ),
    )


def _behind_thin_things(extra: Map, radius: Map, core: NDArray[np.bool_]) -> Taken:
    """The parts of lamps that a hair or a wire hides: where most of what is seen around at their depth is lamp."""
    lit = core.astype(np.float32)
    lamps = cv2.boxFilter(lit, -1, (5, 5), normalize=False)
    depth = cv2.boxFilter(lit * radius, -1, (5, 5), normalize=False) / np.maximum(lamps, 1)
    behind = (radius > depth + SAME_DEPTH_PX) & (lamps > 2.5)
    nearby = cv2.dilate(np.where(core, radius, np.float32(-1e6)), _square(4)) + SAME_DEPTH_PX
    seen = cv2.boxFilter((radius <= nearby).astype(np.float32), -1, (5, 5), normalize=False)
    places = np.flatnonzero(behind & (lamps > 0.5 * seen))
    light = cv2.boxFilter(extra * lit[..., None], -1, (5, 5), normalize=False).reshape(-1, 3)[places]
    return Taken(places, light / lamps.ravel()[places, None], depth.ravel()[places])


def _square(reach: int) -> NDArray[np.uint8]:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def collected(taken: Taken, index: NDArray[np.uint8], height: int, width: int) -> Lamps:
    """The lamps with their layers, pooled over 2 x 2 or 4 x 4 pixels where drawing each would take too long."""
    y, x = np.divmod(taken.places, width)
    work = float(np.sum(np.pi * taken.radius_px.astype(np.float64) ** 2))
    block = 1
    while work / block**2 > WORK_PER_PX * height * width and block < MOST_POOLED_PX:
        block *= 2
    if block == 1:
        return Lamps(np.stack((x, y), axis=1).astype(np.float32), taken.light, taken.radius_px, index)
    key = ((y // block) * width + x // block) * 256 + index
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    energy = taken.light.sum(axis=1).astype(np.float64) + 1e-9
    total = np.bincount(group, energy)

    def mean(values: NDArray[np.number]) -> Map:
        return (np.bincount(group, values * energy) / total).astype(np.float32)

    summed = np.stack([np.bincount(group, taken.light[:, c]) for c in range(3)], axis=1).astype(np.float32)
    return Lamps(np.stack((mean(x), mean(y)), axis=1), summed, mean(taken.radius_px), index[first])


def add_lamps(light: Map, lamps: Lamps, covers: NDArray[np.uint8], depths: Map, shape: ApertureShape) -> None:
    """Draw every lamp over `light`, hidden where nearer layers stand in its way.

    `covers`: (N, H, W) coverage of every layer in 1/255; `depths`: its blur radius, every DEPTH_STEP pixels.
    """
    order = np.argsort(lamps.at[:, 1], kind="stable")
    in_bands(
        draw_lamps,
        -(-len(light) // BAND_PX),
        int(np.sum(np.pi * lamps.radius_px.astype(np.float64) ** 2)),
        light,
        lamps.at[order],
        lamps.light[order],
        lamps.radius_px[order],
        lamps.index[order],
        covers,
        depths,
        shape.outline,
        shape.scales,
        shape.weights,
        np.float32(max(shape.high, shape.wide)),
        np.float32(shape.cats_eye),
    )
