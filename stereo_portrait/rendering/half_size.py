"""The quickest lens blur: at half the size, with the photo's own detail where nothing is blurred."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering.bokeh_layers import MOST_RADIUS_PX, render_layers
from stereo_portrait.rendering.edges import known_everywhere

if TYPE_CHECKING:
    from stereo_portrait.rendering.bokeh import BokehSettings

Map = NDArray[np.float32]
LEAST_PX = 96  # a shorter side is not halved
APART_PX = np.float32(0.5)  # of the radius: neighbours that differ by more lie on another surface
ALIKE_PX = np.float32(0.1)
SHARP_PX, SOFT_PX = 0.75, 2.0  # radius up to which all detail stays, and from which none is left


def render_at_half_size(linear: Map, radius_px: Map, aperture: Aperture, settings: "BokehSettings") -> Map:
    """(H, W, 3) linear light, close to what the lens would have drawn.

    The change that blur makes to the halved photo is enlarged and added to the photo; pixels that no blur reaches keep
    their bits.
    """
    height, width = radius_px.shape
    if min(height, width) < LEAST_PX:
        return render_layers(linear, radius_px, aperture, settings)
    radius = np.clip(known_everywhere(radius_px), -MOST_RADIUS_PX, MOST_RADIUS_PX)
    size = ((width + 1) // 2, (height + 1) // 2)
    half = cv2.resize(linear, size, interpolation=cv2.INTER_AREA)
    half_radius = cv2.resize(radius, size, interpolation=cv2.INTER_NEAREST) * np.float32(0.5)
    blurred = render_layers(half, half_radius, aperture, settings)
    out = np.empty_like(linear)
    limits = np.float32(SHARP_PX), np.float32(SOFT_PX)
    in_bands(_joined, height, out.size, linear, radius, half, half_radius, blurred, *limits, out)
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _joined(
    first: int,
    last: int,
    linear: Map,
    radius: Map,
    half: Map,
    half_radius: Map,
    blurred: Map,
    sharp: float,
    soft: float,
    out: Map,
) -> None:
    """Rows of detail * photo + (1 - detail) * enlarged half photo + enlarged change.

    Enlarging is bilinear, with less weight for neighbours on another surface; nothing leaves the range of what meets.
    """
    height, width = radius.shape
    rows, columns = half_radius.shape
    one, none, middle = np.float32(1), np.float32(0), np.float32(0.5)
    down, across = np.float32(rows) / np.float32(height), np.float32(columns) / np.float32(width)
    for y in range(first, last):
        at_y = min(max((np.float32(y) + middle) * down - middle, none), np.float32(rows - 1))
        y0 = np.int32(at_y)
        y1 = min(y0 + 1, rows - 1)
        fy = at_y - np.float32(y0)
        for x in range(width):
            at_x = min(max((np.float32(x) + middle) * across - middle, none), np.float32(columns - 1))
            x0 = np.int32(at_x)
            x1 = min(x0 + 1, columns - 1)
            fx = at_x - np.float32(x0)
            here = radius[y, x]
            detail = min(max((soft - abs(here)) / (soft - sharp), none), one)
            here *= middle
            a, b = (one - fy) * (one - fx), (one - fy) * fx
            c, d = fy * (one - fx), fy * fx
            u, v = half_radius[y0, x0] - here, half_radius[y0, x1] - here
            s, t = half_radius[y1, x0] - here, half_radius[y1, x1] - here
            if max(max(abs(u), abs(v)), max(abs(s), abs(t))) > APART_PX:
                a /= ALIKE_PX + u * u
                b /= ALIKE_PX + v * v
                c /= ALIKE_PX + s * s
                d /= ALIKE_PX + t * t
                total = one / (a + b + c + d)
                a, b, c, d = a * total, b * total, c * total, d * total
            for k in range(3):
                p, q, r, w = half[y0, x0, k], half[y0, x1, k], half[y1, x0, k], half[y1, x1, k]
                e, f, g, h = blurred[y0, x0, k], blurred[y0, x1, k], blurred[y1, x0, k], blurred[y1, x1, k]
                change = a * (e - p) + b * (f - q) + c * (g - r) + d * (h - w)
                value = linear[y, x, k]
                if detail < one:
                    value = detail * value + (one - detail) * (a * p + b * q + c * r + d * w)
                low, high = min(value, min(min(e, f), min(g, h))), max(value, max(max(e, f), max(g, h)))
                out[y, x, k] = min(max(value + change, low), high)
