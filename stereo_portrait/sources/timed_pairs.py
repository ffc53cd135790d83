"""Two streams of pictures with times of their own -> pairs of one moment."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stereo_portrait.core.capture import Image
from stereo_portrait.core.stream import SourceHealth
from stereo_portrait.sources.recorded import Layout

WAITING = 16  # pictures of one side that may wait for the other; more means that the other has stopped


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One view at one moment; decoding is left until it is known that the picture will be used."""

    time_s: float  # on a clock that both views share
    number: int  # counted by its stream from 0
    load: Callable[[], Image | None]  # None where the data are damaged


class Pairer:
    """Pairs the nearest in time; what has no partner is counted in `health.dropped`.

    Two heads closer than half the shorter frame interval belong together at once. Farther apart, the older one waits
    to see whether the next of its side comes nearer; at last it is paired if the gap is under `max_gap_s`.
    """

    def __init__(self, interval_s: float, max_gap_s: float, health: SourceHealth, most_waiting: int = WAITING) -> None:
        self.most_waiting = most_waiting
        self.half_s, self.max_gap_s, self.health = interval_s / 2, max_gap_s, health
        self.waiting: tuple[deque[Picture], deque[Picture]] = (deque(), deque())

    def offer(self, side: int, picture: Picture) -> None:
        """Add the next picture of the left (0) or right (1) stream."""
        self.waiting[side].append(picture)
        if len(self.waiting[side]) > self.most_waiting:
            self._drop(side)

    def wants(self) -> int:
        """The side whose next picture decides."""
        left, right = self.waiting
        if left and right:
            return int(right[0].time_s < left[0].time_s)
        return int(bool(left))

    def take(self, patient: bool = True) -> tuple[Picture, Picture] | None:
        """The next pair, or None while more pictures are needed; without patience what is there decides."""
        left, right = self.waiting
        while left and right:
            older = self.waiting[self.wants()]
            other_s = self.waiting[1 - self.wants()][0].time_s
            gap_s = other_s - older[0].time_s
            if gap_s > self.half_s:
                if len(older) == 1 and patient:
                    return None
                if gap_s > self.max_gap_s or (len(older) > 1 and abs(older[1].time_s - other_s) < gap_s):
                    self._drop(self.wants())
                    continue
            return left.popleft(), right.popleft()
        return None

    def clear(self) -> None:
        """Forget what waits, counted as dropped."""
        for side in (0, 1):
            while self.waiting[side]:
                self._drop(side)

    def _drop(self, side: int) -> None:
        self.waiting[side].popleft()
        self.health.dropped += 1


def pair_streams(
    left: Iterator[Picture], right: Iterator[Picture], pairer: Pairer
) -> Iterator[tuple[Picture, Picture]]:
    """Pairs of two streams that wait to be read (files), until either ends."""
    streams, ended = (left, right), False
    while True:
        pair = pairer.take(patient=not ended)
        if pair is not None:
            yield pair
            continue
        if ended:
            break
        side = pairer.wants()
        picture = next(streams[side], None)
        if picture is None:
            ended = True
            continue
        pairer.offer(side, picture)
    pairer.clear()


def measure_skew(pair: tuple[Picture, Picture], interval_s: float | None, health: SourceHealth) -> float:
    """Milliseconds from the left to the right view; noted once when above half a frame."""
    skew_ms = (pair[1].time_s - pair[0].time_s) * 1000
    health.worst_skew_ms = max(health.worst_skew_ms, abs(skew_ms))
    if interval_s is not None and abs(skew_ms) > interval_s * 500 * 1.001:  # a hair above half: rounding of times
        health.note(
            f"left and right were taken {abs(skew_ms):.1f} ms apart, more than half a frame: "
            "what moves will have wrong depth; use cameras that are triggered together"
        )
    return skew_ms


def split_views(picture: Image, layout: Layout) -> tuple[Image, Image] | None:
    """The two views in one picture; None where its side is odd and cannot be halved."""
    axis = 1 if layout.startswith("side") else 0
    if picture.shape[axis] % 2:
        return None
    first, second = (np.ascontiguousarray(half) for half in np.split(picture, 2, axis=axis))
    return (second, first) if layout.endswith("swapped") else (first, second)
