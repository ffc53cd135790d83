"""What gives way is small and stands alone."""

import numpy as np
import pytest

from stereo_portrait.refinement.islands import ISLAND_PX, without_islands


def scene(side_px: int, step_px: float) -> np.ndarray:
    flat = np.full((40, 60), 10, np.float32)
    flat[12 : 12 + side_px, 20 : 20 + side_px] += step_px
    return flat


@pytest.mark.parametrize("step_px", [-8.0, 3.0, 20.0])
def test_an_island_gives_way_and_all_else_stays(step_px: float) -> None:
    side_px = int(ISLAND_PX**0.5)
    before = scene(side_px, step_px)
    after = without_islands(before, np.full_like(before, 11))
    assert np.array_equal(after, np.where(before == 10, before, 11))


def test_what_is_larger_or_hardly_apart_stays() -> None:
    for before in (scene(7, 8), scene(3, 1.5)):
        assert np.array_equal(without_islands(before, np.zeros_like(before)), before)


def test_a_slant_and_a_thin_line_stay() -> None:
    x = np.arange(200, dtype=np.float32)
    slant = np.tile(5 + 0.5 * x, (50, 1))
    slant[20] += 9
    assert np.array_equal(without_islands(slant, np.zeros_like(slant)), slant)


@pytest.mark.parametrize("span_px", [0.0, 30.0, 5000.0])
def test_any_range_of_disparities_is_told_apart(span_px: float) -> None:
    before = scene(3, 200)
    before[:, 40:] += np.float32(span_px)
    after = without_islands(before, np.full_like(before, 10))
    assert (after[12:15, 20:23] == 10).all()
    assert np.array_equal(after[:, 40:], before[:, 40:])
