"""A stream of frames -> a recording: one thread takes frames, a bounded queue, one thread writes."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal, Protocol

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import StereoPortraitError
from stereo_portrait.core.stream import Frame, FrameSource

Reason = Literal["end", "frames", "seconds", "stopped", "error"]
LOOK_S = 0.2  # how often progress is shown


class Writer(Protocol):
    """Where frames go."""

    def write(self, frame: Frame) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop by itself; None is never."""

    frames: int | None = None
    seconds: float | None = None
    queue_mb: float = 256.0


@dataclass(slots=True)
class Progress:
    """How far a recording is."""

    taken: int = 0  # frames that were taken from the source and not dropped
    written: int = 0
    dropped: int = 0  # taken, but the disk was too slow
    film_s: float = 0.0  # from the first frame to the last
    reason: Reason = "end"
    error: StereoPortraitError | None = None  # what ended the stream or the writing


class Recorder:
    """Records once. Frames of a live source are dropped when the queue is full; a file waits instead."""

    def __init__(self, source: FrameSource, writer: Writer, limits: Limits) -> None:
        self.source, self.writer, self.limits = source, writer, limits
        self.progress = Progress()
        self._waiting: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._ended = False  # no more frames will come
        self._first: Frame | None = None

    def run(self, shown: Callable[[Progress], None] = lambda progress: None) -> Progress:
        """Record until a limit, the stream's end, Ctrl-C or an error; what waits is written, the files are closed.

        Errors of the source or the disk are in the result, beside what was saved before them.
        """
        with ThreadPoolExecutor(2, thread_name_prefix="record") as threads:
            jobs = [threads.submit(self._take), threads.submit(self._write)]
            try:
                while wait(jobs[1:], timeout=LOOK_S).not_done:
                    shown(self.progress)
                    self._look_at_the_clock()
            except KeyboardInterrupt:
                self._end("stopped")
            finally:
                self._end("stopped")
                for job in jobs:
                    job.result()
        return self.progress

    def _look_at_the_clock(self) -> None:
        """A live source that has gone silent must not outlast --seconds."""
        first, seconds = self._first, self.limits.seconds
        if not self.source.paced or first is None or seconds is None:
            return
        if time.monotonic() - first.arrived_s > seconds + LOOK_S:
            self._end("seconds")

    def _end(self, reason: Reason, error: StereoPortraitError | None = None) -> None:
        with self._changed:
            if not self._ended:
                self._ended, self.progress.reason, self.progress.error = True, reason, error
            self._changed.notify_all()
        self.source.close()

    def _take(self) -> None:
        try:
            for frame in self.source:
                if not self._accept(frame):
                    return
        except StereoPortraitError as error:
            self._end("error", error)
            return
        self._end("end")

    def _accept(self, frame: Frame) -> bool:
        """Queue a frame; False when the recording is over."""
        progress, limits = self.progress, self.limits
        self._first = self._first or frame
        film_s = _clock_s(frame, self.source.paced) - _clock_s(self._first, self.source.paced)
        if limits.seconds is not None and film_s >= limits.seconds:
            self._end("seconds")
            return False
        room = max(2, int(limits.queue_mb * 1e6 / _bytes(frame)))
        with self._changed:
            while len(self._waiting) >= room and not self.source.paced and not self._ended:
                self._changed.wait()
            if self._ended:
                return False
            if len(self._waiting) >= room:
                progress.dropped += 1
                return True
            self._waiting.append(frame)
            progress.taken += 1
            progress.film_s = film_s
            self._changed.notify_all()
        if limits.frames is not None and progress.taken >= limits.frames:
            self._end("frames")
            return False
        return True

    def _write(self) -> None:
        try:
            while True:
                with self._changed:
                    while not self._waiting and not self._ended:
                        self._changed.wait()
                    if not self._waiting:
                        break
                    frame = self._waiting.popleft()
                    self._changed.notify_all()
                self.writer.write(frame)
                self.progress.written += 1
        except StereoPortraitError as error:
            self._fail(error)
        try:
            self.writer.close()
        except StereoPortraitError as error:
            self._fail(error)

    def _fail(self, error: StereoPortraitError) -> None:
        self._end("error", error)
        with self._changed:
            self._waiting.clear()
            if self.progress.error is None:
                self.progress.reason, self.progress.error = "error", error


def _clock_s(frame: Frame, paced: bool) -> float:
    """The film's clock: our own for what comes live, the file's where there is one."""
    return frame.arrived_s if paced or frame.device_ms is None else frame.device_ms / 1000


def _bytes(frame: Frame) -> int:
    if isinstance(frame.capture, StereoPair):
        return frame.capture.left.nbytes + frame.capture.right.nbytes
    return frame.capture.photo.pixels.nbytes + frame.capture.depth.depth_m.nbytes * 9 // 4  # depth, confidence, flaws
