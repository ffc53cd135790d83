"""A radius map -> few layers, cut where depth jumps."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import at_once

Map = NDArray[np.float32]
LEAST_JUMP_PX = 1.0  # smaller jumps of the blur radius are not worth a layer
BINS = 512
MOST_EDGES = 60_000
SMALLEST_GAIN = 0.025  # of all jumps: what a further cut must add


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Where the range of radii is cut into layers, far to near."""

    at: NDArray[np.float32]  # (N - 1,) radii between the layers, rising
    overlap: NDArray[np.float32]  # (N - 1,) how far a layer goes on beneath the next nearer one, px of radius

    @property
    def count(self) -> int:
        """Number of layers."""
        return len(self.at) + 1

    @property
    def goes_on(self) -> NDArray[np.float32]:
        """(N - 1,) the radius up to which a layer goes on beneath the next nearer one."""
        return self.at + self.overlap

    def index(self, radius: Map) -> NDArray[np.uint8]:
        """The layer of every radius."""
        found = np.zeros(radius.shape, np.uint8)
        for cut in self.at:
            found += radius > cut
        return found


def window_range(radius: Map, reach: int) -> tuple[Map, Map]:
    """Largest and smallest value in a square window."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    largest, smallest = at_once(lambda: cv2.dilate(radius, square), lambda: cv2.erode(radius, square))
    return largest, smallest


def choose_cuts(near: Map, far: Map, most: int) -> Cuts:
    """Cut greedily where most of the jump is separated; `near` and `far` are the two radii that meet at edge pixels.

    A jump is separated when at least one cut lies between its ends; each cut goes to the middle of the gap that
    separates most.
    """
    jump = near - far
    keep = jump > LEAST_JUMP_PX
    near, far, jump = near[keep], far[keep], jump[keep]
    if near.size == 0:
        return Cuts(np.zeros(0, np.float32), np.zeros(0, np.float32))
    if near.size > MOST_EDGES:
        step = near.size // MOST_EDGES + 1
        near, far, jump = near[::step], far[::step], jump[::step]
    low, high = float(far.min()), float(near.max())
    scale = (BINS - 1) / max(high - low, 1e-6)
    first = np.ceil((far + 0.15 * jump - low) * scale).astype(np.int64)
    last = np.maximum(np.floor((near - 0.15 * jump - low) * scale).astype(np.int64), first)
    worth = np.minimum(jump, 8.0).astype(np.float64)
    total, cuts = worth.sum(), []
    for _ in range(most - 1):
        starts = np.bincount(np.minimum(first, BINS), worth, BINS + 1)
        ends = np.bincount(np.minimum(last + 1, BINS), worth, BINS + 1)
        gain = np.cumsum(starts - ends)[:BINS]
        best = int(gain.argmax())
        if gain[best] < SMALLEST_GAIN * total:
            break
        start = end = best
        while start > 0 and gain[start - 1] > 0.97 * gain[best]:
            start -= 1
        while end < BINS - 1 and gain[end + 1] > 0.97 * gain[best]:
            end += 1
        middle = (start + end) // 2
        cut = (first <= middle) & (last >= middle)
        value = low + middle / scale
        gap = float(np.percentile(near[cut], 3)) - value if cut.any() else 0.0
        cuts.append((value, min(max(0.5 * gap, 0.0), 4.0)))
        first, last, worth, near = first[~cut], last[~cut], worth[~cut], near[~cut]
        if worth.size == 0:
            break
    cuts.sort()
    return Cuts(np.array([c[0] for c in cuts], np.float32), np.array([c[1] for c in cuts], np.float32))
