"""Small videos with known pictures."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

Pictures = list[np.ndarray]


def picture(number: int, width_px: int = 64, height_px: int = 48, seed: int = 0) -> np.ndarray:
    """A picture that belongs to its number: noise, with the number in the first column."""
    rgb = np.random.default_rng((seed, number)).integers(0, 256, (height_px, width_px, 3), np.uint8)
    rgb[:, 0] = number % 256
    return rgb


def write_video(
    path: Path, pictures: Pictures, times_s: list[float] | None = None, rate_hz: int = 30, codec: str = "ffv1"
) -> Path:
    """A lossless video; `times_s` gives each picture a time of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.height, stream.width = pictures[0].shape[:2]
        pixel_format = "bgr0" if codec == "ffv1" else "rgb24"
        stream.pix_fmt, stream.gop_size = pixel_format, 1
        stream.codec_context.time_base = Fraction(1, 10000)
        for i, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
            frame.pts = round((times_s[i] if times_s else i / rate_hz) * 10000)
            frame.time_base = Fraction(1, 10000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path
