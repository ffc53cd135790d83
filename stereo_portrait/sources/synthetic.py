"""Exact scenes: pairs whose disparity is known to the last digit."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, RectifiedPair, Scene
from stereo_portrait.core.rig import RectifiedRig

FloatMap = NDArray[np.float64]
WAVES = 220
FOCAL_PX = 800.0
BASELINE_M = 0.1


class Texture:
    """A band-limited random picture that can be sampled anywhere exactly: a sum of plane waves, so no interpolation."""

    def __init__(self, seed: int, longest_px: float = 60.0, shortest_px: float = 4.0, contrast: float = 55.0) -> None:
        rng = np.random.default_rng(seed)
        length_px = np.exp(rng.uniform(np.log(shortest_px), np.log(longest_px), (3, WAVES)))
        angle = rng.uniform(0, 2 * np.pi, (3, WAVES))
        self._kx = 2 * np.pi / length_px * np.cos(angle)
        self._ky = 2 * np.pi / length_px * np.sin(angle)
        self._phase = rng.uniform(0, 2 * np.pi, (3, WAVES))
        self._size = contrast * np.sqrt(2 / WAVES)
        self._base = rng.uniform(90, 160, 3)

    def __call__(self, x: FloatMap, y: FloatMap) -> FloatMap:
        """(H, W, 3) grey levels 0..255 at texture coordinates x (W,) or (H, W) and y (H,) or (H, W)."""
        height = y.shape[0]
        out = np.empty((height, x.shape[-1], 3))
        for channel in range(3):
            kx, ky, phase = self._kx[channel], self._ky[channel], self._phase[channel]
            if x.ndim == 1 and y.ndim == 1:
                across = np.outer(kx, x)
                down = np.outer(ky, y) + phase[:, None]
                total = np.cos(down).T @ np.cos(across) - np.sin(down).T @ np.sin(across)
            else:
                full_x, full_y = np.broadcast_arrays(x, y[:, None] if y.ndim == 1 else y)
                total = np.zeros(full_x.shape)
                for k, j, p in zip(kx, ky, phase, strict=True):
                    total += np.cos(k * full_x + j * full_y + p)
            out[..., channel] = self._base[channel] + self._size * total
        return out


def rig_of(width_px: int, height_px: int, focal_px: float = FOCAL_PX, baseline_m: float = BASELINE_M) -> RectifiedRig:
    """The rig of every synthetic scene."""
    cx_px, cy_px = (width_px - 1) / 2, (height_px - 1) / 2
    return RectifiedRig(width_px, height_px, focal_px, baseline_m, cx_px, cx_px, cy_px)


def plane(disparity_px: float, width_px: int = 320, height_px: int = 120, seed: int = 0) -> Scene:
    """A fronto-parallel textured wall at one disparity."""
    return layers([(disparity_px, _everywhere)], width_px, height_px, seed, f"plane {disparity_px:g}")


def square_in_front(
    near_px: float, far_px: float, width_px: int = 320, height_px: int = 160, seed: int = 0, side_px: int = 70
) -> Scene:
    """A textured square at `near_px` before a wall at `far_px`."""

    def square(x: FloatMap, y: FloatMap) -> NDArray[np.bool_]:
        return (np.abs(x - width_px / 2) < side_px / 2) & (np.abs(y - height_px / 2) < side_px / 2)

    return layers([(far_px, _everywhere), (near_px, square)], width_px, height_px, seed, "square in front")


def wheel_in_front(
    near_px: float, far_px: float, width_px: int = 320, height_px: int = 240, seed: int = 0, radius_px: int = 88
) -> Scene:
    """A wheel with five spokes at `near_px` before a wall at `far_px`, which shows through it."""

    def wheel(x: FloatMap, y: FloatMap) -> NDArray[np.bool_]:
        across, down = x - 0.58 * width_px, y - height_px / 2
        away, angle = np.hypot(across, down), np.arctan2(down, across) + 0.3
        off_spoke = away * np.abs(np.sin((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5))
        rim = (away < radius_px) & (away > radius_px - 16)
        return rim | ((away < radius_px) & ((off_spoke < 4.5) | (away < 14)))

    return layers([(far_px, _everywhere), (near_px, wheel)], width_px, height_px, seed, "wheel in front")


def slanted_plane(centre_px: float, slope: float, width_px: int = 320, height_px: int = 120, seed: int = 0) -> Scene:
    """A wall whose disparity is centre + slope * (x - centre of the picture), in the left view."""
    texture = Texture(seed)
    x, y = np.arange(width_px, dtype=np.float64), np.arange(height_px, dtype=np.float64)
    middle = (width_px - 1) / 2
    truth = np.broadcast_to(centre_px + slope * (x - middle), (height_px, width_px))
    left_x = (x + centre_px - slope * middle) / (1 - slope)  # x_left of the surface point seen at x_right
    pictures = _to_bytes(texture(x, y)), _to_bytes(texture(left_x, y))
    return _scene(pictures, truth, np.ones(truth.shape, np.bool_), "slanted plane")


Shape = Callable[[FloatMap, FloatMap], NDArray[np.bool_]]


def layers(parts: list[tuple[float, Shape]], width_px: int, height_px: int, seed: int, name: str) -> Scene:
    """Flat layers, far to near: (disparity, shape in left-view pixels); each has its own texture."""
    y = np.arange(height_px, dtype=np.float64)
    x = np.arange(width_px, dtype=np.float64)
    views = []
    owners = []
    for side in (0.0, 1.0):
        picture = np.zeros((height_px, width_px, 3))
        owner = np.full((height_px, width_px), -1)
        for index, (disparity_px, shape) in enumerate(parts):
            left_x = x + side * disparity_px
            inside = shape(left_x[None, :], y[:, None])
            picture = np.where(inside[..., None], Texture(seed + 1000 * index)(left_x, y), picture)
            owner[np.broadcast_to(inside, owner.shape)] = index
        views.append(_to_bytes(picture))
        owners.append(owner)
    disparities = np.array([d for d, _ in parts])
    truth = disparities[owners[0]]
    at = np.rint(x[None, :] - truth).astype(int)
    inside = (at >= 0) & (at < width_px)
    there = np.take_along_axis(owners[1], np.clip(at, 0, width_px - 1), axis=1)
    return _scene((views[0], views[1]), truth, inside & (there == owners[0]), name)


def _everywhere(x: FloatMap, y: FloatMap) -> NDArray[np.bool_]:
    return np.ones(np.broadcast_shapes(x.shape, y.shape), np.bool_)


def _to_bytes(picture: FloatMap) -> Image:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _scene(pictures: tuple[Image, Image], truth: FloatMap, seen: NDArray[np.bool_], name: str) -> Scene:
    height_px, width_px = truth.shape
    valid = np.ones((height_px, width_px), np.bool_)
    pair = RectifiedPair(pictures[0], pictures[1], valid, valid, rig_of(width_px, height_px), name)
    top = max(16, int(np.ceil(truth.max() / 16 + 0.5)) * 16)
    return Scene(name, pair, np.ascontiguousarray(truth, np.float32), seen, top)
