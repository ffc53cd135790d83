"""What the runner measures about itself, in memory that does not grow with time."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BIN_MS = 0.25
BINS = 40_000  # ten seconds; what takes longer is counted as ten
RECENT = 30


class Times:
    """Durations as a histogram: percentiles over the whole run to a quarter of a millisecond."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self._recent: list[float] = []
        self._lock = threading.Lock()

    def add(self, duration_s: float) -> None:
        """One more."""
        with self._lock:
            self._counts[min(int(duration_s * 1000 / BIN_MS), BINS - 1)] += 1
            self._recent = [*self._recent[-RECENT + 1 :], duration_s]

    @property
    def count(self) -> int:
        """How many there were."""
        return int(self._counts.sum())

    def percentile_ms(self, percent: float) -> float | None:
        """The percentile over all, None where there are none."""
        with self._lock:
            return _percentile_ms(self._counts, percent)

    def recent_ms(self) -> float | None:
        """Median of the last thirty."""
        with self._lock:
            return float(np.median(self._recent)) * 1000 if self._recent else None

    def forget_recent(self) -> None:
        """Start the recent ones anew, because something changed."""
        with self._lock:
            self._recent = []


def _percentile_ms(counts: NDArray[np.int64], percent: float) -> float | None:
    total = int(counts.sum())
    if not total:
        return None
    at = int(np.searchsorted(np.cumsum(counts), percent / 100 * total))
    return round((min(at, BINS - 1) + 0.5) * BIN_MS, 3)


STAGES = ("capture", "depth", "render", "show")


@dataclass(slots=True)
class StageFigures:
    """One stage: how long it works on a frame, how old frames are when it is done, how many it had to pass over."""

    busy: Times = field(default_factory=Times)
    age: Times = field(default_factory=Times)
    dropped: int = 0


class Figures:
    """Everything counted; threads write it, anyone may read it."""

    def __init__(self) -> None:
        self.stages = {name: StageFigures() for name in STAGES}
        self.frames_in = 0
        self.frames_shown = 0
        self.unusable = 0  # frames that could not be made into a picture, of another size for example
        self.reopened = 0
        self.silences = 0  # times without a frame for longer than live.stall_s
        self.longest_silence_s = 0.0
        self.saved = 0
        self.failed_saves = 0
        self.said = ""  # the last note
        self.notes: list[str] = []
        self._first_shown_s: float | None = None
        self._last_shown_s = 0.0
        self._between = Times()  # two pictures

    def note(self, text: str) -> None:
        """Say something once."""
        self.said = text
        if text not in self.notes and len(self.notes) < 50:
            self.notes.append(text)

    def shown(self, arrived_s: float) -> None:
        """One frame reached the viewer."""
        now_s = time.monotonic()
        self.frames_shown += 1
        self.stages["show"].age.add(now_s - arrived_s)
        if self._first_shown_s is None:
            self._first_shown_s = now_s
        else:
            self._between.add(now_s - self._last_shown_s)
        self._last_shown_s = now_s

    @property
    def dropped(self) -> int:
        """Frames passed over for newer ones, in any stage."""
        return sum(stage.dropped for stage in self.stages.values())

    @property
    def fps(self) -> float:
        """Frames shown a second, from the first to the last."""
        if self._first_shown_s is None or self._last_shown_s <= self._first_shown_s:
            return 0.0
        return (self.frames_shown - 1) / (self._last_shown_s - self._first_shown_s)

    @property
    def recent_fps(self) -> float:
        """Frames shown a second, of late."""
        between_ms = self._between.recent_ms()
        return 1000 / between_ms if between_ms else 0.0

    def report(self) -> dict[str, Any]:
        """The numbers of the command's JSON."""
        latency = self.stages["show"].age
        return {
            "frames_in": self.frames_in,
            "frames_shown": self.frames_shown,
            "frames_dropped": self.dropped,
            "frames_unusable": self.unusable,
            "fps": round(self.fps, 2),
            "latency_ms": {"p50": latency.percentile_ms(50), "p95": latency.percentile_ms(95)},
            "stages_ms": {name: stage.busy.percentile_ms(50) for name, stage in self.stages.items()},
            "portraits": {"saved": self.saved, "failed": self.failed_saves},
            "stages": {
                name: {
                    "p50_ms": stage.busy.percentile_ms(50),
                    "p95_ms": stage.busy.percentile_ms(95),
                    "age_p50_ms": stage.age.percentile_ms(50),
                    "age_p95_ms": stage.age.percentile_ms(95),
                    "dropped": stage.dropped,
                }
                for name, stage in self.stages.items()
            },
        }
