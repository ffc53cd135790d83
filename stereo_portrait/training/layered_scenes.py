"""Endless seeded stereo scenes with exact disparity: textured surfaces, one before the other, seen from two places.

A surface is a colour, an opacity and a disparity at every point of the left view. The left view samples it where it
is; the right view solves x_left = x_right + d(x_left, y) for every pixel, so slanted and curved surfaces are exact.
Views are drawn at twice their size and averaged down, the truth is taken at pixel centres.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.training.shapes import opacity_picture
from stereo_portrait.training.textures import lit, pattern_texture, picture, plain_texture

Map = NDArray[np.float32]
OVERSAMPLING = 2
CANVAS_MARGIN = 0.35  # of the width: what the right view sees beyond the left one's rim
GRID = 6  # knots a side of a curved surface
FIXED_POINT_STEPS = 7
CONSISTENT_PX = 1.0
LEAST_DISPARITY_PX = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ExactScene:
    """Two views of a scene, and what is true of the left one."""

    left: NDArray[np.uint8]  # (H, W, 3) RGB
    right: NDArray[np.uint8]
    disparity_px: Map  # (H, W) left view
    seen: NDArray[np.bool_]  # (H, W) False where the right view does not see the left view's point
    max_disparity_px: int


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One textured surface; pictures are sampled at `to_texture` @ (x, y, 1) of the left view."""

    texture: NDArray[np.uint8]  # (h, w, 3)
    to_texture: Map  # (2, 3)
    opacity: NDArray[np.uint8] | None  # (h, w); None: everywhere
    to_opacity: Map | None
    level_px: float
    slope: tuple[float, float]  # disparity per pixel across and down
    centre: tuple[float, float]
    bumps: Map  # (GRID, GRID) px, added to the plane
    size: tuple[int, int]  # (height, width) of the view

    def disparity(self, x: Map, y: Map) -> Map:
        """Disparity at left-view points."""
        plane = self.level_px + self.slope[0] * (x - self.centre[0]) + self.slope[1] * (y - self.centre[1])
        if not self.bumps.any():
            return plane.astype(np.float32)
        height, width = self.size
        u = (x / width * 0.6 + 0.2) * (GRID - 1)
        v = (y / height * 0.8 + 0.1) * (GRID - 1)
        bumps = cv2.remap(self.bumps, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return (plane + bumps).astype(np.float32)

    def colour(self, x: Map, y: Map) -> Map:
        """(H, W, 3) grey levels at left-view points; the texture mirrors at its rim."""
        u, v = _moved(self.to_texture, x, y)
        return cv2.remap(self.texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)

    def cover(self, x: Map, y: Map) -> Map:
        """(H, W) opacity in [0, 1]."""
        if self.opacity is None or self.to_opacity is None:
            return np.ones(x.shape, np.float32)
        u, v = _moved(self.to_opacity, x, y)
        found = cv2.remap(self.opacity, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return found.astype(np.float32) / 255


def _moved(affine: Map, x: Map, y: Map) -> tuple[Map, Map]:
    u = affine[0, 0] * x + affine[0, 1] * y + affine[0, 2]
    v = affine[1, 0] * x + affine[1, 1] * y + affine[1, 2]
    return u.astype(np.float32), v.astype(np.float32)


class LayeredScenes:
    """Draws scene number n from photographs and cut-outs found in folders."""

    def __init__(self, photographs: list[Path], cutouts: list[Path], width_px: int = 448, height_px: int = 320) -> None:
        self.photographs, self.cutouts = photographs, cutouts
        self.width_px, self.height_px = width_px, height_px
        self._palette, self._pull = np.zeros(3), 0.0

    def draw(self, draw: np.random.Generator) -> ExactScene:
        """One scene; every random choice comes from `draw`."""
        self.begin(draw)
        highest = float(np.exp(draw.uniform(np.log(14), np.log(0.24 * self.width_px))))
        surfaces = [self._ground(draw, highest)]
        if draw.random() < 0.5:
            surfaces.append(self._floor(draw, highest, surfaces[0].level_px))
        repeated = self.texture(draw)
        for _ in range(int(draw.integers(2, 11))):
            surfaces.append(self._object(draw, highest, surfaces[0].level_px, repeated))
        surfaces.sort(key=lambda s: s.level_px)
        surfaces = self._raised(surfaces)
        left, left_px = self._view(surfaces, right=False)
        right, right_px = self._view(surfaces, right=True)
        seen = visible(left_px, right_px)
        top = max(16, int(np.ceil(max(left_px.max(), right_px.max()) * draw.uniform(1.02, 1.5) / 16)) * 16)
        return ExactScene(left, right, left_px, seen, top)

    def begin(self, draw: np.random.Generator) -> None:
        """Decide how alike the colours of this scene are: in half of them colour hardly tells surfaces apart."""
        self._palette = draw.uniform(50, 190, 3)
        self._pull = float(draw.uniform(0.5, 1.0)) if draw.random() < 0.5 else 0.0

    def _raised(self, surfaces: list[Surface]) -> list[Surface]:
        """The same scene, moved nearer as a whole if a part of it lay behind infinity."""
        lowest = min(float(self._composed(surfaces, right, 1)[1].min()) for right in (False, True))
        deficit = LEAST_DISPARITY_PX - lowest
        return surfaces if deficit <= 0 else [replace(s, level_px=s.level_px + deficit) for s in surfaces]

    def _ground(self, draw: np.random.Generator, highest: float) -> Surface:
        level = highest * draw.uniform(0.05, 0.45)
        return self._surface(draw, self.texture(draw), level, 0.06, draw.uniform(0, 0.12) * highest, None, None)

    def _floor(self, draw: np.random.Generator, highest: float, far: float) -> Surface:
        """A plane that comes nearer towards the bottom."""
        opacity = np.full((64, 64), 255, np.uint8)
        top = draw.uniform(0.3, 0.7) * self.height_px
        stretch = np.float32(
            [[64 / (4 * self.width_px), 0, 32], [0, 64 / (4 * self.height_px), -64 * top / 4 / self.height_px]]
        )
        floor = self._surface(draw, self.texture(draw), far + 0.02, 0.0, 0.0, opacity, stretch)
        slope = (0.0, float((highest * draw.uniform(0.3, 0.9) - far) / (self.height_px - top)))
        middle = (self.width_px / 2, float(top))
        return Surface(floor.texture, floor.to_texture, opacity, stretch, far, slope, middle, floor.bumps, floor.size)

    def _object(self, draw: np.random.Generator, highest: float, far: float, repeated: NDArray[np.uint8]) -> Surface:
        level = draw.uniform(min(far * 1.05, 0.9 * highest), highest)
        texture = repeated if draw.random() < 0.12 else self.texture(draw)
        cut = None
        if self.cutouts and draw.random() < 0.25:
            cut = picture(self.cutouts[int(draw.integers(len(self.cutouts)))], True)
        if cut is not None:
            opacity, inside = np.ascontiguousarray(cut[..., 3]), np.ascontiguousarray(cut[..., :3])
            if draw.random() < 0.6:
                texture = inside
        else:
            opacity = opacity_picture(draw)
        longest = max(opacity.shape)
        span = float(np.exp(draw.uniform(np.log(0.16), np.log(1.3)))) * self.height_px
        scale, angle = longest / span, draw.uniform(-np.pi, np.pi) if cut is None else draw.normal(0, 0.2)
        at = np.array([draw.uniform(-0.05, 1.15) * self.width_px, draw.uniform(-0.05, 1.05) * self.height_px])
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if draw.random() < 0.5:
            turn[0] *= -1
        shift = np.array([opacity.shape[1] / 2, opacity.shape[0] / 2]) - turn @ at
        to_opacity = np.column_stack([turn, shift]).astype(np.float32)
        bump = draw.uniform(0, 0.08) * highest if draw.random() < 0.5 else 0.0
        made = self._surface(draw, texture, level, 0.12, bump, opacity, to_opacity, (float(at[0]), float(at[1])))
        printed = cut is not None and texture.shape[:2] == opacity.shape  # the cut-out's own colours stay in place
        return replace(made, to_texture=to_opacity) if printed else made

    def _surface(
        self,
        draw: np.random.Generator,
        texture: NDArray[np.uint8],
        level: float,
        steepest: float,
        bump_px: float,
        opacity: NDArray[np.uint8] | None,
        to_opacity: Map | None,
        centre: tuple[float, float] | None = None,
    ) -> Surface:
        scale = float(np.exp(draw.uniform(np.log(0.7), np.log(2.2))))
        angle = draw.normal(0, 0.5)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = draw.uniform(0, 1, 2) * np.array(texture.shape[1::-1])
        to_texture = np.column_stack([turn, shift]).astype(np.float32)
        slope = tuple(float(v) for v in draw.normal(0, steepest / 2, 2).clip(-steepest, steepest))
        bumps = (draw.standard_normal((GRID, GRID)) * bump_px / 2).astype(np.float32)
        middle = centre or (self.width_px / 2, self.height_px / 2)
        size = (self.height_px, self.width_px)
        return Surface(texture, to_texture, opacity, to_opacity, float(level), slope, middle, bumps, size)  # type: ignore[arg-type]

    def texture(self, draw: np.random.Generator) -> NDArray[np.uint8]:
        """Mostly photographs; some walls with hardly any texture, some patterns that repeat."""
        found = self._texture(draw)
        if self._pull == 0:
            return found
        step = self._pull * (self._palette - found.reshape(-1, 3).mean(axis=0))
        return np.clip(np.rint(found + step), 0, 255).astype(np.uint8)

    def _texture(self, draw: np.random.Generator) -> NDArray[np.uint8]:
        kind = draw.random()
        if kind < 0.78 and self.photographs:
            photo = picture(self.photographs[int(draw.integers(len(self.photographs)))], False)
            if photo is not None:
                return lit(photo, draw)
        if kind < 0.92:
            return plain_texture(draw)
        return pattern_texture(draw)

    def _view(self, surfaces: list[Surface], right: bool) -> tuple[NDArray[np.uint8], Map]:
        fine = OVERSAMPLING
        colour, _ = self._composed(surfaces, right, fine)
        small = cv2.resize(colour, (self.width_px, self.height_px), interpolation=cv2.INTER_AREA)
        _, disparity_px = self._composed(surfaces, right, 1)
        return np.clip(np.rint(small), 0, 255).astype(np.uint8), disparity_px

    def _composed(self, surfaces: list[Surface], right: bool, fine: int) -> tuple[Map, Map]:
        height, width = self.height_px * fine, self.width_px * fine
        xs = ((np.arange(width, dtype=np.float32) + 0.5) / fine - 0.5)[None, :]
        ys = ((np.arange(height, dtype=np.float32) + 0.5) / fine - 0.5)[:, None]
        x, y = (np.ascontiguousarray(v) for v in np.broadcast_arrays(xs, ys))
        colour = np.zeros((height, width, 3), np.float32)
        front = np.full((height, width), -np.inf, np.float32)
        for surface in surfaces:
            at = x
            if right:
                for _ in range(FIXED_POINT_STEPS):
                    at = x + surface.disparity(at, y)
            cover = surface.cover(at, y)
            disparity = surface.disparity(at, y)
            shown = np.where(
                disparity > front - 0.02, cover, 0
            )  # a surface that dips behind another one is hidden there
            if not shown.any():
                continue
            if fine > 1:
                colour += shown[..., None] * (surface.colour(at, y) - colour)
            front = np.where(shown > 0.5, disparity, front).astype(np.float32)
        return colour, front


def visible(left_px: Map, right_px: Map) -> NDArray[np.bool_]:
    """(H, W) True where the right view's truth, looked up, says the same within CONSISTENT_PX."""
    width = left_px.shape[1]
    at = np.arange(width, dtype=np.float32)[None, :] - left_px
    landed = np.clip(np.rint(at), 0, width - 1).astype(np.int32)
    there = np.take_along_axis(right_px, landed, axis=1)
    inside = (at > -0.5) & (at < width - 0.5)
    return inside & (np.abs(there - left_px) < CONSISTENT_PX)
