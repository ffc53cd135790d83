"""video:LEFT,RIGHT and video:FILE?layout=...: a stream of pairs from recorded videos."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.pacing import Pace
from stereo_portrait.sources.recorded import Layout
from stereo_portrait.sources.timed_pairs import Pairer, Picture, measure_skew, pair_streams, split_views


class VideoStream:
    """Two videos paired by time, or one that holds both views."""

    rig: RigCalibration | RectifiedRig | None = None
    camera: Camera | None = None

    def __init__(
        self, paths: tuple[Path, ...], layout: Layout | None, real_time: bool = False, max_skew_frames: float = 1.0
    ) -> None:
        """Open the files' headers.

        Raises:
            InputError: a file that is absent or no video, or two of different sizes.
        """
        from stereo_portrait.sources.video_file import VideoFile

        self.files = [VideoFile(p) for p in paths]
        sizes = {f.size_px for f in self.files}
        if len(sizes) > 1:
            found = " and ".join(f"{w}x{h}" for w, h in (f.size_px for f in self.files))
            raise InputError(f"{paths[0]} and {paths[1]} differ in size ({found}); give two videos of one size")
        axis = 0 if layout and layout.startswith("side") else 1
        if layout and self.files[0].size_px[axis] % 2:
            raise InputError(f"{paths[0]}: {self.files[0].size_px[axis]} pixels cannot be halved for '{layout}'")
        self.layout, self.max_skew_frames = layout, max_skew_frames
        self.name = " and ".join(p.name for p in paths)
        self.rate_hz: float | None = min(f.rate_hz for f in self.files)
        self.paced = real_time
        self.health = SourceHealth()
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        pace = Pace(self.paced, 1 / (self.rate_hz or 30))
        count = 0
        for views in self._moments():
            if self._closed.is_set():
                return
            if not pace.due(views[0].time_s, self._closed):
                self.health.dropped += 1
                count += 1
                continue
            frame = self._frame(views, count)
            count += 1
            if frame is not None:
                self.health.frames += 1
                yield frame
        if self.health.frames == 0 and not self._closed.is_set():
            raise InputError(f"{self.name}: no picture could be used; the file is damaged or empty")

    def _moments(self) -> Iterator[tuple[Picture, ...]]:
        streams = [f.pictures(self.health) for f in self.files]
        if len(streams) == 1:
            yield from ((p,) for p in streams[0])
            return
        intervals_s = [1 / f.rate_hz for f in self.files]
        pairer = Pairer(min(intervals_s), max(intervals_s) * self.max_skew_frames, self.health)
        yield from pair_streams(streams[0], streams[1], pairer)

    def _frame(self, views: tuple[Picture, ...], number: int) -> Frame | None:
        loaded = [view.load() for view in views]
        pictures = [None if p is None else np.ascontiguousarray(p) for p in loaded]  # a decoder may pad its rows
        skew_ms = None
        if len(views) == 2:
            skew_ms = measure_skew((views[0], views[1]), 1 / (self.rate_hz or 30), self.health)
        elif pictures[0] is not None and self.layout is not None:
            pictures = list(split_views(pictures[0], self.layout) or (None, None))
        left, right = pictures
        if left is None or right is None:
            self.health.damaged += 1
            return None
        pair = StereoPair(left, right, f"frame {number} ({views[0].time_s:.2f} s)")
        return Frame(number, pair, time.monotonic(), views[0].time_s * 1000, skew_ms)

    def close(self) -> None:
        """End the iteration; from any thread."""
        self._closed.set()
