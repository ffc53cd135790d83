"""One camera or network stream, read on a thread of its own: stalls are counted, a lost one is opened again."""

import threading
from collections.abc import Callable
from typing import Protocol

from stereo_portrait.core.capture import Image
from stereo_portrait.core.errors import DeviceError
from stereo_portrait.core.stream import SourceHealth
from stereo_portrait.sources.timed_pairs import Picture

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
Load = Callable[[], Image | None]


class LiveView(Protocol):
    """A device or address that gives one picture after another."""

    name: str
    rate_hz: float | None  # known once open

    def open(self) -> None:
        """Connect.

        Raises:
            DeviceError: absent, in use, or refusing; says what to do.
        """

    def grab(self) -> tuple[float, Load]:
        """Wait for the next picture: when it was taken (time.monotonic() clock), and how to decode it.

        Raises:
            DeviceError: the device is gone, or silent for too long.
        """

    def close(self) -> None:
        """Disconnect; harmless when not open."""


class LiveReader:
    """Reads a view until stopped and hands each picture to `deliver`; goes on trying when the view is lost."""

    def __init__(self, view: LiveView, health: SourceHealth, deliver: Callable[[Picture], None]) -> None:
        self.view, self.health, self.deliver = view, health, deliver
        self.lost_why: str | None = None  # why it is not connected now; None while it is
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"reads {view.name}")

    def start(self) -> None:
        """Begin; the view has been opened."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one that hangs in its driver is left behind."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        number = 0
        pause_s = FIRST_PAUSE_S
        try:
            while not self._stopped.is_set():
                try:
                    if self.lost_why is not None:
                        self.view.open()
                    taken_s, load = self.view.grab()
                except DeviceError as error:
                    if self._stopped.is_set():
                        return
                    self._lose(error)
                    self._stopped.wait(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    continue
                if self.lost_why is not None:
                    self.lost_why = None
                    self.health.reconnects += 1
                    self.health.note(f"{self.view.name} was lost and came back")
                pause_s = FIRST_PAUSE_S
                self.deliver(Picture(taken_s, number, load))
                number += 1
        finally:
            self.view.close()

    def _lose(self, error: DeviceError) -> None:
        if self.lost_why is None:
            self.health.note(f"lost: {error}")
        self.lost_why = str(error)
        self.view.close()
