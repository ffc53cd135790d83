"""The frames of a running stream once more, for whoever wants them too (a recorder)."""

import threading
from collections import deque
from collections.abc import Iterator

from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, FrameSource, SourceHealth

MOST_WAITING = 4


class Tee:
    """A source fed by another's frames; it is paced, so that what its taker cannot take is lost and counted."""

    paced = True

    def __init__(self, of: FrameSource) -> None:
        self.name, self.rate_hz = of.name, of.rate_hz
        self.rig: RigCalibration | RectifiedRig | None = of.rig
        self.camera: Camera | None = of.camera
        self.health = SourceHealth()
        self._waiting: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def offer(self, frame: Frame) -> None:
        """One more frame; never waits."""
        with self._changed:
            if self._closed:
                return
            if len(self._waiting) >= MOST_WAITING:
                self.health.dropped += 1
                return
            self._waiting.append(frame)
            self.health.frames += 1
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                frame = self._waiting.popleft()
            yield frame

    def close(self) -> None:
        """No more frames."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
