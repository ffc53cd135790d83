"""Sub-pixel steps: the sums that they are made of, and that they point the right way."""

from itertools import pairwise

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stereo_portrait.refinement.evidence_layout import CHANNELS, STEPS, as_bytes
from stereo_portrait.refinement.step_kernels import LEAST_SLOPE, fill_steps


def steps_of(product: NDArray[np.float32], square: NDArray[np.float32], bands: int = 1) -> NDArray[np.uint8]:
    """(2, H, W) bytes: over the narrow window and the wide one."""
    height, width = product.shape
    features = np.zeros((4 * CHANNELS, height // 2, width // 2), np.uint8)
    limits = [height * i // bands for i in range(bands + 1)]
    for top, bottom in pairwise(limits):
        fill_steps(top, bottom, features, product, square)
    planes = features[4 * STEPS : 4 * (STEPS + 2)].reshape(2, 2, 2, height // 2, width // 2)
    return planes.transpose(0, 3, 1, 4, 2).reshape(2, height, width)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000), half_height=st.integers(4, 20), half_width=st.integers(4, 24), bands=st.integers(1, 3)
)
def test_sums_are_those_of_a_box_filter_with_mirrored_sides(
    seed: int, half_height: int, half_width: int, bands: int
) -> None:
    shape = (2 * half_height, 2 * half_width)
    draw = np.random.default_rng(seed)
    product, square = (draw.normal(0, 40, shape).astype(np.float32) for _ in range(2))
    square **= 2
    found = steps_of(product, square, bands)
    for steps, side in zip(found, (5, 13), strict=True):
        over, under = (cv2.boxFilter(part, -1, (side, side)) for part in (product, square))
        wanted = as_bytes(np.clip(-over / (under + np.float32(LEAST_SLOPE)), -1, 1))
        assert np.abs(steps.astype(int) - wanted).max() <= 1
