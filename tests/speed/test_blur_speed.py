"""Milliseconds per megapixel of the lens blur, beside the Gaussian of the simple recipe."""

import os
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering import make_renderer
from stereo_portrait.rendering.bokeh import BokehRenderer, BokehSettings

Map = NDArray[np.float32]
pytestmark = pytest.mark.speed


def motorcycle(width: int, height: int, widest: float) -> tuple[Map, Map]:
    """The built-in photo and a blur radius of up to `widest` px behind its near parts."""
    import cv2
    from skimage.data import stereo_motorcycle

    from stereo_portrait.rendering.bokeh_layers import known_everywhere
    from stereo_portrait.rendering.light import linear_from_srgb

    left, _, disparity = stereo_motorcycle()
    known = known_everywhere(np.where(np.isfinite(disparity), disparity, np.nan).astype(np.float32))
    linear = linear_from_srgb(cv2.resize(left, (width, height), interpolation=cv2.INTER_CUBIC))
    enlarged = cv2.resize(known, (width, height), interpolation=cv2.INTER_NEAREST)
    return linear, ((enlarged - 55) * np.float32(widest / 48)).astype(np.float32)


def best_ms(render: Callable[[Map, Map, Aperture], Map], linear: Map, radius: Map, runs: int = 5) -> float:
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        render(linear, radius, Aperture())
        times.append((time.perf_counter() - started) * 1000)
    return min(times)


def test_time_hardly_grows_with_the_radius() -> None:
    times = {}
    for widest in (16, 32, 64):
        linear, radius = motorcycle(1200, 840, widest)
        times[widest] = best_ms(BokehRenderer().render, linear, radius) / 1.008
        simple = best_ms(make_renderer("gaussian").render, linear, radius, 2) / 1.008
        load = os.getloadavg()[0]
        print(f"\nbokeh radius {widest}: {times[widest]:.0f} ms/MP (mask + Gaussian {simple:.0f}), load {load:.1f}")
    assert times[64] / times[16] < 1.6


def test_the_preview_is_quick_at_640x480() -> None:
    linear, radius = motorcycle(640, 480, 24)
    found = best_ms(BokehRenderer(BokehSettings(quality="preview")).render, linear, radius, 20)
    print(f"\npreview 640x480: {found:.1f} ms, load {os.getloadavg()[0]:.1f}")
    assert found < 100
