"""Brightness differences are undone, and only those."""

import numpy as np
import pytest

from stereo_portrait.matching.photometric import equalised
from stereo_portrait.sources import synthetic


@pytest.mark.parametrize(("gain", "exponent"), [(0.5, 1.0), (0.7, 1.0), (1.0, 0.8), (1.0, 1.25), (0.8, 0.9)])
def test_gain_and_gamma_are_undone(gain: float, exponent: float) -> None:
    view = synthetic.plane(0, 200, 120, seed=1).pair.left
    changed = np.rint(255 * gain * (view / 255.0) ** exponent).astype(np.uint8)
    left, mended = equalised(view, changed)
    assert np.abs(left.astype(int) - view).mean() < 1
    assert np.abs(mended.astype(int) - view).mean() < 3 < np.abs(changed.astype(int) - view).mean()


def test_a_pair_that_agrees_is_left_alone() -> None:
    pair = synthetic.square_in_front(20, 6, 200, 100, seed=2).pair
    left, right = equalised(pair.left, pair.right)
    assert left is pair.left
    assert right is pair.right


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_burnt_out_view_passes(level: int) -> None:
    view = synthetic.plane(0, 100, 60).pair.left
    for pair in ((view, np.full_like(view, level)), (np.full_like(view, level), view)):
        left, right = equalised(*pair)
        assert left.dtype == right.dtype == np.uint8
        assert left.shape == right.shape == view.shape
