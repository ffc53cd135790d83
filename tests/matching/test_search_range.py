"""A coarse look finds the disparities worth searching."""

from pathlib import Path

import numpy as np
import pytest

from stereo_portrait.core.pfm import read_pfm
from stereo_portrait.matching.search_range import find_range
from stereo_portrait.sources import synthetic
from stereo_portrait.sources.image_file import read_photo


@pytest.mark.parametrize(("low_px", "high_px"), [(2, 9), (12, 60), (-20, 5), (30, 130)])
def test_the_range_holds_the_scene_and_not_much_more(low_px: float, high_px: float) -> None:
    pair = synthetic.square_in_front(high_px, low_px, 480, 240, seed=1, side_px=110).pair
    lowest, highest = find_range(pair.left, pair.right)
    assert lowest <= low_px
    assert highest >= high_px
    assert highest - lowest < 1.6 * (high_px - low_px) + 40


def test_pictures_that_share_nothing_get_a_plain_range() -> None:
    rng = np.random.default_rng(0)
    left, right = (rng.integers(0, 256, (120, 160, 3), np.uint8) for _ in range(2))
    assert find_range(left, right) == (0, 40)


def test_a_real_scene_is_covered(sample_data: Path) -> None:
    folder = sample_data / "middlebury2014" / "Motorcycle_Q"
    truth = read_pfm(folder / "disp0GT.pfm")
    known = truth[np.isfinite(truth)]
    lowest, highest = find_range(read_photo(folder / "im0.png").pixels, read_photo(folder / "im1.png").pixels)
    assert lowest <= known.min()
    assert known.max() <= highest <= known.max() + 20
