"""The guided network's answers -> disparity: one candidate for each pixel, never a blend of two surfaces."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Mask
from stereo_portrait.core.depth import Flaw
from stereo_portrait.refinement.candidates import CANDIDATES

Map = NDArray[np.float32]
Bytes = NDArray[np.uint8]
STEP, SURE = CANDIDATES, CANDIDATES + 1  # after the log odds of the candidates
ANSWERS = CANDIDATES + 2
PLANES = -(-4 * ANSWERS // 16) * 16  # of the answers; the last say nothing: the runtime takes sixteen at a time
ANSWER_ZERO, ANSWER_UNITS = 140, 10  # byte b stands for (b - ZERO) / UNITS
FINER = 4  # the step is said this many times as large: it needs finer steps than log odds
FASTMATH = {"contract", "reassoc", "nsz", "arcp", "nnan"}
KEPT_PX = 1.0  # a filled pixel whose new value lies this near what was measured there is measured after all
INVENTED = 0.5  # most confidence of a filled pixel
FILLED = int(Flaw.FILLED)
TOGETHER_PX = 1.0  # proposals this close to one another lie on the same surface
CAUTION = np.array([1.6, 1.8, -0.4, -0.2, 0.5], np.float32)
"""Log odds that the candidates gain: drawn scenes, from which the network learned, reward leaving the base and its
median too much, and going behind too little."""


def chosen(answers: Bytes, candidates: Map, filled: Mask) -> tuple[Map, Map]:
    """(H, W) px and confidence in [0, 1] from folded answers (PLANES, H/2, W/2) and (CANDIDATES, H, W) px.

    Candidates within TOGETHER_PX of one another lie on one surface and share their likelihood: the likeliest surface
    wins, at the mean of its candidates. One correction of less than a pixel goes with them all. Half of it is made
    where `filled` (H, W): nothing was measured there that it could be read from, it is only what most often was right.
    """
    disparity_px, confidence = np.empty((2, *candidates.shape[1:]), np.float32)
    in_bands(_choose, len(disparity_px), answers.size, answers, candidates, CAUTION, filled, disparity_px, confidence)
    return disparity_px, confidence


def settled(disparity_px: Map, confidence: Map, raw_px: Map, flaws: Bytes) -> Bytes:
    """(H, W) `flaws` after the choice: a filled pixel that found back to what was measured there is measured after all.

    `raw_px` (H, W) is what the matcher said before judging, NaN where nothing. `confidence` changes in place: what
    stays filled is never sure.
    """
    after = np.empty_like(flaws)
    in_bands(_settle, len(flaws), flaws.size, disparity_px, raw_px, flaws, confidence, after)
    return after


@numba.njit(cache=True, nogil=True)
def _settle(top: int, bottom: int, disparity: Any, raw: Any, flaws: Any, confidence: Any, after: Any) -> None:
    for y in range(top, bottom):
        for x in range(flaws.shape[1]):
            flaw, sure = flaws[y, x], confidence[y, x]
            back = (abs(disparity[y, x] - raw[y, x]) <= np.float32(KEPT_PX)) & (sure > np.float32(INVENTED))  # not NaN
            after[y, x] = flaw & np.uint8(255 - FILLED) if back else flaw
            confidence[y, x] = min(sure, np.float32(INVENTED)) if (flaw & FILLED) and not back else sure


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


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _choose(
    top: int,
    bottom: int,
    answers: Any,
    candidates: Any,
    caution: Any,
    filled: Any,
    disparity: Any,
    confidence: Any,
) -> None:
    """Row by row of one part of every block of 2 x 2, so that each loop runs over neighbours in memory."""
    count, _, width = candidates.shape
    step_at, sure_at = count, count + 1  # STEP and SURE; compiled code would remember another file's numbers
    half = width // 2
    odds, proposals = np.empty((count, half), np.float32), np.empty((count, half), np.float32)
    made, step = np.empty(width, np.float32), np.empty(half, np.float32)  # how much of the step is made, and the step
    found, trust = np.empty((2, half), np.float32), np.empty((2, half), np.float32)
    for y in range(top, bottom):
        row = y >> 1
        for x in range(width):
            made[x] = np.float32(1) - np.float32(0.5) * np.float32(filled[y, x])
        for dx in range(2):
            part = 2 * (y & 1) + dx
            for index in range(count):
                _numbers(answers[4 * index + part, row], ANSWER_ZERO, ANSWER_UNITS, caution[index], odds[index])
            _numbers(answers[4 * step_at + part, row], ANSWER_ZERO, FINER * ANSWER_UNITS, np.float32(0), step)
            sure = trust[dx]
            _numbers(answers[4 * sure_at + part, row], ANSWER_ZERO, ANSWER_UNITS, np.float32(0), sure)
            for x in range(half):
                sure[x] = np.float32(0.5) + np.float32(0.5) * _tanh(sure[x] * np.float32(0.5))
            for x in range(half):
                step[x] = _tanh(step[x])
            for x in range(half):
                step[x] *= made[np.uint32(2 * x + dx)]
            for index in range(count):
                _sums(candidates[index, y], dx, step, proposals[index])
            _likeliest(odds, proposals, found[dx])
        _interleaved(found, disparity[y])
        _interleaved(trust, confidence[y])


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _numbers(coded: Any, zero: int, units: int, more: Any, out: Any) -> None:
    for x in range(out.shape[0]):
        out[x] = (np.float32(coded[x]) - np.float32(zero)) * (np.float32(1) / np.float32(units)) + more


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sums(candidate: Any, dx: int, step: Any, out: Any) -> None:
    """Every other value of a row, and what is added to it."""
    for x in range(out.shape[0]):
        out[x] = candidate[np.uint32(2 * x + dx)] + step[x]


@numba.njit(cache=True, nogil=True)
def _interleaved(halves: Any, out: Any) -> None:
    """(2, W/2), of even and of odd columns, as one row."""
    even, odd = halves[0], halves[1]
    for x in range(even.shape[0]):
        out[2 * x] = even[x]
        out[2 * x + 1] = odd[x]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _likeliest(odds: Any, proposals: Any, out: Any) -> None:
    """The mean of the likeliest proposals within TOGETHER_PX of one of them; all (C, W)."""
    count, width = odds.shape
    share = np.empty((count, width), np.float32)
    room = np.zeros((5, width), np.float32)
    highest, most, best, total, moved = room[0], room[1], room[2], room[3], room[4]
    highest[:] = odds[0]
    for index in range(1, count):
        odd = odds[index]
        for x in range(width):
            highest[x] = max(highest[x], odd[x])
    for index in range(count):
        odd, part = odds[index], share[index]
        for x in range(width):
            part[x] = _exp(odd[x] - highest[x])
    for index in range(count):
        middle = proposals[index]
        total[:], moved[:] = 0, 0
        for other in range(count):
            _join(middle, proposals[other], share[other], total, moved)
        for x in range(width):
            sum_here, mean_here, kept, before = total[x], middle[x] + moved[x] / total[x], best[x], most[x]
            best[x] = mean_here if sum_here > before else kept  # loads in a branch do not vectorise
            most[x] = sum_here if sum_here > before else before
    out[:] = best


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _join(middle: Any, proposal: Any, share: Any, total: Any, moved: Any) -> None:
    """Add a proposal's share, and how far it moves the mean, where it lies within TOGETHER_PX of `middle`."""
    for x in range(middle.shape[0]):
        off = proposal[x] - middle[x]
        part = share[x] if abs(off) <= np.float32(TOGETHER_PX) else np.float32(0)
        total[x] += part
        moved[x] += part * off
