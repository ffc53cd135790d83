"""What made-up surfaces look like: photographs, painted walls, patterns that repeat."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def plain_texture(draw: np.random.Generator) -> NDArray[np.uint8]:
    """A painted wall: one colour, a slow gradient, a little grain."""
    small = draw.normal(0, draw.uniform(0, 12), (3, 4, 3)) + draw.uniform(30, 220, 3)
    smooth = cv2.resize(small.astype(np.float32), (384, 288), interpolation=cv2.INTER_CUBIC)
    grain = cv2.GaussianBlur(draw.standard_normal((288, 384, 1)).astype(np.float32), (0, 0), draw.uniform(0.6, 3))
    out = smooth + grain[..., None] / max(float(grain.std()), 1e-6) * draw.uniform(0, 5)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def pattern_texture(draw: np.random.Generator) -> NDArray[np.uint8]:
    """Stripes, checks or dots that repeat: what fools every matcher."""
    period = draw.uniform(5, 40)
    y, x = np.mgrid[0:288, 0:384].astype(np.float32)
    across, down = np.sin(2 * np.pi * x / period), np.sin(2 * np.pi * y / (period * draw.uniform(0.7, 1.5)))
    kind = int(draw.integers(3))
    wave = across if kind == 0 else across * down if kind == 1 else np.minimum(across, down)
    hard = np.clip(wave * draw.uniform(1, 6), -1, 1)
    mean, step = draw.uniform(60, 190, 3), draw.uniform(-60, 60, 3)
    grain = draw.normal(0, draw.uniform(0, 6), (288, 384, 1))
    return np.clip(mean + step * hard[..., None] + grain, 0, 255).astype(np.uint8)


def lit(photo: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.uint8]:
    """The photograph with another contrast and, sometimes, a soft shadow over it."""
    out = photo.astype(np.float32)
    mean = out.mean(axis=(0, 1))
    out = mean * draw.uniform(0.7, 1.2) + (out - mean) * np.exp(draw.uniform(np.log(0.4), np.log(1.5)))
    if draw.random() < 0.3:
        shade = cv2.resize(
            draw.uniform(0.4, 1.1, (5, 6)).astype(np.float32), photo.shape[1::-1], interpolation=cv2.INTER_CUBIC
        )
        out *= np.clip(shade, 0.3, 1.1)[..., None]
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


@lru_cache(maxsize=256)
def picture(path: Path, with_opacity: bool) -> NDArray[np.uint8] | None:
    """RGB or RGBA at a longest side of at most 512 px; None where it cannot be used."""
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED if with_opacity else cv2.IMREAD_COLOR)
    if found is None or (with_opacity and (found.ndim != 3 or found.shape[2] != 4)):
        return None
    scale = 512 / max(found.shape[:2])
    if scale < 1:
        size = (max(2, round(found.shape[1] * scale)), max(2, round(found.shape[0] * scale)))
        found = cv2.resize(found, size, interpolation=cv2.INTER_AREA)
    if with_opacity:
        return np.ascontiguousarray(found[..., [2, 1, 0, 3]])
    return np.ascontiguousarray(found[..., ::-1])
