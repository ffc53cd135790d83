"""One video file (or network stream that FFmpeg reads) -> its pictures with their times."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stereo_portrait.core.capture import Image
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.stream import SourceHealth
from stereo_portrait.sources.timed_pairs import Picture

DEFAULT_RATE_HZ = 30.0
MAX_MEGAPIXELS = 200.0
MAX_ERRORS_IN_A_ROW = 100


class VideoFile:
    """A video that can be read from its start, any number of times."""

    def __init__(self, path: Path) -> None:
        """Look at the header.

        Raises:
            InputError: no such file, not a video, or too large a picture.
        """
        self.path = path
        if not path.is_file():
            raise InputError(f"no video {path}; check the path")
        with self._open() as container:
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            self.rate_hz = float(rate) if rate else DEFAULT_RATE_HZ
            self.size_px = (int(stream.codec_context.width), int(stream.codec_context.height))
        if self.size_px[0] * self.size_px[1] > MAX_MEGAPIXELS * 1e6:
            raise InputError(f"{path}: {self.size_px[0]}x{self.size_px[1]} is too large for a video")

    def _open(self) -> Any:
        import av

        try:
            container: Any = av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"cannot play {self.path} ({_why(error)}); is it a video?") from error
        if not container.streams.video:
            container.close()
            raise InputError(f"{self.path} holds no video stream; is it sound only?")
        decoder = container.streams.video[0].codec_context
        decoder.thread_type = "AUTO"
        decoder.flags |= av.codec.context.Flags.output_corrupt  # else damaged pictures vanish without a word
        return container

    def pictures(self, health: SourceHealth, pixel_format: str = "rgb24", from_first: bool = True) -> Iterator[Picture]:
        """Every picture in order; damaged ones are counted and left out.

        `pixel_format` is rgb24 for (H, W, 3) uint8 or gray16le for (H, W) uint16. Times are in seconds from the first
        picture, or as the file has them.
        """
        import av

        container = self._open()
        try:
            first_s: float | None = None
            number = in_a_row = 0
            packets = container.demux(video=0)
            while True:
                try:
                    packet = next(packets, None)
                    if packet is None:
                        return
                    frames = packet.decode()
                except av.FFmpegError as error:
                    in_a_row += 1
                    health.damaged += 1
                    health.note(f"{self.path}: damaged pictures are left out ({_why(error)})")
                    if in_a_row > MAX_ERRORS_IN_A_ROW:
                        raise InputError(f"{self.path}: nothing more can be decoded after picture {number}") from error
                    continue
                in_a_row = 0
                for frame in frames:
                    at_s = float(frame.time) if frame.time is not None else number / self.rate_hz
                    if first_s is None:
                        first_s = at_s if from_first else 0.0
                    number += 1
                    if frame.is_corrupt:
                        health.damaged += 1
                        health.note(f"{self.path}: damaged pictures are left out (checksum)")
                    elif (frame.width, frame.height) != self.size_px:
                        health.damaged += 1
                        health.note(
                            f"{self.path}: pictures of another size are left out "
                            f"({frame.width}x{frame.height} instead of {self.size_px[0]}x{self.size_px[1]})"
                        )
                    else:
                        yield Picture(at_s - first_s, number - 1, _Decoded(frame, pixel_format))
        finally:
            container.close()


class _Decoded:
    """A decoded frame that is turned into an array when it is asked for."""

    def __init__(self, frame: Any, pixel_format: str) -> None:
        self.frame, self.pixel_format = frame, pixel_format

    def __call__(self) -> Image:
        array: Image = self.frame.to_ndarray(format=self.pixel_format)
        turns = round(getattr(self.frame, "rotation", 0) / 90) % 4  # anticlockwise, as phones write it
        return np.ascontiguousarray(np.rot90(array, turns)) if turns else array


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
