"""Ray-cast rooms: boxes, balls, cylinders and rings in perspective, with exact disparity, by Open3D's ray caster."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.training.layered_scenes import (
    LEAST_DISPARITY_PX,
    OVERSAMPLING,
    ExactScene,
    LayeredScenes,
    visible,
)

Map = NDArray[np.float32]
ROOM_M = (4.0, 2.6, 6.0)  # width, height, depth of the largest room


class RoomScenes:
    """Draws scene number n; textures come from the same source as the layered scenes'."""

    def __init__(self, photographs: list[Path], width_px: int = 448, height_px: int = 320) -> None:
        self.textures = LayeredScenes(photographs, [], width_px, height_px)
        self.width_px, self.height_px = width_px, height_px

    def draw(self, draw: np.random.Generator) -> ExactScene:
        """One scene; every random choice comes from `draw`."""
        o3d = open3d()
        self.textures.begin(draw)
        caster = o3d.t.geometry.RaycastingScene()
        textures: list[tuple[NDArray[np.uint8], float]] = []
        nearest = draw.uniform(0.7, 1.6)
        for mesh in [_room(o3d, draw), *(_thing(o3d, draw, nearest) for _ in range(int(draw.integers(4, 22))))]:
            caster.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(mesh))
            textures.append((self.textures.texture(draw), float(np.exp(draw.uniform(np.log(150), np.log(700))))))
        focal = self.width_px * draw.uniform(0.7, 1.3)
        turned = _rotation(draw.normal(0, 0.12), draw.normal(0, 0.25))
        baseline = nearest * self.width_px * draw.uniform(0.04, 0.22) / focal
        views = []
        for eye in (0.0, baseline):
            colour, _ = self._seen(caster, textures, focal, turned, eye, OVERSAMPLING)
            small = cv2.resize(colour, (self.width_px, self.height_px), interpolation=cv2.INTER_AREA)
            _, depth = self._seen(caster, textures, focal, turned, eye, 1)
            views.append((np.clip(np.rint(small), 0, 255).astype(np.uint8), focal * baseline / depth))
        (left, left_px), (right, right_px) = views
        highest = max(float(left_px.max()), float(right_px.max()), LEAST_DISPARITY_PX)
        top = max(16, int(np.ceil(highest * draw.uniform(1.02, 1.5) / 16)) * 16)
        return ExactScene(left, right, left_px.astype(np.float32), visible(left_px, right_px), top)

    def _seen(
        self, caster: Any, textures: list, focal: float, turned: NDArray, eye: float, fine: int
    ) -> tuple[Map, Map]:
        """(H, W, 3) grey levels and (H, W) depth along the axis of the camera at (eye, 0, 0)."""
        height, width = self.height_px * fine, self.width_px * fine
        x = ((np.arange(width) + 0.5) / fine - self.width_px / 2) / focal
        y = ((np.arange(height) + 0.5) / fine - self.height_px / 2) / focal
        camera = np.stack([*np.meshgrid(x, y), np.ones((height, width))], axis=-1)
        rays = np.empty((height, width, 6), np.float32)
        rays[..., :3] = turned @ np.array([eye, 0, 0])
        rays[..., 3:] = camera @ turned.T
        hit = caster.cast_rays(open3d().core.Tensor(rays), nthreads=1)
        depth = np.nan_to_num(hit["t_hit"].numpy(), posinf=50.0)  # the ray's z part is 1
        owner = hit["geometry_ids"].numpy().astype(np.int64)
        normal = np.abs(hit["primitive_normals"].numpy()).argmax(axis=-1)
        point = rays[..., :3] + depth[..., None] * rays[..., 3:]
        colour = np.zeros((height, width, 3), np.float32)
        if fine == 1:
            return colour, np.minimum(depth, 50.0)
        u = np.where(normal == 0, point[..., 2], point[..., 0])
        v = np.where(normal == 1, point[..., 2], point[..., 1])
        for index, (texture, scale) in enumerate(textures):
            rows, columns = np.nonzero(owner == index)
            if rows.size == 0:
                continue
            a, b = (_mirrored(w[rows, columns] * scale, n) for w, n in ((u, texture.shape[1]), (v, texture.shape[0])))
            count = rows.size
            side = int(np.ceil(np.sqrt(count)))  # remap limits the length of a row
            padded = [np.pad(w, (0, side * side - count)).reshape(side, side).astype(np.float32) for w in (a, b)]
            found = cv2.remap(texture, *padded, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            colour[rows, columns] = found.reshape(-1, 3)[:count]
        return colour * (0.75 + 0.25 * (normal[..., None] == 1)), depth


def open3d() -> Any:
    """Open3D, after the libusb that its wheel expects the system to have.

    Raises:
        ImportError: Open3D is not installed here.
    """
    import ctypes
    import importlib

    import libusb_package

    path = libusb_package.get_library_path()
    if path is not None:
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    return importlib.import_module("open3d")


def _mirrored(at: NDArray, length: int) -> NDArray:
    """Coordinates folded into [0, length - 1]."""
    folded = np.mod(at, 2 * (length - 1))
    return np.minimum(folded, 2 * (length - 1) - folded)


def _rotation(down: float, across: float) -> NDArray[np.float64]:
    turn, _ = cv2.Rodrigues(np.array([down, across, 0.0]))
    return np.asarray(turn)


def _room(o3d: Any, draw: np.random.Generator) -> Any:
    width, height, depth = (v * draw.uniform(0.6, 1.0) for v in ROOM_M)
    box = o3d.geometry.TriangleMesh.create_box(width, height, depth + 1.0)
    return box.translate((-width / 2, -height * draw.uniform(0.35, 0.6), -1.0))


def _thing(o3d: Any, draw: np.random.Generator, nearest: float) -> Any:
    """A body somewhere in view, turned at random."""
    size = float(np.exp(draw.uniform(np.log(0.05), np.log(0.6))))
    make = o3d.geometry.TriangleMesh
    kind = int(draw.integers(5))
    if kind == 0:
        body = make.create_box(size, size * draw.uniform(0.2, 2), size * draw.uniform(0.2, 1.5))
    elif kind == 1:
        body = make.create_sphere(size / 2, 24)
    elif kind == 2:
        body = make.create_cylinder(size * draw.uniform(0.02, 0.4), size * 2.5, 24)
    elif kind == 3:
        body = make.create_torus(size / 2, size * draw.uniform(0.03, 0.25), 28, 14)
    else:
        body = make.create_cone(size / 2, size * 1.4, 24)
    body.translate((-0.5 * size, -0.5 * size, -0.5 * size))
    body.rotate(o3d.geometry.get_rotation_matrix_from_xyz(draw.uniform(-np.pi, np.pi, 3)), (0.0, 0.0, 0.0))
    far = nearest + size + float(draw.uniform(0, 1)) ** 1.5 * 3.0
    return body.translate((draw.uniform(-0.5, 0.5) * far, draw.uniform(-0.35, 0.35) * far, far))
