"""The guided network's answers -> disparity: one candidate for each pixel, never a blend of two surfaces."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.refinement.evidence_features import CANDIDATES

Map = NDArray[np.float32]
STEP, OWN, SURE = CANDIDATES + 1, CANDIDATES + 2, CANDIDATES + 3
ANSWERS = CANDIDATES + 4
OWN_REACH_PX = 24.0
TOGETHER_PX = 1.0  # proposals this close to the chosen one lie on the same surface and are averaged


@numba.njit(cache=True, parallel=True)
def chosen(answers: Any, candidates: Any) -> tuple[Map, Map]:
    """(H, W) px and confidence in [0, 1] from folded answers (4 ANSWERS, H/2, W/2) and (CANDIDATES, H, W) px.

    The likeliest proposal wins; others within TOGETHER_PX of it join with their own likelihood.
    """
    count, height, width = candidates.shape
    step_at, own_at, sure_at = count + 1, count + 2, count + 3  # compiled code must not remember another file's numbers
    disparity = np.empty((height, width), np.float32)
    confidence = np.empty((height, width), np.float32)
    for y in numba.prange(height):
        row, offset = y >> 1, 2 * (y & 1)
        proposals = np.empty(count + 1, np.float32)
        for x in range(width):
            column, part = x >> 1, offset + (x & 1)
            step = np.tanh(answers[4 * step_at + part, row, column])
            best = 0
            for index in range(count):
                proposals[index] = candidates[index, y, x] + step
                if answers[4 * index + part, row, column] > answers[4 * best + part, row, column]:
                    best = index
            own = np.tanh(answers[4 * own_at + part, row, column] * np.float32(0.25))
            proposals[count] = candidates[0, y, x] + np.float32(OWN_REACH_PX) * own
            if answers[4 * count + part, row, column] > answers[4 * best + part, row, column]:
                best = count
            highest = answers[4 * best + part, row, column]
            total, weight = np.float32(0), np.float32(0)
            for index in range(count + 1):
                if abs(proposals[index] - proposals[best]) <= np.float32(TOGETHER_PX):
                    share = np.exp(answers[4 * index + part, row, column] - highest)
                    total += share * proposals[index]
                    weight += share
            disparity[y, x] = total / weight
            doubt = np.exp(-answers[4 * sure_at + part, row, column])
            confidence[y, x] = np.float32(1) / (np.float32(1) + doubt)
    return disparity, confidence
