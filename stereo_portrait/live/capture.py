"""The capture stage: frames from a source that may stall, die and come back."""

import threading
import time
from collections.abc import Callable, Iterator

from stereo_portrait.core.errors import DeviceError
from stereo_portrait.core.stream import Frame, FrameSource, SourceHealth
from stereo_portrait.live.figures import Figures
from stereo_portrait.live.settings import LiveSettings

Opener = Callable[[], FrameSource]
RETRY_S = 0.25


class Capture:
    """Iterates a source; opens it again when it is lost, for `live.reopen_s`."""

    def __init__(self, opener: Opener, live: LiveSettings, figures: Figures) -> None:
        self.opener, self.live, self.figures = opener, live, figures
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self.source: FrameSource = opener()
        self.past: list[SourceHealth] = []  # of sources that were lost
        self.last_arrival_s: float | None = None
        self.also: Callable[[Frame], None] | None = None  # gets every frame too, and must not keep it waiting

    def frames(self) -> Iterator[Frame]:
        """Every frame until the source ends or `stop`.

        Raises:
            DeviceError: lost, and not back within `live.reopen_s`.
            InputError: a recording that turns out to be damaged.
        """
        while True:
            try:
                yield from self._frames_of(self.source)
                return
            except DeviceError as error:
                if self.stopping.is_set():
                    return
                self.figures.note(f"the source was lost: {error}")
                self._reopen(error)

    def _frames_of(self, source: FrameSource) -> Iterator[Frame]:
        for frame in source:
            if self.stopping.is_set():
                return
            self._heard()
            if self.also is not None:
                self.also(frame)
            yield frame

    def _heard(self) -> None:
        now_s = time.monotonic()
        if self.last_arrival_s is not None:
            silence_s = now_s - self.last_arrival_s
            if silence_s > self.live.stall_s:
                self.figures.silences += 1
                self.figures.longest_silence_s = max(self.figures.longest_silence_s, silence_s)
        self.last_arrival_s = now_s

    def resumed(self) -> None:
        """The runner itself kept the source waiting; that is no silence of the source."""
        self.last_arrival_s = time.monotonic()

    def _reopen(self, lost: DeviceError) -> None:
        self.source.close()
        self.past.append(self.source.health)
        until_s = time.monotonic() + self.live.reopen_s
        while not self.stopping.wait(RETRY_S):
            try:
                found = self.opener()
            except DeviceError as error:
                if time.monotonic() > until_s:
                    raise DeviceError(f"{lost}; it did not come back within {self.live.reopen_s:g} s") from error
                continue
            with self._lock:
                self.source = found
                if self.stopping.is_set():
                    found.close()
            self.figures.reopened += 1
            return

    def stop(self) -> None:
        """End the iteration, from any thread."""
        with self._lock:
            self.stopping.set()
            self.source.close()

    def health(self) -> dict[str, object]:
        """What all sources so far survived, in sum."""
        every = [*self.past, self.source.health]
        notes = [note for one in every for note in one.notes]
        return {
            **{name: sum(getattr(h, name) for h in every) for name in ("dropped", "damaged", "stalls", "reconnects")},
            "worst_skew_ms": max(h.worst_skew_ms for h in every),
            "reopened": self.figures.reopened,
            "silences": self.figures.silences,
            "longest_silence_s": round(self.figures.longest_silence_s, 3),
            "notes": list(dict.fromkeys([*notes, *self.figures.notes])),
        }
