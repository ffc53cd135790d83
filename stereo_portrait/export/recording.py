"""Frames -> a lossless recording on the disk that is playable at every moment, whatever ends it."""

import dataclasses
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.errors import ConfigError, OutputError
from stereo_portrait.core.stream import Frame
from stereo_portrait.export.ffv1 import Ffv1Writer
from stereo_portrait.export.files import explained, staged_file, write_bytes
from stereo_portrait.export.recording_format import (
    COLUMNS,
    VIEWS,
    Codec,
    Header,
    Kind,
    Row,
    header_text,
    names_of,
)
from stereo_portrait.export.sixteen_bit_depth import sixteen_bits, unit_of

Picture = NDArray[np.uint8] | NDArray[np.uint16]
USUAL_RATE_HZ = 30.0


@dataclass(frozen=True)
class RecordSettings:
    """How recordings are written."""

    codec: Codec = "mkv"
    queue_mb: float = 256.0

    def __post_init__(self) -> None:
        if not 1 <= self.queue_mb <= 100_000:
            raise ConfigError(f"record.queue_mb must be between 1 and 100000, found {self.queue_mb:g}")


DEFAULT = RecordSettings()


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a stream before its first frame."""

    source: str
    rate_hz: float | None = None
    rig_text: str | None = None  # a rig file's content
    camera: dict[str, Any] | None = None
    depth_unit_m: float | None = None


class RecordingWriter:
    """Pairs or photos with depth into DIR (a video or pictures a view) or FILE.mkv (pairs side by side)."""

    def __init__(self, target: Path, origin: Origin, settings: RecordSettings = DEFAULT) -> None:
        """Check that nothing is in the way; files are made with the first frame.

        Raises:
            OutputError: something is there already.
        """
        self.target, self.origin, self.settings = target, origin, settings
        self.names = names_of(target)
        for path in self._parts():
            if path.exists():
                raise OutputError(f"{path} exists already, and nothing is ever overwritten; choose another -o")
        if self.names.joined is not None and settings.codec != "mkv":
            raise OutputError(f"{target} is a video; name a folder for --format {settings.codec}")
        self.frames = 0
        self.header: Header | None = None
        self._last_ms = -1
        self._first_s: float | None = None
        self._videos: list[Ffv1Writer] = []
        self._table: TextIO | None = None
        self._pool = ThreadPoolExecutor(2)

    def _parts(self) -> list[Path]:
        """Every file that a recording may begin with."""
        names = self.names
        views = [view for kind in VIEWS.values() for view in kind]
        parts = [names.header, names.table, *((names.rig,) if self.origin.rig_text is not None else ())]
        if self.settings.codec == "png":
            return parts + [names.picture(view, 0) for view in views]
        return parts + [names.video(view) for view in views]

    def write(self, frame: Frame) -> None:
        """Add a frame.

        Raises:
            OutputError: the disk is full, a frame of another kind or size, or depth that 16 bits cannot hold exactly.
        """
        if self.header is None:
            self._begin(frame)
        header, table = self.header, self._table
        assert header is not None
        assert table is not None
        pictures = self._pictures(frame, header)
        time_ms = self._time_ms(frame)
        sums = list(self._pool.map(_checksum, pictures))
        try:
            self._store(pictures, time_ms, header)
            captured_at = frame.capture.captured_at if isinstance(frame.capture, StereoPair) else None
            table.write(Row(time_ms, frame.number, frame.device_ms, frame.skew_ms, captured_at, *sums).text())
            table.flush()
        except OSError as error:
            raise explained(error, self.target) from error
        self._last_ms = time_ms
        self.frames += 1

    def close(self) -> None:
        """Finish the files and write the count into the header.

        Raises:
            OutputError: the disk is full; what was written before stays playable.
        """
        self._pool.shutdown()
        failed: OutputError | None = None
        for video in self._videos:
            try:
                video.close()
            except OutputError as error:
                failed = error
        self._videos = []
        try:
            if self._table is not None:
                self._table.close()
        except OSError as error:
            failed = explained(error, self.target)
        if failed is not None:
            raise failed
        if self.header is not None:
            self._write(self.names.header, header_text(dataclasses.replace(self.header, frames=self.frames)))

    def _begin(self, frame: Frame) -> None:
        kind: Kind = "pair" if isinstance(frame.capture, StereoPair) else "rgbd"
        joined = self.names.joined is not None
        if joined and kind == "rgbd":
            raise OutputError(f"{self.target}: photos with depth need a folder, -o DIR, for their two videos")
        first = frame.capture.left if isinstance(frame.capture, StereoPair) else frame.capture.photo.pixels
        height_px, width_px = first.shape[:2]
        unit_m = None
        if isinstance(frame.capture, RgbdFrame):
            unit_m = unit_of(frame.capture.depth, self.origin.depth_unit_m)
        rate_hz = self.origin.rate_hz
        header = Header(
            kind,
            self.settings.codec,
            joined,
            width_px,
            height_px,
            rate_hz,
            self.origin.source,
            unit_m,
            self.origin.camera,
        )
        self._write(self.names.header, header_text(header))
        if self.origin.rig_text is not None:
            self._write(self.names.rig, self.origin.rig_text)
        try:
            self._table = self.names.table.open("w", encoding="ascii", newline="\n")
            self._table.write(",".join(COLUMNS) + "\n")
        except OSError as error:
            raise explained(error, self.target) from error
        if header.codec == "mkv":
            usual_hz = rate_hz or USUAL_RATE_HZ
            if joined:
                self._videos = [Ffv1Writer(self.target, (2 * width_px, height_px), False, usual_hz)]
            else:
                for view in VIEWS[kind]:
                    path = self.names.video(view)
                    self._videos.append(Ffv1Writer(path, (width_px, height_px), view == "depth", usual_hz))
        self.header = header

    def _write(self, path: Path, text: str) -> None:
        with staged_file(path) as staged:
            write_bytes(staged, text.encode())

    def _pictures(self, frame: Frame, header: Header) -> tuple[Picture, Picture]:
        capture = frame.capture
        if (header.kind == "pair") != isinstance(capture, StereoPair):
            raise OutputError(f"{self.target}: the stream changed between pairs and photos with depth; record it anew")
        pictures: tuple[Picture, Picture]
        if isinstance(capture, StereoPair):
            pictures = (capture.left, capture.right)
        else:
            pictures = (capture.photo.pixels, sixteen_bits(capture.depth, header.depth_unit_m or 0.001))
        for picture in pictures:
            if picture.shape[:2] != (header.height_px, header.width_px):
                found = f"{picture.shape[1]}x{picture.shape[0]}"
                raise OutputError(
                    f"{self.target}: a frame of {found} in a recording of {header.width_px}x{header.height_px}"
                )
        return pictures

    def _store(self, pictures: tuple[Picture, Picture], time_ms: int, header: Header) -> None:
        if header.codec == "png":
            paths = [self.names.picture(view, self.frames) for view in VIEWS[header.kind]]
            list(self._pool.map(_write_png, paths, pictures))
        elif header.joined:
            self._videos[0].write(np.hstack(pictures), time_ms)  # type: ignore[arg-type]
        else:
            list(self._pool.map(lambda video, picture: video.write(picture, time_ms), self._videos, pictures))

    def _time_ms(self, frame: Frame) -> int:
        """Place on the video's own clock: the device's time where it has one, else the time of arrival; rising."""
        at_s = frame.arrived_s if frame.device_ms is None else frame.device_ms / 1000
        self._first_s = at_s if self._first_s is None else self._first_s
        return max(self._last_ms + 1, round((at_s - self._first_s) * 1000))


def _checksum(picture: Picture) -> int:
    return zlib.crc32(np.ascontiguousarray(picture).data)


def _write_png(path: Path, picture: Picture) -> None:
    import cv2

    bgr = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    path.write_bytes(cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
