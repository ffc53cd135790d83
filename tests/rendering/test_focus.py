"""Focus on the subject's mask works for any depth, and says so when there is no subject."""

import numpy as np
import pytest

from stereo_portrait.core.depth import DepthMap
from stereo_portrait.core.errors import InputError
from stereo_portrait.rendering.focus import FocusSettings, choose_focus


def deep_scene() -> tuple[DepthMap, np.ndarray]:
    """A plant near the middle before a wall, a table nearer still; and the plant's mask."""
    depth_m = np.full((60, 80), 6, np.float32)
    depth_m[45:] = 0.8
    mask = np.zeros((60, 80), np.float32)
    mask[10:45, 30:50] = 1
    depth_m[mask > 0] = np.linspace(1.6, 2.4, int(mask.sum()), dtype=np.float32)
    sure = np.ones(depth_m.shape, np.float32)
    return DepthMap(depth_m, sure, np.zeros(depth_m.shape, np.uint8), "stereo"), mask


def test_focus_on_the_subject_takes_its_mask_not_what_is_nearest() -> None:
    depth, mask = deep_scene()
    focus = choose_focus(depth, FocusSettings(at="subject"), mask)
    assert focus.how == "subject"
    assert 1.8 < focus.distance_m < 2.2


@pytest.mark.parametrize("mask", [None, np.zeros((60, 80), np.float32)])
def test_without_a_subject_the_way_out_is_named(mask: np.ndarray | None) -> None:
    with pytest.raises(InputError, match="no subject stands out"):
        choose_focus(deep_scene()[0], FocusSettings(at="subject"), mask)
