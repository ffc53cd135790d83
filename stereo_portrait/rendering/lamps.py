"""Lamps, the pixels much brighter than white, are taken out of the picture and drawn as exact discs."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.rendering.aperture_shape import ApertureShape
from stereo_portrait.rendering.bands import in_bands
from stereo_portrait.rendering.bokeh_kernels import BAND_PX, draw_lamps
from stereo_portrait.rendering.filling import fill

Map = NDArray[np.float32]
LAMP_ABOVE = 1.2  # linear light, 1.0 = white
LEAST_RADIUS_PX = 1.0  # sharper lamps stay in the picture
WORK_PER_PX = 8.0  # drawn disc pixels for each pixel of the picture before lamps are pooled
MOST_POOLED_PX = 4


@dataclass(slots=True, eq=False)
class Lamps:
    """Light taken out of a picture, pixel by pixel or pooled over small blocks."""

    at: Map  # (N, 2) x, y in pixels
    light: Map  # (N, 3) linear light above the surroundings, summed over the block
    radius_px: Map  # (N,) signed
    index: NDArray[np.uint8]  # (N,) layer


def take_lamps(linear: Map, radius: Map) -> tuple[Map, NDArray[np.int64]]:
    """The picture with lamps replaced by their surroundings, and where they were (flat indices)."""
    peak = np.maximum(np.maximum(linear[..., 0], linear[..., 1]), linear[..., 2])
    if float(peak.max()) <= LAMP_ABOVE:
        return linear, np.zeros(0, np.int64)
    core = (peak > LAMP_ABOVE) & (np.abs(radius) >= LEAST_RADIUS_PX)
    if not core.any():
        return linear, np.zeros(0, np.int64)
    ring = np.ones((3, 3), np.uint8)
    high = cv2.dilate(np.where(core, radius, np.float32(-1e6)), ring)
    low = cv2.erode(np.where(core, radius, np.float32(1e6)), ring)
    lamp = (radius <= high + 0.5) & (radius >= low - 0.5)
    calm = linear.copy()
    # surroundings must be of the lamp's own depth: other depths are hidden from the filling
    near_lamp = cv2.dilate(lamp.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    alien = near_lamp & ~lamp & (radius > cv2.dilate(high, np.ones((9, 9), np.uint8)) + 0.5)
    weight = (~(lamp | alien)).astype(np.float32)
    fill(calm, weight)
    calm[alien] = linear[alien]
    calm = np.minimum(calm, linear)
    return calm, np.flatnonzero(lamp)


def collected(
    linear: Map, calm: Map, places: NDArray[np.int64], own_radius: Map, own_index: NDArray[np.uint8]
) -> Lamps:
    """The lamps at `places`, pooled over 2 x 2 or 4 x 4 pixels where drawing each would take too long."""
    width = linear.shape[1]
    light = (linear - calm).reshape(-1, 3)[places]
    y, x = np.divmod(places, width)
    work = float(np.sum(np.pi * own_radius.astype(np.float64) ** 2))
    block = 1
    while work / block**2 > WORK_PER_PX * (linear.size // 3) and block < MOST_POOLED_PX:
        block *= 2
    if block == 1:
        return Lamps(np.stack((x, y), axis=1).astype(np.float32), light, own_radius, own_index)
    key = ((y // block) * width + x // block) * 256 + own_index
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    energy = light.sum(axis=1).astype(np.float64) + 1e-9
    total = np.bincount(group, energy)

    def mean(values: NDArray[np.floating]) -> Map:
        return (np.bincount(group, values * energy) / total).astype(np.float32)

    summed = np.stack([np.bincount(group, light[:, c]) for c in range(3)], axis=1).astype(np.float32)
    return Lamps(np.stack((mean(x), mean(y)), axis=1), summed, mean(own_radius), own_index[first])


def add_lamps(
    light: Map, lamps: Lamps, covers: list[NDArray[np.uint8]], depths: list[Map], shape: ApertureShape
) -> None:
    """Draw every lamp over `light`, hidden where nearer layers stand in its way.

    `covers`: (H, W) coverage in 1/255 of every layer; `depths`: its blur radius, every DEPTH_STEP pixels.
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
        np.stack(covers),
        np.stack(depths),
        shape.outline,
        shape.scales,
        shape.weights,
        np.float32(max(shape.high, shape.wide)),
        np.float32(shape.cats_eye),
    )
