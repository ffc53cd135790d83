"""Depth, focus and lens become a blur radius: focus range, largest blur, a subject that stays sharp."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.portrait import Focus, LensModel
from stereo_portrait.rendering.focus import FocusSettings, choose_focus
from stereo_portrait.rendering.lens import radius_map

LENS = LensModel(50, 1.8, 36)


def depths(*depth_m: float) -> DepthMap:
    """One pixel for every depth, repeated so that the picture is 1000 px wide."""
    row = np.repeat(np.array(depth_m, np.float32), 1000 // len(depth_m))[None]
    return DepthMap(row, np.ones_like(row), np.zeros(row.shape, np.uint8), "stereo")


def radii(depth: DepthMap, count: int, focus: Focus, **more: object) -> NDArray[np.float32]:
    return radius_map(depth, LENS, focus, **more)[0, :: 1000 // count]  # type: ignore[arg-type]


def test_the_radius_is_that_of_a_thin_lens_positive_in_front_and_negative_behind() -> None:
    found = radii(depths(1.0, 2.0, 4.0, np.inf), 4, Focus(2.0))
    # c = F^2 / (N (s - F)) * |s - Z| / Z on the sensor; the radius is half of it, in pixels of 36 mm / 1000
    expected = [0.05**2 / 1.8 / 1.95 * ratio / 2 / 36e-6 for ratio in (1.0, 0.0, -0.5, -1.0)]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_focus_range_is_sharp_between_its_limits_and_blur_starts_from_nothing_beyond_them() -> None:
    depth = depths(1.0, 1.49, 1.51, 2.0, 2.99, 3.01, 6.0, np.nan)
    plain, ranged = radii(depth, 8, Focus(2.0)), radii(depth, 8, Focus(2.0, range_m=(1.5, 3.0)))
    assert np.all(ranged[2:5] == 0)
    assert 0 < ranged[1] < 0.1
    assert -0.1 < ranged[5] < 0
    assert 0 < ranged[0] < plain[0]
    assert plain[6] < ranged[6] < 0
    assert np.isnan(ranged[7])


def test_the_range_in_the_settings_holds_the_focus_even_if_it_lies_outside() -> None:
    depth = depths(1.0, 2.0, 4.0, 8.0)
    assert choose_focus(depth, FocusSettings(at="2m", near_m=3, far_m=5)).range_m == (2.0, 5.0)
    assert choose_focus(depth, FocusSettings(at="2m", near_m=1.5)).range_m == (1.5, 2.0)
    assert choose_focus(depth, FocusSettings(at="2m")).range_m is None


def test_a_range_in_metres_is_refused_for_relative_depth() -> None:
    row = np.full((1, 20), 2, np.float32)
    relative = DepthMap(row, np.ones_like(row), np.zeros(row.shape, np.uint8), "monocular", metric=False)
    with pytest.raises(InputError, match="relative"):
        choose_focus(relative, FocusSettings(at="auto", near_m=1.0))


def test_the_largest_blur_holds_on_both_sides() -> None:
    found = radii(depths(0.2, 2.0, np.inf, 2.1), 4, Focus(2.0), max_radius_px=5.0)
    assert found[:3] == pytest.approx([5.0, 0.0, -5.0], abs=1e-6)
    assert -5 < found[3] < 0


def test_the_whole_subject_is_sharp_even_if_it_is_deeper_than_the_depth_of_field() -> None:
    depth = depths(1.0, 1.5, 2.0, 2.5, 6.0)
    subject = np.zeros((1, 1000), np.float32)
    subject[:, 200:800] = 1  # from 1.5 to 2.5 m
    found = radii(depth, 5, Focus(2.0), sharp=subject)
    assert np.all(found[1:4] == 0)
    assert found[0] > 1
    assert found[4] < -1
