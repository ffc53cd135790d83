"""Layered scenes with true alpha -> the picture that a thin lens takes of them: the truth that lens blur is held to."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

LAMP_ABOVE = 1.5  # linear light beyond this is integrated exactly instead of by samples
SAMPLES = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One plane of a scene, on the picture's grid; beyond the picture its rim goes on."""

    light: NDArray[np.float32]  # (H, W, 3) linear, up to 50 x white, not premultiplied
    alpha: NDArray[np.float32]  # (H, W) in [0, 1]
    disparity_px: tuple[float, float, float]  # at the picture's centre, and its slope along x and y (px per px)


@dataclass(frozen=True, slots=True, eq=False)
class LayeredScene:
    """Layers from far to near; the first is opaque."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.layers[0].alpha.shape
        return height, width

    def disparity(self, index: int) -> NDArray[np.float32]:
        """(H, W) disparity of one layer's plane."""
        height, width = self.size
        centre, along_x, along_y = self.layers[index].disparity_px
        y, x = np.mgrid[0:height, 0:width]
        plane = centre + along_x * (x - (width - 1) / 2) + along_y * (y - (height - 1) / 2)
        return plane.astype(np.float32)

    def pinhole(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, W, 3) linear light through a pinhole, and the (H, W) disparity of the nearest layer that covers half."""
        light = np.zeros((*self.size, 3), np.float32)
        disparity = self.disparity(0)
        for i, layer in enumerate(self.layers):
            alpha = layer.alpha[..., None]
            light = layer.light * alpha + light * (1 - alpha)
            disparity = np.where(layer.alpha > 0.5, self.disparity(i), disparity)
        return light.astype(np.float32), disparity


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the lens saw."""

    light: NDArray[np.float32]  # (H, W, 3) linear
    lamps: NDArray[np.float32]  # (H, W) share of it that came from lamps brighter than LAMP_ABOVE
    noise_floor_db: float  # PSNR in sRGB of one half of the samples against the other


def trace(
    scene: LayeredScene, focus_disparity_px: float, blur_per_px: float, samples: int = SAMPLES, seed: int = 1
) -> Truth:
    """Integrate a circular aperture in linear light.

    A ray through aperture point u (unit disc) and pixel p meets a plane of blur radius r(x) at x = p + u r(x), which
    for r = a + g.x is x = p + u r(p) / (1 - g.u); its light is read bilinearly, front to back. Two halves of the
    samples come from independent sets (an R2 sequence, shifted per pixel and per half), so that half against half
    measures the noise. Lamps above LAMP_ABOVE are splatted exactly: each of their pixels lights a disc, and the rays
    between it and every pixel of the disc are tested against all nearer layers.
    """
    height, width = scene.size
    count = len(scene.layers)
    stack = np.zeros((count, height, width, 4), np.float32)
    lamps = np.zeros((count, height, width, 3), np.float32)
    planes = np.zeros((count, 3), np.float32)
    for i, layer in enumerate(scene.layers):
        peak = layer.light.max(axis=2, keepdims=True)
        base = layer.light * np.minimum(1, 1.0 / np.maximum(peak, 1e-6))
        base = np.where(peak > LAMP_ABOVE, base, layer.light)
        lamps[i] = (layer.light - base) * layer.alpha[..., None]
        stack[i] = np.dstack((base * layer.alpha[..., None], layer.alpha))
        centre, along_x, along_y = layer.disparity_px
        planes[i] = ((centre - focus_disparity_px) * blur_per_px, along_x * blur_per_px, along_y * blur_per_px)
    points = np.stack([_disc_points(samples // 2, seed * 2 + half) for half in range(2)])
    halves = np.stack([_integrate(stack, planes, points[half], seed * 2 + half) for half in range(2)])
    lamp_light = np.zeros((height, width, 3), np.float64)
    for i in range(count):
        for y, x in np.argwhere(lamps[i].max(axis=2) > 0):
            _splat(lamp_light, stack, planes, i, int(x), int(y), lamps[i, y, x].astype(np.float64))
    from stereo_portrait.evaluation.blur_scores import psnr

    floor = psnr(halves[0] + lamp_light, halves[1] + lamp_light)
    light = (halves.mean(axis=0) + lamp_light).astype(np.float32)
    return Truth(light, lamp_light.max(axis=2).astype(np.float32), floor)


def _disc_points(count: int, seed: int) -> NDArray[np.float32]:
    """(count, 2) in the unit square: the R2 sequence from its own random start."""
    start = np.random.default_rng(seed).random(2)
    steps = np.arange(count)[:, None] * np.array([0.7548776662466927, 0.5698402909980532])
    return np.asarray((start + steps) % 1.0, np.float32)


@numba.njit(parallel=True, cache=True)
def _integrate(stack, planes, points, seed):  # type: ignore[no-untyped-def]
    count, height, width, _ = stack.shape
    result = np.zeros((height, width, 3), np.float32)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    for y in numba.prange(height):
        for x in range(width):
            mixed = ((x * 73856093) ^ (y * 19349663) ^ (seed * 83492791)) & 0x7FFFFFFF
            mixed = (mixed * 1103515245 + 12345) & 0x7FFFFFFF
            shift_a = (mixed >> 8) / 8388608.0
            mixed = (mixed * 1103515245 + 12345) & 0x7FFFFFFF
            shift_b = (mixed >> 8) / 8388608.0
            red, green, blue = 0.0, 0.0, 0.0
            for s in range(points.shape[0]):
                a = points[s, 0] + shift_a
                b = points[s, 1] + shift_b
                a -= np.floor(a)
                b -= np.floor(b)
                reach = np.sqrt(a)
                ux, uy = reach * np.cos(6.283185307 * b), reach * np.sin(6.283185307 * b)
                through = 1.0
                for i in range(count - 1, -1, -1):
                    here = planes[i, 0] + planes[i, 1] * (x - middle_x) + planes[i, 2] * (y - middle_y)
                    radius = here / (1 - planes[i, 1] * ux - planes[i, 2] * uy)
                    px = min(max(x + ux * radius, 0.0), width - 1.0)
                    py = min(max(y + uy * radius, 0.0), height - 1.0)
                    x0, y0 = min(int(px), width - 2), min(int(py), height - 2)
                    fx, fy = px - x0, py - y0
                    w00, w01, w10, w11 = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
                    p00, p01 = stack[i, y0, x0], stack[i, y0, x0 + 1]
                    p10, p11 = stack[i, y0 + 1, x0], stack[i, y0 + 1, x0 + 1]
                    alpha = w00 * p00[3] + w01 * p01[3] + w10 * p10[3] + w11 * p11[3]
                    if alpha <= 0:
                        continue
                    red += through * (w00 * p00[0] + w01 * p01[0] + w10 * p10[0] + w11 * p11[0])
                    green += through * (w00 * p00[1] + w01 * p01[1] + w10 * p10[1] + w11 * p11[1])
                    blue += through * (w00 * p00[2] + w01 * p01[2] + w10 * p10[2] + w11 * p11[2])
                    through *= 1 - alpha
                    if through < 1e-4:
                        break
            result[y, x, 0] = red / points.shape[0]
            result[y, x, 1] = green / points.shape[0]
            result[y, x, 2] = blue / points.shape[0]
    return result


@numba.njit(cache=True)
def _splat(result, stack, planes, own, qx, qy, light):  # type: ignore[no-untyped-def]
    """Add one lamp pixel's light: 4 x 4 points of its square, each seen through its part of the aperture."""
    count, height, width, _ = stack.shape
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    radius = planes[own, 0] + planes[own, 1] * (qx - middle_x) + planes[own, 2] * (qy - middle_y)
    size = abs(radius)
    reach = int(np.ceil(size + 1.0))
    total = 0.0
    for y in range(qy - reach, qy + reach + 1):
        for x in range(qx - reach, qx + reach + 1):
            total += _rim(np.sqrt((x - qx) ** 2 + (y - qy) ** 2), size)
    for y in range(max(0, qy - reach), min(height, qy + reach + 1)):
        for x in range(max(0, qx - reach), min(width, qx + reach + 1)):
            weight = _rim(np.sqrt((x - qx) ** 2 + (y - qy) ** 2), size)
            if weight <= 0:
                continue
            weight /= total
            ux, uy = 0.0, 0.0
            if size > 0.5:
                ux, uy = (qx - x) / radius, (qy - y) / radius
            for i in range(own + 1, count):
                here = planes[i, 0] + planes[i, 1] * (x - middle_x) + planes[i, 2] * (y - middle_y)
                nearer = here / (1 - planes[i, 1] * ux - planes[i, 2] * uy)
                px = min(max(x + ux * nearer, 0.0), width - 1.0)
                py = min(max(y + uy * nearer, 0.0), height - 1.0)
                x0, y0 = min(int(px), width - 2), min(int(py), height - 2)
                fx, fy = px - x0, py - y0
                above = (1 - fx) * stack[i, y0, x0, 3] + fx * stack[i, y0, x0 + 1, 3]
                below = (1 - fx) * stack[i, y0 + 1, x0, 3] + fx * stack[i, y0 + 1, x0 + 1, 3]
                weight *= 1 - ((1 - fy) * above + fy * below)
            for c in range(3):
                result[y, x, c] += weight * light[c]


@numba.njit(cache=True)
def _rim(distance, size):  # type: ignore[no-untyped-def]
    """Share of a pixel inside a disc: a linear rim one pixel wide; below half a pixel the disc is the pixel itself."""
    if size < 0.5:
        return 1.0 if distance < 0.5 else 0.0
    return min(1.0, max(0.0, size - distance + 0.5))
