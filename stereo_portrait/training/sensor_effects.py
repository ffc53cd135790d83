"""What a depth camera makes of a scene: shadows, lost edges, dark and shiny holes, flying pixels, steps, a shift.

Structured light and active stereo (RealSense, first Kinect) lose what their second eye does not see and quantise
disparity; time of flight mixes the depths at an edge into flying pixels. Both lose dark and shiny surfaces.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.training.layered_scenes import ExactScene

Map = NDArray[np.float32]


def sensed(scene: ExactScene, draw: np.random.Generator) -> Map:
    """(H, W) disparity-like map on the left view's grid, NaN where the sensor has nothing."""
    truth = scene.disparity_px
    lost = np.zeros(truth.shape, np.bool_)
    found = truth
    jumps = _jumps(truth)
    if draw.random() < 0.65:
        shadow = (~scene.seen).astype(np.uint8)
        grow = int(draw.integers(1, 6))
        lost |= cv2.dilate(shadow, np.ones((grow, grow), np.uint8)) > 0
        found = _fattened(found, int(draw.integers(0, 4)), draw)
    else:
        mixed = cv2.blur(found, (3, 3))
        found = np.where(jumps & (draw.random(truth.shape) < 0.7), mixed, found)
        lost |= jumps & (draw.random(truth.shape) < 0.5)
    band = cv2.dilate(jumps.astype(np.uint8), np.ones((int(draw.integers(1, 8)),) * 2, np.uint8)) > 0
    lost |= band & (_patches(truth.shape, draw, 12) < draw.uniform(0, 0.8))
    grey = cv2.cvtColor(scene.left, cv2.COLOR_RGB2GRAY)
    odd = (grey < draw.uniform(5, 50)) | (grey > draw.uniform(235, 256))
    lost |= odd & (_patches(truth.shape, draw, 30) < draw.uniform(0, 1))
    lost |= _patches(truth.shape, draw, float(draw.uniform(10, 60))) < draw.uniform(0, 0.3)
    noise = cv2.GaussianBlur(draw.standard_normal(truth.shape).astype(np.float32), (0, 0), draw.uniform(0.6, 2.5))
    found = found + noise / max(float(noise.std()), 1e-6) * draw.uniform(0, 0.02) * found
    steps = np.float32(np.exp(draw.uniform(np.log(2), np.log(16))))
    found = np.rint(found * steps) / steps if draw.random() < 0.6 else found
    shown = np.where(lost, np.float32(np.nan), found).astype(np.float32)
    if draw.random() < 0.4:
        shown = shown[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)[: truth.shape[0], : truth.shape[1]]
    across, down = (int(v) for v in np.rint(draw.normal(0, 0.8, 2)).clip(-3, 3))
    return np.ascontiguousarray(np.roll(shown, (down, across), (0, 1)))


def _jumps(values: Map) -> NDArray[np.bool_]:
    kernel = np.ones((3, 3), np.uint8)
    limit = np.maximum(np.float32(1.0), 0.04 * values)
    return np.asarray(cv2.dilate(values, kernel) - cv2.erode(values, kernel) > limit)


def _fattened(values: Map, reach: int, draw: np.random.Generator) -> Map:
    """Near surfaces grow, or shrink, by up to `reach` px, here and there."""
    if reach == 0:
        return values
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    other = cv2.dilate(values, kernel) if draw.random() < 0.7 else cv2.erode(values, kernel)
    return np.where(_patches(values.shape, draw, 15) < 0.7, other, values).astype(np.float32)


def _patches(shape: tuple[int, ...], draw: np.random.Generator, size_px: float) -> Map:
    """Smooth random field whose values are spread evenly over [0, 1]."""
    small = (max(2, round(shape[0] / size_px)), max(2, round(shape[1] / size_px)))
    field = cv2.resize(draw.random(small).astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    order = np.argsort(field.ravel())
    ranks = np.empty(order.size, np.float32)
    ranks[order] = np.linspace(0, 1, order.size, dtype=np.float32)
    return ranks.reshape(shape)
