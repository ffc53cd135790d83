"""What two real cameras do to a perfect pair: noise, softness, exposure, colour, rows that do not quite meet, JPEG."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def photographed(left: Image, right: Image, draw: np.random.Generator) -> tuple[Image, Image]:
    """The pair as two imperfect cameras would have given it; the left view's geometry is untouched."""
    right_f = _misaligned(right, draw).astype(np.float32)
    left_f = left.astype(np.float32)
    softness = draw.uniform(0, 0.7) if draw.random() < 0.6 else 0.0
    unequal = draw.uniform(-0.35, 0.35) if draw.random() < 0.3 else 0.0
    left_f, right_f = _soft(left_f, softness + max(0.0, unequal)), _soft(right_f, softness + max(0.0, -unequal))
    if draw.random() < 0.6:
        right_f = _exposed(right_f, draw, 0.5 if draw.random() < 0.15 else 0.12)
    if draw.random() < 0.2:
        left_f, right_f = _vignetted(left_f, draw), _vignetted(right_f, draw)
    if draw.random() < 0.6:
        right_f = right_f * _uneven(right_f.shape, draw)
    sigma = 0.4 + abs(draw.normal(0, 2.2)) if draw.random() < 0.85 else draw.uniform(4, 10)
    views = [_noisy(v, sigma, draw) for v in (left_f, right_f)]
    if draw.random() < 0.4:
        quality = int(draw.integers(70, 99))
        views = [_jpeg(v, quality) for v in views]
    return views[0], views[1]


def _misaligned(right: Image, draw: np.random.Generator) -> Image:
    """Rows off by up to about a pixel, and a trace of rotation."""
    if draw.random() < 0.5:
        return right
    height, width = right.shape[:2]
    off_px = float(np.clip(draw.normal(0, 0.25), -1, 1))
    turn_rad = draw.normal(0, 0.2) / width
    move = np.float32([[1, 0, 0], [turn_rad, 1, off_px - turn_rad * width / 2]])
    return np.asarray(
        cv2.warpAffine(right, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    )


def _soft(view: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    return view if sigma_px < 0.2 else np.asarray(cv2.GaussianBlur(view, (0, 0), sigma_px))


def _exposed(view: NDArray[np.float32], draw: np.random.Generator, most: float) -> NDArray[np.float32]:
    gain = np.exp(draw.uniform(-most, most) + draw.normal(0, 0.03, 3))
    exponent = np.exp(draw.normal(0, 0.06))
    return np.asarray(255 * np.clip(view / 255, 0, 1) ** exponent * gain, np.float32)


def _uneven(shape: tuple[int, ...], draw: np.random.Generator) -> NDArray[np.float32]:
    """(H, W, 1) gain that changes slowly, as surfaces shine differently to either side, and some glints."""
    small = draw.normal(0, draw.uniform(0.01, 0.1), (5, 7)).astype(np.float32)
    gain = np.exp(cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))
    for _ in range(int(draw.integers(0, 5))):
        middle = (int(draw.integers(shape[1])), int(draw.integers(shape[0])))
        glint = np.zeros(shape[:2], np.float32)
        cv2.circle(glint, middle, int(draw.integers(3, 20)), float(draw.uniform(-0.4, 0.8)), -1)
        gain = gain * (1 + cv2.GaussianBlur(glint, (0, 0), float(draw.uniform(2, 8))))
    return np.asarray(gain[..., None], np.float32)


def _vignetted(view: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    height, width = view.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fall = 1 - draw.uniform(0, 0.35) * (x**2 + y**2) / 2
    return np.asarray(view * fall[..., None], np.float32)


def _noisy(view: NDArray[np.float32], sigma: float, draw: np.random.Generator) -> Image:
    """Noise of `sigma` grey levels, stronger in the light as photons have it."""
    scale = sigma * np.sqrt(0.4 + 1.2 * np.clip(view, 0, 255) / 255)
    noise = draw.standard_normal(view.shape, dtype=np.float32)
    return np.clip(np.rint(view + noise * scale), 0, 255).astype(np.uint8)


def _jpeg(view: Image, quality: int) -> Image:
    coded = cv2.imencode(".jpg", view[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
