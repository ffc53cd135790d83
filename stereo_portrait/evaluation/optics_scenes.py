"""Layered scenes that try what breaks lens blur: hair, wires, foreground blur, slanted ground, lamps, flat colours."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.evaluation.optics import Layer, LayeredScene
from stereo_portrait.rendering.light import linear_from_srgb

Picture = NDArray[np.float32]
WIDTH_PX, HEIGHT_PX = 512, 384
FINE = 4  # supersampling of drawn shapes
WIDEST_BLUR_PX = 32.0
FOCUS = ("near", "middle", "far")


def portrait(seed: int = 0) -> LayeredScene:
    """A head with loose hair and a raised hand with gaps between its fingers before a lit street."""
    rng = np.random.default_rng(seed)
    street = _with_lamps(_photo("coffee") * 0.6, rng, 25, (1, 4), (5, 50))
    head = _drawn(lambda m: _head(m, rng))
    hand = _drawn(lambda m: _hand(m, rng))
    skin = _photo("astronaut")
    return LayeredScene(
        "portrait",
        (
            Layer(street, _ones(), (6.0, 0.0, 0.0)),
            Layer(skin, head, (34.0, 0.004, 0.0)),
            Layer(np.roll(skin, 90, 1) * np.float32(0.9), hand, (48.0, 0.0, 0.0)),
        ),
    )


def wires(seed: int = 0) -> LayeredScene:
    """Thin wires behind and in front of a cat on a card."""
    rng = np.random.default_rng(seed)
    behind = _drawn(lambda m: _wires(m, rng, 9, (1, 6)))
    card = _drawn(lambda m: cv2.ellipse(m, _at(0.5, 0.55), _at(0.28, 0.36), 15, 0, 360, 255, -1))
    before = _drawn(lambda m: _wires(m, rng, 8, (1, 5)))
    return LayeredScene(
        "wires",
        (
            Layer(_photo("motorcycle_left"), _ones(), (4.0, 0.0, 0.0)),
            Layer(_tint((0.7, 0.5, 0.2), rng), behind, (16.0, 0.01, 0.0)),
            Layer(_photo("chelsea"), card, (30.0, 0.0, 0.0)),
            Layer(_tint((0.08, 0.1, 0.12), rng), before, (46.0, -0.01, 0.0)),
        ),
    )


def foreground(seed: int = 0) -> LayeredScene:
    """Leaves close to the lens over a sharp subject."""
    rng = np.random.default_rng(seed)
    subject = _drawn(lambda m: _blobs(m, rng, 5, 0.12, 0.2, (0.2, 0.8)))
    leaves = _drawn(lambda m: _blobs(m, rng, 14, 0.03, 0.11, (0.0, 1.0), rim=True))
    return LayeredScene(
        "foreground",
        (
            Layer(_photo("rocket"), _ones(), (3.0, 0.0, 0.0)),
            Layer(_photo("astronaut"), subject, (22.0, 0.0, 0.01)),
            Layer(_photo("grass") * _rgb(0.5, 1.0, 0.3), leaves, (46.0, 0.0, 0.0)),
        ),
    )


def ground(seed: int = 0) -> LayeredScene:
    """A slanted floor with cards standing on it."""
    rng = np.random.default_rng(seed)
    floor = _photo("gravel") * _rgb(1.0, 0.9, 0.7)
    layers = [Layer(floor, _ones(), (22.0, 0.0, 0.09))]
    for x, y, half, name in ((0.25, 0.4, 0.11, "chelsea"), (0.7, 0.52, 0.13, "astronaut"), (0.45, 0.8, 0.1, "coffee")):
        shape = _drawn(partial(_card, x=x, y=y, half=half, rng=rng))
        at = 22.0 + 0.09 * (y * HEIGHT_PX - HEIGHT_PX / 2)
        layers.append(Layer(_photo(name), shape, (at, 0.0, 0.0)))
    return LayeredScene("ground", tuple(layers))


def lamps(seed: int = 0) -> LayeredScene:
    """Small lights to 50 x white and larger lamps at three depths in the dark."""
    rng = np.random.default_rng(seed)
    night = _with_lamps(_photo("hubble_deep_field") * 0.4, rng, 60, (0.7, 2.5), (8, 50))
    night = _with_lamps(night, rng, 6, (5, 11), (2, 12))
    people = _drawn(lambda m: _blobs(m, rng, 4, 0.1, 0.18, (0.15, 0.85)))
    person = _with_lamps(_photo("astronaut") * 0.5, rng, 8, (1, 2), (5, 30))
    twigs = _drawn(lambda m: _wires(m, rng, 6, (3, 12)))
    return LayeredScene(
        "lamps",
        (
            Layer(night, _ones(), (4.0, 0.0, 0.0)),
            Layer(person, people, (24.0, 0.0, 0.0)),
            Layer(_tint((0.15, 0.08, 0.05), rng), twigs, (42.0, 0.006, 0.0)),
        ),
    )


def textureless(seed: int = 0) -> LayeredScene:
    """Smooth walls and shapes of nearly the same colours."""
    rng = np.random.default_rng(seed)
    layers = [Layer(_gradient((0.5, 0.48, 0.45), rng), _ones(), (5.0, 0.02, 0.0))]
    for i, at in enumerate((14.0, 26.0, 38.0)):
        shape = _drawn(lambda m: _blobs(m, rng, 4, 0.07, 0.18, (0.1, 0.9)))
        layers.append(Layer(_gradient((0.3 + 0.15 * i, 0.35, 0.5 - 0.1 * i), rng), shape, (at, 0.0, 0.0)))
    return LayeredScene("textureless", tuple(layers))


def clutter(seed: int = 0) -> LayeredScene:
    """Many overlapping things at many depths, textured alike."""
    rng = np.random.default_rng(seed)
    names = ("coins", "retina", "chelsea", "brick", "coffee", "astronaut", "ihc")
    layers = [Layer(_photo("brick"), _ones(), (4.0, 0.0, 0.01))]
    for i, name in enumerate(names):
        shape = _drawn(lambda m: _blobs(m, rng, 2, 0.05, 0.16, (0.05, 0.95), rim=bool(rng.random() < 0.4)))
        layers.append(Layer(_photo(name), shape, (10.0 + 6 * i, float(rng.normal(0, 0.01)), 0.0)))
    return LayeredScene("clutter", tuple(layers))


SCENES: dict[str, Callable[[int], LayeredScene]] = {
    "portrait": portrait,
    "wires": wires,
    "foreground": foreground,
    "ground": ground,
    "lamps": lamps,
    "textureless": textureless,
    "clutter": clutter,
}
"""Name -> the scene drawn with a seed; another seed moves everything."""


def focus_settings(scene: LayeredScene) -> dict[str, tuple[float, float]]:
    """Focus name -> (disparity in focus, blur radius per pixel of disparity); the widest radius is WIDEST_BLUR_PX."""
    spans = [scene.disparity(i)[layer.alpha > 0.5] for i, layer in enumerate(scene.layers)]
    middles = [float(np.median(s)) for s in spans if s.size]
    low, high = min(float(s.min()) for s in spans if s.size), max(float(s.max()) for s in spans if s.size)
    chosen = {"near": middles[-1], "middle": middles[len(middles) // 2], "far": middles[0]}
    return {name: (at, WIDEST_BLUR_PX / max(high - at, at - low)) for name, at in chosen.items()}


def _photo(name: str) -> Picture:
    import skimage.data

    if name == "motorcycle_left":
        pixels = skimage.data.stereo_motorcycle()[0]
    else:
        pixels = getattr(skimage.data, {"ihc": "immunohistochemistry"}.get(name, name))()
    pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    scale = max(WIDTH_PX / pixels.shape[1], HEIGHT_PX / pixels.shape[0])
    size = (int(np.ceil(pixels.shape[1] * scale)), int(np.ceil(pixels.shape[0] * scale)))
    scaled = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (size[1] - HEIGHT_PX) // 2, (size[0] - WIDTH_PX) // 2
    return linear_from_srgb(np.ascontiguousarray(scaled[top : top + HEIGHT_PX, left : left + WIDTH_PX, :3]))


def _with_lamps(
    light: Picture, rng: np.random.Generator, count: int, sizes: tuple[float, float], power: tuple[float, float]
) -> Picture:
    light = light.astype(np.float32).copy()
    for _ in range(count):
        x, y = rng.random(2)
        size, strength = rng.uniform(*sizes), np.exp(rng.uniform(np.log(power[0]), np.log(power[1])))
        colour = _rgb(1.0, rng.uniform(0.6, 1.0), rng.uniform(0.4, 1.0)) * np.float32(strength)
        lamp = _drawn(partial(cv2.circle, center=_at(x, y), radius=max(1, round(size * FINE)), color=255, thickness=-1))
        lamp = lamp[..., None]
        light = light * (1 - lamp) + colour * lamp
    return light.astype(np.float32)


def _tint(colour: tuple[float, float, float], rng: np.random.Generator) -> Picture:
    noise = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT_PX, WIDTH_PX)).astype(np.float32), (0, 0), 2)
    return (_rgb(*colour) * np.clip(1 + 1.5 * noise, 0.3, 2)[..., None]).astype(np.float32)


def _gradient(colour: tuple[float, float, float], rng: np.random.Generator) -> Picture:
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    slope = 1 + rng.uniform(-0.4, 0.4) * (x / WIDTH_PX - 0.5) + rng.uniform(-0.4, 0.4) * (y / HEIGHT_PX - 0.5)
    return (_rgb(*colour) * slope[..., None]).astype(np.float32)


def _rgb(red: float, green: float, blue: float) -> Picture:
    return np.array([red, green, blue], np.float32)


def _ones() -> Picture:
    return np.ones((HEIGHT_PX, WIDTH_PX), np.float32)


def _drawn(draw: Callable[[NDArray[np.uint8]], object]) -> Picture:
    fine = np.zeros((HEIGHT_PX * FINE, WIDTH_PX * FINE), np.uint8)
    draw(fine)
    return (cv2.resize(fine, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA) / np.float32(255)).astype(np.float32)


def _at(x: float, y: float) -> tuple[int, int]:
    return round(x * WIDTH_PX * FINE), round(y * HEIGHT_PX * FINE)


def _head(mask: NDArray[np.uint8], rng: np.random.Generator) -> None:
    cv2.ellipse(mask, _at(0.45, 0.42), _at(0.13, 0.25), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, _at(0.45, 1.0), _at(0.3, 0.38), 0, 0, 360, 255, -1)
    for _ in range(140):
        angle = rng.uniform(-np.pi, 0.15 * np.pi)
        x, y = 0.45 + 0.12 * np.cos(angle), 0.42 + 0.24 * np.sin(angle)
        points, turn = [], angle + rng.normal(0, 0.4)
        for _ in range(12):
            points.append(_at(x, y))
            turn += rng.normal(0, 0.25)
            x, y = x + 0.009 * np.cos(turn), y + 0.012 * np.sin(turn)
        cv2.polylines(mask, [np.array(points, np.int32)], False, 255, int(rng.integers(1, 6)), cv2.LINE_AA)


def _hand(mask: NDArray[np.uint8], rng: np.random.Generator) -> None:
    cv2.ellipse(mask, _at(0.83, 0.85), _at(0.09, 0.2), 0, 0, 360, 255, -1)
    for i in range(4):
        start, end = _at(0.77 + 0.04 * i, 0.75), _at(0.73 + 0.055 * i + rng.normal(0, 0.005), 0.42)
        cv2.line(mask, start, end, 255, 11 * FINE, cv2.LINE_AA)


def _wires(mask: NDArray[np.uint8], rng: np.random.Generator, count: int, widths_px: tuple[int, int]) -> None:
    for _ in range(count):
        start, end = (rng.uniform(-0.1, 1.1, 2) for _ in range(2))
        if rng.random() < 0.5:
            start[0], end[0] = -0.05, 1.05
        else:
            start[1], end[1] = -0.05, 1.05
        width = round(rng.uniform(*widths_px) * FINE)
        cv2.line(mask, _at(*start), _at(*end), 255, max(1, width), cv2.LINE_AA)


def _blobs(
    mask: NDArray[np.uint8],
    rng: np.random.Generator,
    count: int,
    least: float,
    most: float,
    where: tuple[float, float],
    rim: bool = False,
) -> None:
    for _ in range(count):
        x, y = rng.uniform(*where), rng.choice((0.05, 0.95)) if rim and rng.random() < 0.6 else rng.uniform(*where)
        angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        size = rng.uniform(least, most) * (1 + 0.25 * np.sin(angle * rng.integers(2, 6) + rng.uniform(0, 6)))
        stretch = rng.uniform(0.6, 1.5)
        points = [_at(x + s * np.cos(a), y + s * stretch * np.sin(a)) for a, s in zip(angle, size, strict=True)]
        cv2.fillPoly(mask, [np.array(points, np.int32)], 255, cv2.LINE_AA)


def _card(mask: NDArray[np.uint8], x: float, y: float, half: float, rng: np.random.Generator) -> None:
    box = [(x - half, y - 2.2 * half), (x + half, y - 2.2 * half + rng.normal(0, 0.03)), (x + half, y), (x - half, y)]
    cv2.fillPoly(mask, [np.array([_at(*p) for p in box], np.int32)], 255, cv2.LINE_AA)
