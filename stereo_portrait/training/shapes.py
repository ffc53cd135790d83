"""Outlines for made-up objects: blobs, polygons, bars, fences, rings, wheels, bodies with holes, bundles of hair."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 320
SHIFT = 3  # OpenCV draws at 1/8 px


def opacity_picture(draw: np.random.Generator) -> NDArray[np.uint8]:
    """(SIDE_PX, SIDE_PX) opacity, 0 around the rim."""
    kind = draw.choice(tuple(_DRAWERS), p=[share for _, share in _DRAWERS.values()])
    canvas = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    _DRAWERS[str(kind)][0](canvas, draw)
    canvas[[0, -1]] = 0
    canvas[:, [0, -1]] = 0
    return canvas


def _fixed(points: NDArray) -> NDArray[np.int32]:
    return np.rint(points * (1 << SHIFT)).astype(np.int32).reshape(-1, 1, 2)


def _blob(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    angle = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    radius = np.ones_like(angle)
    for wave in range(1, int(draw.integers(3, 12))):
        radius += draw.normal(0, 0.35 / wave) * np.cos(wave * angle + draw.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.15, None)
    radius *= 0.48 * SIDE_PX / radius.max()
    points = SIDE_PX / 2 + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    cv2.fillPoly(canvas, [_fixed(points)], 255, cv2.LINE_AA, SHIFT)


def _polygon(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    angle = np.sort(draw.uniform(0, 2 * np.pi, int(draw.integers(3, 9))))
    radius = draw.uniform(0.15, 0.49, angle.size) * SIDE_PX
    points = SIDE_PX / 2 + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    cv2.fillPoly(canvas, [_fixed(points)], 255, cv2.LINE_AA, SHIFT)


def _ellipse(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    axes = tuple(int(v) for v in draw.uniform(0.12, 0.48, 2) * SIDE_PX)
    cv2.ellipse(canvas, (SIDE_PX // 2,) * 2, axes, draw.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)


def _bars(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    for _ in range(int(draw.integers(1, 7))):
        ends = draw.uniform(0.02, 0.98, (2, 2)) * SIDE_PX
        cv2.line(canvas, *(tuple(int(v) for v in p) for p in ends), 255, int(draw.integers(2, 18)), cv2.LINE_AA)


def _fence(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    period, width = draw.uniform(14, 60), draw.uniform(0.15, 0.6)
    for at in np.arange(period, SIDE_PX - 1, period):
        x = int(at)
        cv2.line(canvas, (x, 8), (x, SIDE_PX - 9), 255, max(2, int(width * period)), cv2.LINE_AA)
    if draw.random() < 0.6:
        y = int(draw.uniform(0.1, 0.9) * SIDE_PX)
        cv2.line(canvas, (4, y), (SIDE_PX - 5, y), 255, int(draw.integers(3, 20)), cv2.LINE_AA)


def _ring(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    radius = int(draw.uniform(0.2, 0.4) * SIDE_PX)
    cv2.circle(canvas, (SIDE_PX // 2,) * 2, radius, 255, int(draw.integers(4, 40)), cv2.LINE_AA)


def _wheel(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    """A rim, a hub and spokes, with gaps through which the background shows."""
    middle, radius = np.array([SIDE_PX / 2, SIDE_PX / 2]), draw.uniform(0.25, 0.44) * SIDE_PX
    centre = (SIDE_PX // 2,) * 2
    cv2.circle(canvas, centre, int(radius), 255, int(draw.integers(8, 50)), cv2.LINE_AA)
    cv2.circle(canvas, centre, int(radius * draw.uniform(0.08, 0.35)), 255, -1, cv2.LINE_AA)
    spokes, width = int(draw.integers(3, 13)), int(draw.integers(3, 22))
    for angle in draw.uniform(0, 2 * np.pi) + np.arange(spokes) * 2 * np.pi / spokes:
        end = middle + radius * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(canvas, centre, tuple(int(v) for v in end), 255, width, cv2.LINE_AA)


def _holed(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    """A body with pieces cut out of it: chairs, handles, engines, plants."""
    (_blob, _polygon, _ellipse)[int(draw.integers(3))](canvas, draw)
    for _ in range(int(draw.integers(1, 9))):
        at = draw.uniform(0.2, 0.8, 2) * SIDE_PX
        angle = np.sort(draw.uniform(0, 2 * np.pi, int(draw.integers(3, 9))))
        reach = draw.uniform(0.02, 0.16) * SIDE_PX * draw.uniform(0.4, 1, (angle.size, 1)) * draw.uniform(0.4, 1.6, 2)
        points = at + reach * np.column_stack([np.cos(angle), np.sin(angle)])
        cv2.fillPoly(canvas, [_fixed(points)], 0, cv2.LINE_AA, SHIFT)


def _hair(canvas: NDArray[np.uint8], draw: np.random.Generator) -> None:
    """A ball with strands that leave it."""
    middle = np.array([SIDE_PX / 2, SIDE_PX / 2])
    core = draw.uniform(0.08, 0.3) * SIDE_PX
    cv2.circle(canvas, (SIDE_PX // 2,) * 2, int(core), 255, -1, cv2.LINE_AA)
    for _ in range(int(draw.integers(15, 90))):
        angle, bend = draw.uniform(0, 2 * np.pi), draw.normal(0, 0.6)
        along = np.linspace(0.7 * core, draw.uniform(1.1, 1.9) * core + 8, 14)
        turned = angle + bend * (along - along[0]) / SIDE_PX * 2
        points = middle + along[:, None] * np.column_stack([np.cos(turned), np.sin(turned)])
        cv2.polylines(canvas, [_fixed(points)], False, 255, int(draw.integers(1, 4)), cv2.LINE_AA, SHIFT)


_DRAWERS = {  # real scenes hold more bodies than wires
    "blob": (_blob, 0.28),
    "polygon": (_polygon, 0.24),
    "ellipse": (_ellipse, 0.16),
    "bars": (_bars, 0.05),
    "fence": (_fence, 0.04),
    "ring": (_ring, 0.02),
    "wheel": (_wheel, 0.05),
    "holed": (_holed, 0.13),
    "hair": (_hair, 0.03),
}
