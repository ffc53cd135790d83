"""Islands of a few pixels, nearer or farther than all around them, give way: far more often wrong than seen."""

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
ISLAND_PX = 40  # pixels of the largest one that gives way
STEP_PX = 2.0  # a larger step to its neighbours makes a pixel part of something else
FINEST = 16  # parts of a pixel that are told apart
HIGHEST = 32000  # of 16 bits, with room for the step
MARK = -1


def without_islands(disparity_px: Map, instead_px: Map) -> Map:
    """(H, W) px without NaN: what is no more than ISLAND_PX large takes its values from `instead_px` (H, W).

    Pixels hang together along rows and columns; the confidence that goes with an island stays as it was.
    """
    lowest, highest = float(disparity_px.min()), float(disparity_px.max())
    parts = min(FINEST, HIGHEST / max(highest - lowest, 1.0))
    marked = np.rint((disparity_px - np.float32(lowest)) * np.float32(parts)).astype(np.int16)
    cv2.filterSpeckles(marked, MARK, ISLAND_PX, STEP_PX * parts)
    return np.where(marked == MARK, instead_px, disparity_px)
