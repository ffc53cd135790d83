"""Which channel of the guided network's input says what.

The features come folded: the four pixels of a 2x2 block become channels of one half-size pixel, which is how the
network takes them. Channel c of pixel (dy, dx) in a block is plane 4 c + 2 dy + dx (PyTorch's pixel_unshuffle).

They are bytes: b stands for (b - ZERO) / UNITS. That is a quarter of the memory, and a network of whole numbers runs
several times as fast. One scale for all: scales of their own would make the first layer's weights less even, and
weights are what suffers from being whole numbers.

Compiled kernels remember these numbers: touch their files, or clear __pycache__, after a change here.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stereo_portrait.refinement.candidates import CANDIDATES

RGB = 0
OFFSETS = RGB + 3  # of the candidates after the first, from the first
COSTS = OFFSETS + CANDIDATES - 1  # colour difference left to right under each candidate
SUPPORTS = COSTS + CANDIDATES  # the second matcher's cost of each candidate
LEAST = SUPPORTS + CANDIDATES  # its lowest cost of all
SIDE_COSTS = LEAST + 1  # colour difference one pixel to either side of the base, less that of the base
STEPS = SIDE_COSTS + 2  # sub-pixel steps over two windows
DIFFERENCE = STEPS + 2  # left-right difference
REASONS = DIFFERENCE + 1  # the matcher rejected its answer, had none
DISAGREE = REASONS + 2  # the second matcher's views disagree
SHAPE = DISAGREE + 1  # base less its mean around, and its steps to the right and downwards
TEXTURE = SHAPE + 3
UNLIKE = TEXTURE + 1  # colour difference to where the surface behind was seen
AWAY = UNLIKE + 1  # how far off that is
CHANNELS = AWAY + 1

ZERO, UNITS = 96, 40  # numbers from -2.4 to 3.975: hardly any are cut off, of the side costs and the second matcher's


def as_bytes(values: ArrayLike) -> NDArray[np.uint8]:
    """The bytes that stand for these numbers, or for the nearest there are."""
    return np.asarray(
        np.clip(np.asarray(values, np.float32) * np.float32(UNITS) + np.float32(ZERO + 0.5), 0, 255), np.uint8
    )


def as_numbers(features: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the bytes stand for."""
    return (features - np.float32(ZERO)) * np.float32(1 / UNITS)
