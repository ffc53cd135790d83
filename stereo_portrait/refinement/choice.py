"""The guided network's answers -> disparity: one candidate for each pixel, never a blend of two surfaces."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.refinement.candidates import CANDIDATES, SMOOTHED

Map = NDArray[np.float32]
STEP, OWN, SURE = CANDIDATES + 1, CANDIDATES + 2, CANDIDATES + 3
ANSWERS = CANDIDATES + 4
OWN_REACH_PX = 24.0
TOGETHER_PX = 1.0  # proposals this close to the chosen one lie on the same surface and are averaged
SAFE = np.array([0, 2, SMOOTHED])  # base, median, smoothed
CAUTION = 2.5  # log odds the safe ones gain: drawn scenes, from which the network learned, reward ventures too much


def chosen(answers: Map, candidates: Map) -> tuple[Map, Map]:
    """(H, W) px and confidence in [0, 1] from folded answers (4 ANSWERS, H/2, W/2) and (CANDIDATES, H, W) px.

    The likeliest proposal wins; others within TOGETHER_PX of it join with their own likelihood.
    """
    disparity_px, confidence = np.empty((2, *candidates.shape[1:]), np.float32)
    in_bands(_choose, len(disparity_px), answers.size, answers, candidates, SAFE, disparity_px, confidence)
    return disparity_px, confidence


@numba.njit(cache=True, inline="always")
def _exp(x: Any) -> Any:
    """e to the x <= 0, within 2 % down to -6 and never negative; a few multiplications, which vectorise."""
    y = max(np.float32(1) + x * np.float32(1 / 1024), np.float32(0))
    for _ in range(10):
        y *= y
    return y


@numba.njit(cache=True, inline="always")
def _tanh(x: Any) -> Any:
    """Within 0.0001, by the continued fraction's seventh convergent; vectorises where the library's does not."""
    x = min(max(x, np.float32(-4.97)), np.float32(4.97))
    s = x * x
    above = x * (np.float32(135135) + s * (np.float32(17325) + s * (np.float32(378) + s)))
    below = np.float32(135135) + s * (np.float32(62370) + s * (np.float32(3150) + s * np.float32(28)))
    return above / below


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp", "nnan"})
def _choose(top: int, bottom: int, answers: Any, candidates: Any, safe: Any, disparity: Any, confidence: Any) -> None:
    """Row by row of one part of every block of 2 x 2, so that each loop runs over neighbours in memory."""
    count, _, width = candidates.shape
    step_at, own_at, sure_at = count + 1, count + 2, count + 3  # compiled code must not remember another file's numbers
    half = width // 2
    odds, proposals = np.empty((count + 1, half), np.float32), np.empty((count + 1, half), np.float32)
    highest, best = np.empty(half, np.float32), np.empty(half, np.float32)
    for y in range(top, bottom):
        row = y >> 1
        for dx in range(2):
            part = 2 * (y & 1) + dx
            for index in range(count + 1):
                odds[index] = answers[4 * index + part, row]
            for index in safe:
                for x in range(half):
                    odds[index, x] += np.float32(CAUTION)
            steps, owns = answers[4 * step_at + part, row], answers[4 * own_at + part, row]
            for x in range(half):
                step = _tanh(steps[x])
                for index in range(count):
                    proposals[index, x] = candidates[index, y, 2 * x + dx] + step
                own = np.float32(OWN_REACH_PX) * _tanh(owns[x] * np.float32(0.25))
                proposals[count, x] = candidates[0, y, 2 * x + dx] + own
            highest[:] = odds[0]
            best[:] = proposals[0]
            for index in range(1, count + 1):
                for x in range(half):
                    if odds[index, x] > highest[x]:
                        highest[x] = odds[index, x]
                        best[x] = proposals[index, x]
            total, weight = np.zeros(half, np.float32), np.zeros(half, np.float32)
            for index in range(count + 1):
                for x in range(half):
                    near = abs(proposals[index, x] - best[x]) <= np.float32(TOGETHER_PX)
                    share = _exp(odds[index, x] - highest[x]) if near else np.float32(0)
                    total[x] += share * (proposals[index, x] - best[x])
                    weight[x] += share
            sure = answers[4 * sure_at + part, row]
            for x in range(half):
                disparity[y, 2 * x + dx] = best[x] + total[x] / weight[x]
                confidence[y, 2 * x + dx] = np.float32(0.5) + np.float32(0.5) * _tanh(sure[x] * np.float32(0.5))
