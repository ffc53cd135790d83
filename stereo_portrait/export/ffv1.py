"""Lossless video that survives: FFV1 in Matroska, flushed cluster by cluster."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.export.files import explained

MILLISECONDS = Fraction(1, 1000)
SLICES = 4
FLUSH_MS = 500


class Ffv1Writer:
    """One video of (H, W, 3) uint8 RGB or (H, W) uint16 pictures.

    Every picture is a key frame and goes to the disk as a cluster of its own (tiny ones wait up to half a second), so
    whatever ends the program leaves a file that plays.
    """

    def __init__(self, path: Path, size_px: tuple[int, int], deep: bool, rate_hz: float) -> None:
        """Create the file.

        Raises:
            OutputError: it cannot be written.
        """
        import av

        self.path = path
        self._format = "gray16le" if deep else "bgr0"
        options = {"cluster_time_limit": str(FLUSH_MS), "flush_packets": "1"}
        try:
            self._container: Any = av.open(str(path), "w", format="matroska", options=options)
        except OSError as error:
            raise explained(error, path) from error
        coder = "1" if deep else "0"  # Golomb-Rice: half the time of the range coder, 1 % larger, but for 8 bits only
        codec = {"level": "3", "slicecrc": "1", "slices": str(SLICES), "coder": coder, "context": "0"}
        rate = Fraction(rate_hz).limit_denominator(1000)
        self._stream: Any = self._container.add_stream("ffv1", rate=rate, options=codec)
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt, self._stream.gop_size = self._format, 1
        self._stream.codec_context.time_base = MILLISECONDS
        self._stream.thread_type, self._stream.thread_count = "SLICE", 2

    def write(self, picture: NDArray[np.uint8] | NDArray[np.uint16], time_ms: int) -> None:
        """Add a picture; times must rise.

        Raises:
            OutputError: the disk is full, or gone.
        """
        import av

        frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if picture.ndim == 3 else "gray16le")
        if picture.ndim == 3:
            frame = frame.reformat(format=self._format)
        frame.pts, frame.time_base = time_ms, MILLISECONDS
        try:
            self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise explained(error, self.path) from error

    def close(self) -> None:
        """Write what is left and the index.

        Raises:
            OutputError: the disk is full; what was written before stays playable.
        """
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except OSError as error:
            raise explained(error, self.path) from error
