"""Which channel of the guided network's input says what.

The features come folded: the four pixels of a 2x2 block become channels of one half-size pixel, which is how the
network takes them. Channel c of pixel (dy, dx) in a block is plane 4 c + 2 dy + dx (PyTorch's pixel_unshuffle).
"""

from stereo_portrait.refinement.candidates import CANDIDATES, SOURCES

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
UNLIKE = TEXTURE + 1  # colour difference to where a carried value comes from
AWAY = UNLIKE + SOURCES  # how far off the surfaces behind are
CHANNELS = AWAY + 2
