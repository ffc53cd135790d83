"""Two live views, or one that holds both, as a stream of pairs."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from stereo_portrait.core.capture import Image, StereoPair
from stereo_portrait.core.errors import DeviceError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.live_reader import LiveReader, LiveView
from stereo_portrait.sources.recorded import Layout
from stereo_portrait.sources.stream_settings import StreamSettings
from stereo_portrait.sources.timed_pairs import Pairer, Picture, measure_skew, split_views

SLOWEST_HZ = 5.0  # assumed until the rate is known
SEEN = 30  # intervals over which the rate is measured
WAITING = 4  # pictures a side that may wait: bounds the delay of what is shown when the reader of the stream is slow


class LiveStereo:
    """Pairs as they come: both views are grabbed at once, each on its own thread, stamped, then decoded and paired."""

    paced = True
    rig: RigCalibration | RectifiedRig | None = None
    camera: Camera | None = None

    def __init__(self, views: Sequence[LiveView], layout: Layout | None, settings: StreamSettings) -> None:
        """Take one or two views that are open already."""
        self.views, self.layout, self.settings = tuple(views), layout, settings
        self.name = " and ".join(v.name for v in views)
        rates = [v.rate_hz for v in views if v.rate_hz]
        self.rate_hz: float | None = min(rates) if rates else None
        self.health = SourceHealth()
        self._arrived = threading.Condition()
        self._intervals = [_Interval(v.rate_hz) for v in views]
        self._pairer = Pairer(0, 0, self.health, WAITING)
        self._set_gaps()
        self._readers = [LiveReader(v, self.health, self._taker(side)) for side, v in enumerate(views)]
        self._last_s = [0.0 for _ in views]
        self._size_px: tuple[int, ...] | None = None
        self._closed = self._started = False

    def _taker(self, side: int) -> Callable[[Picture], None]:
        def take(picture: Picture) -> None:
            with self._arrived:
                self._last_s[side] = time.monotonic()
                self._intervals[side].see(picture.time_s)
                self._set_gaps()
                self._pairer.offer(side, picture)
                self._arrived.notify()

        return take

    def _set_gaps(self) -> None:
        """Rates are measured: what devices say is often wrong in the dark, and network streams say nothing."""
        intervals_s = [i.seconds for i in self._intervals]
        self._pairer.half_s = min(intervals_s) / 2
        self._pairer.max_gap_s = max(intervals_s) * self.settings.max_skew_frames
        if all(i.measured for i in self._intervals):
            self.rate_hz = 1 / max(intervals_s)

    def __iter__(self) -> Iterator[Frame]:
        if not self._started:
            self._started = True
            self._last_s = [time.monotonic() for _ in self.views]
            for reader in self._readers:
                reader.start()
        count, good_s, stalled = 0, time.monotonic(), False
        while True:
            views = self._next()
            now_s = time.monotonic()
            frame = None if views is None else self._frame(views, count)
            if self._closed:
                return
            if frame is not None:
                good_s, stalled = now_s, False
                count += 1
                self.health.frames += 1
                yield frame
                good_s = time.monotonic()
            elif now_s - good_s > self.settings.give_up_s:
                raise DeviceError(f"{self._silent()} for {self.settings.give_up_s:g} s; {self._advice()}")
            elif now_s - good_s > self.settings.stall_s and not stalled:
                stalled = True
                self.health.stalls += 1
                self.health.note(f"{self._silent()} for more than {self.settings.stall_s:g} s")

    def _next(self) -> tuple[Picture, ...] | None:
        """The next picture or pair; None when nothing came within a moment."""
        with self._arrived:
            views = self._take()
            if views is None and not self._closed:
                self._arrived.wait(min(0.1, self.settings.stall_s / 4))
                views = self._take()
            return views

    def _take(self) -> tuple[Picture, ...] | None:
        if len(self.views) == 1:
            waiting = self._pairer.waiting[0]
            return (waiting.popleft(),) if waiting else None
        return self._pairer.take()

    def _frame(self, views: tuple[Picture, ...], number: int) -> Frame | None:
        pictures: list[Image | None] = [view.load() for view in views]
        if any(p is None for p in pictures):
            self._damaged("pictures that cannot be decoded are left out")
            return None
        if self.layout is not None and pictures[0] is not None:
            pictures = list(split_views(pictures[0], self.layout) or (None, None))
        left, right = pictures
        if left is None or right is None:
            raise DeviceError(f"{self.name}: the picture cannot be halved for the layout '{self.layout}'")
        if left.shape != right.shape:
            sizes = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in (left, right))
            if self._size_px is None:
                raise DeviceError(f"{self.name} give {sizes}; set both to one size (--set streams.width_px=...)")
            self._damaged(f"pictures of another size are left out ({sizes})")
            return None
        self._size_px = self._size_px or left.shape
        if left.shape != self._size_px:
            was, now = (f"{s[1]}x{s[0]}" for s in (self._size_px, left.shape))
            self._damaged(f"pictures of another size are left out ({now} instead of {was})")
            return None
        longest_s = max(i.seconds for i in self._intervals) if all(i.measured for i in self._intervals) else None
        skew_ms = measure_skew((views[0], views[1]), longest_s, self.health) if len(views) == 2 else None
        pair = StereoPair(left, right, f"frame {number}", captured_at=time.time())
        return Frame(number, pair, time.monotonic(), views[0].time_s * 1000, skew_ms)

    def _damaged(self, why: str) -> None:
        self.health.damaged += 1
        self.health.note(f"{self.name}: {why}")

    def _silent(self) -> str:
        """Which of the views has been silent longest, and why if that is known."""
        side = self._last_s.index(min(self._last_s))
        why = self._readers[side].lost_why
        return f"{self.views[side].name} gave no usable picture" + (f" ({why})" if why else "")

    def _advice(self) -> str:
        sized = next((n for n in self.health.notes if "another size" in n), None)
        return sized or "check its cable, its power and whether another program uses it"

    def close(self) -> None:
        """End the iteration and let the devices go; from any thread."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
        for reader, view in zip(self._readers, self.views, strict=True):
            if self._started:
                reader.stop()
            else:
                view.close()


class _Interval:
    """Time between two pictures of a view: as stated at first, then the median of what is seen."""

    def __init__(self, stated_hz: float | None) -> None:
        self.seconds = 1 / (stated_hz or SLOWEST_HZ)
        self.measured = False
        self._last_s: float | None = None
        self._seen_s: deque[float] = deque(maxlen=SEEN)

    def see(self, time_s: float) -> None:
        if self._last_s is not None and time_s > self._last_s:
            self._seen_s.append(time_s - self._last_s)
            if len(self._seen_s) >= 5:
                self.seconds, self.measured = median(self._seen_s), True
        self._last_s = time_s
