"""Exact scenes are exact: the truth warps one view onto the other."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from stereo_portrait.core.capture import Scene
from stereo_portrait.sources import synthetic

SCENES: list[Callable[[int], Scene]] = [
    lambda seed: synthetic.plane(7.25, 200, 60, seed),
    lambda seed: synthetic.plane(-3.5, 200, 60, seed),
    lambda seed: synthetic.slanted_plane(15, 0.08, 200, 60, seed),
    lambda seed: synthetic.square_in_front(24, 6.5, 200, 100, seed, side_px=50),
]


@pytest.mark.parametrize("make", SCENES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_truth_carries_the_right_view_onto_the_left(make: Callable[[int], Scene], seed: int) -> None:
    scene = make(seed)
    height, width = scene.truth_disparity_px.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    right = scene.pair.right.astype(np.float32)
    warped = cv2.remap(right, x - scene.truth_disparity_px, y, cv2.INTER_LANCZOS4)
    assert scene.non_occluded is not None
    seen = cv2.erode(scene.non_occluded.astype(np.uint8), np.ones((11, 11), np.uint8), borderValue=0) > 0
    inner = (x - scene.truth_disparity_px > 6) & (x - scene.truth_disparity_px < width - 7) & seen
    error = np.abs(warped - scene.pair.left)[inner]
    assert inner.mean() > 0.5
    assert error.mean() < 1.5  # grey levels: rounding to bytes and the warp's own interpolation
    assert np.percentile(error, 99) < 6


def test_one_seed_gives_one_picture() -> None:
    pictures = [synthetic.plane(5, 64, 32, seed).pair.left for seed in (3, 3, 4)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_the_hidden_strip_is_as_wide_as_the_jump() -> None:
    scene = synthetic.square_in_front(30, 10, 300, 100, side_px=60)
    assert scene.non_occluded is not None
    row = ~scene.non_occluded[50]
    assert row[:10].all()  # the right camera's picture starts there
    assert row[40:].sum() == pytest.approx(20, abs=1)


def test_the_search_range_holds_the_truth() -> None:
    for make in SCENES:
        scene = make(0)
        assert np.nanmax(scene.truth_disparity_px) < scene.max_disparity_px
