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


def ms(render: Callable[[Map, Map, Aperture], Map], linear: Map, radius: Map) -> float:
    started = time.perf_counter()
    render(linear, radius, Aperture())
    return (time.perf_counter() - started) * 1000


def test_time_hardly_grows_with_the_radius_and_stays_near_a_gaussian() -> None:
    scenes = {widest: motorcycle(1200, 840, widest) for widest in (16, 32, 64)}
    renderers = {"bokeh": BokehRenderer().render, "gaussian": make_renderer("gaussian").render}
    best: dict[tuple[str, int], float] = {}
    for _ in range(7):  # by turns, so that a busy moment of the machine falls on all of them
        for name, render in renderers.items():
            for widest, scene in scenes.items():
                best[name, widest] = min(best.get((name, widest), np.inf), ms(render, *scene) / 1.008)
    for widest in scenes:
        took, simple = best["bokeh", widest], best["gaussian", widest]
        load = os.getloadavg()[0]
        print(f"\nbokeh radius {widest}: {took:.0f} ms/MP (mask + Gaussian {simple:.0f}), load {load:.1f}")
    assert best["bokeh", 64] / best["bokeh", 16] < 1.5
    assert best["bokeh", 32] / best["gaussian", 32] < 5
    assert best["bokeh", 64] / best["gaussian", 64] < 3


def test_the_preview_is_quick_at_640x480() -> None:
    scene = motorcycle(640, 480, 24)
    preview, full = BokehRenderer(BokehSettings(quality="preview")).render, BokehRenderer().render
    times = [(ms(preview, *scene), ms(full, *scene)) for _ in range(20)]
    quick, careful = (min(column) for column in zip(*times, strict=True))
    print(f"\npreview 640x480: {quick:.1f} ms (full quality {careful:.1f}), load {os.getloadavg()[0]:.1f}")
    assert quick < 50
    assert quick < 0.7 * careful
