"""The speed at which recorded frames are handed over."""

import threading
import time


class Pace:
    """As fast as frames are read, or each at its own time; those late by more than one interval are passed over."""

    def __init__(self, real_time: bool, interval_s: float | None) -> None:
        self.real_time, self.interval_s = real_time, interval_s or 1 / 30
        self._offset_s: float | None = None

    def due(self, frame_s: float, closed: threading.Event) -> bool:
        """Wait for the frame's moment; False when it has passed and the frame should be left out."""
        if not self.real_time:
            return True
        now_s = time.monotonic()
        if self._offset_s is None:
            self._offset_s = now_s - frame_s
        ahead_s = self._offset_s + frame_s - now_s
        if ahead_s > 0:
            closed.wait(ahead_s)
        return ahead_s > -self.interval_s
