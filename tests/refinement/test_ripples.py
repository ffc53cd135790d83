"""The last step of the guided network: parts of a pixel are evened out."""

import numpy as np
import pytest

from stereo_portrait.refinement.ripples import RADIUS_PX, without_ripples


def test_ripples_go_and_steps_stay() -> None:
    x = np.arange(120, dtype=np.float32)[None]
    surfaces = np.where(x < 60, 20 + 0.05 * x, 24 - 0.02 * x).astype(np.float32).repeat(40, axis=0)  # a step of 0.2
    surfaces[:, 90:] += 3
    rough = surfaces + np.random.default_rng(0).normal(0, 0.15, surfaces.shape).astype(np.float32)
    error = np.abs(without_ripples(rough) - surfaces)
    assert error.mean() < 0.5 * np.abs(rough - surfaces).mean()
    assert error[:, 86:94].max() < 0.5


def test_a_slant_is_not_bent_not_even_at_the_rim() -> None:
    y, x = np.mgrid[:30, :50].astype(np.float32)
    slant = 10 + 0.1 * x + 0.05 * y
    assert np.abs(without_ripples(slant) - slant).max() < 1e-4


def test_what_lies_two_pixels_off_counts_nothing() -> None:
    stray = np.full((20, 20), 5, np.float32)
    stray[10, 10] = 7
    assert (without_ripples(stray) == stray).all()


@pytest.mark.parametrize(("height_px", "width_px"), [(1, 1), (3, 40), (40, 3), (9, 9), (8, 8)])
def test_pictures_smaller_than_the_window_pass_through(height_px: int, width_px: int) -> None:
    rough = np.random.default_rng(1).normal(9, 0.1, (height_px, width_px)).astype(np.float32)
    even = without_ripples(rough)
    if min(height_px, width_px) <= 2 * RADIUS_PX and max(height_px, width_px) <= 2 * RADIUS_PX:
        assert (even == rough).all()
    else:
        assert even.std() < rough.std()
