"""A recording of ours -> the frames that were recorded, bit for bit, with their numbers and times."""

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stereo_portrait.core.capture import Photo, RgbdFrame, StereoPair
from stereo_portrait.core.errors import InputError, RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.export.recording_format import VIEWS, Names, Row, names_of, read_header, read_table
from stereo_portrait.sources.pacing import Pace
from stereo_portrait.sources.sensor_depth import metres, sensor_depth
from stereo_portrait.sources.timed_pairs import Picture, split_views

Pixels = Any  # (H, W, 3) uint8 or (H, W) uint16
Load = Callable[[], tuple[Pixels, Pixels] | None]


def is_recording(path: Path) -> bool:
    """Whether a folder, or a video with its table beside it, is a recording of ours."""
    names = names_of(path)
    return names.header.is_file() and names.table.is_file()


class RecordingStream:
    """Checks every picture against the sum that was taken when it was recorded."""

    def __init__(self, target: Path, real_time: bool = False) -> None:
        """Read the header, the table and the rig.

        Raises:
            InputError: damaged, or a part is absent.
            RigError: a rig file that cannot be read.
        """
        self.names: Names = names_of(target)
        self.header = read_header(self.names.header)
        self.rows = read_table(self.names.table)
        if not self.rows:
            raise InputError(f"{target}: the recording holds no frames")
        self.name = target.name or str(target)
        self.rate_hz = self.header.rate_hz
        self.paced = real_time
        self.health = SourceHealth()
        self.rig: RigCalibration | RectifiedRig | None = None
        if self.names.rig.is_file():
            from stereo_portrait.geometry.rig_file import read_rig

            self.rig = read_rig(self.names.rig)
        self.camera = _camera(self.header.camera, self.names.header)
        self.depth_unit_m = self.header.depth_unit_m
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        pace = Pace(self.paced, _median_interval_s(self.rows))
        absent = 0  # frames without a picture since the last good one
        for row, load in self._pictures():
            if self._closed.is_set():
                return
            if load is None:
                absent += 1
                continue
            if absent:
                self._damaged(absent, f"frames before frame {row.number} have lost their pictures")
                absent = 0
            if not pace.due(row.time_ms / 1000, self._closed):
                self.health.dropped += 1
                continue
            pictures = load()
            if pictures is None or tuple(zlib.crc32(p.data) for p in pictures) != (row.crc_first, row.crc_second):
                self._damaged(
                    1, f"frames whose pictures are not what was recorded are left out (frame {row.number}, ...)"
                )
                continue
            self.health.frames += 1
            yield self._frame(pictures, row)
        self._judge(absent)

    def _pictures(self) -> Iterator[tuple[Row, Load | None]]:
        """Each row of the table with a way to its two pictures, or None where the files do not hold them."""
        header, names = self.header, self.names
        views = VIEWS[header.kind]
        if header.codec == "png":
            for index, row in enumerate(self.rows):
                paths = [names.picture(view, index) for view in views]
                yield row, partial(_load_pngs, paths) if all(p.is_file() for p in paths) else None
            return
        from stereo_portrait.sources.video_file import VideoFile

        paths = [names.video(view) for view in views[: 1 if header.joined else 2]]
        formats = ["gray16le" if view == "depth" else "rgb24" for view in views]
        videos = [
            _Ahead(VideoFile(path).pictures(self.health, kind, from_first=False))
            for path, kind in zip(paths, formats, strict=False)
        ]
        for row in self.rows:
            found = [picture for video in videos if (picture := video.at(row.time_ms)) is not None]
            yield row, partial(_load_all, found) if len(found) == len(videos) else None

    def _frame(self, pictures: tuple[Pixels, Pixels], row: Row) -> Frame:
        name = f"frame {row.number}"
        capture: StereoPair | RgbdFrame
        if self.header.kind == "pair":
            capture = StereoPair(*pictures, name, row.captured_at)
        else:
            depth_m = metres(pictures[1], self.header.depth_unit_m or 0.001)
            capture = RgbdFrame(Photo(pictures[0], name), sensor_depth(depth_m), row.device_ms)
        return Frame(row.number, capture, time.monotonic(), row.device_ms, row.skew_ms)

    def _damaged(self, count: int, why: str) -> None:
        self.health.damaged += count
        self.health.note(f"{self.name} is damaged: {why}")

    def _judge(self, absent: int) -> None:
        """Frames at the end that have no picture: natural where recording was cut short, else damage.

        Raises:
            InputError: a recording that was closed and is not whole, or one without any picture.
        """
        if self.health.frames == 0 and self.health.dropped == 0:
            raise InputError(f"{self.name} is damaged: none of its {len(self.rows)} frames can be used")
        if self.header.frames is None:
            if absent:
                self.health.note(f"{self.name} was cut short while recording; its last {absent} frames are missing")
        elif absent or len(self.rows) < self.header.frames:
            lost = absent + self.header.frames - len(self.rows)
            self.health.damaged += lost
            raise InputError(
                f"{self.name} is damaged: the last {lost} of {self.header.frames} frames are missing; copy it again"
            )

    def close(self) -> None:
        """End the iteration; from any thread."""
        self._closed.set()


class _Ahead:
    """A stream of pictures, asked for by time."""

    def __init__(self, pictures: Iterator[Picture]) -> None:
        self.pictures = pictures
        self.waiting: Picture | None = None

    def at(self, time_ms: int) -> Picture | None:
        """The picture of that time; earlier ones are passed over, a later one waits."""
        while self.waiting is None or round(self.waiting.time_s * 1000) < time_ms:
            self.waiting = next(self.pictures, None)
            if self.waiting is None:
                return None
        return self.waiting if round(self.waiting.time_s * 1000) == time_ms else None


def _load_all(found: list[Picture]) -> tuple[Pixels, Pixels] | None:
    loaded = [picture.load() for picture in found]
    pictures = [None if p is None else np.ascontiguousarray(p) for p in loaded]  # a decoder may pad its rows
    if len(pictures) == 1:
        return None if pictures[0] is None else split_views(pictures[0], "side-by-side")
    return None if pictures[0] is None or pictures[1] is None else (pictures[0], pictures[1])


def _load_pngs(paths: list[Path]) -> tuple[Pixels, Pixels] | None:
    import cv2

    pictures: list[Pixels] = []
    for path in paths:
        data = np.fromfile(path, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if picture is None:
            return None
        pictures.append(picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    return pictures[0], pictures[1]


def _median_interval_s(rows: list[Row]) -> float | None:
    times_ms = np.array([row.time_ms for row in rows])
    return float(np.median(np.diff(times_ms))) / 1000 if len(rows) > 1 else None


def _camera(found: dict[str, Any] | None, path: Path) -> Camera | None:
    if found is None:
        return None
    try:
        return Camera(**{**found, "distortion": tuple(found.get("distortion", ()))})
    except (TypeError, RigError) as error:
        raise InputError(f"{path} is damaged: its camera cannot be read ({error})") from error
