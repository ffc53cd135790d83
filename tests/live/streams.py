"""Streams for tests: made pairs, with sources that behave well or badly."""

import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.builtin_scene import builtin_scene

Capture = StereoPair | RgbdFrame


class MadeSource:
    """Frames from a function of their number; with a rate they come at their own times and are lost if not taken."""

    def __init__(
        self, make: Callable[[int], Capture], count: int, rig: RectifiedRig | None = None, rate_hz: float | None = None
    ) -> None:
        self.name, self.rate_hz, self.paced = "made", rate_hz, rate_hz is not None
        self.health = SourceHealth()
        self.rig: RigCalibration | RectifiedRig | None = rig
        self.camera: Camera | None = None
        self.make, self.count = make, count
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        started_s = time.monotonic()
        number = 0
        while number < self.count and not self.closed.is_set():
            capture = self.make(number)
            if self.rate_hz is not None:
                now = int((time.monotonic() - started_s) * self.rate_hz)
                if now > number:
                    self.health.dropped += now - number
                    number = now
                    if number >= self.count:
                        return
                else:
                    self.closed.wait(max(0.0, started_s + number / self.rate_hz - time.monotonic()))
            self.health.frames += 1
            yield Frame(number, capture, time.monotonic())
            number += 1

    def close(self) -> None:
        self.closed.set()


def motorcycle(width_px: int, height_px: int) -> tuple[StereoPair, RectifiedRig]:
    """The built-in pair at another size (the aspect ratio may change by cropping at the bottom)."""
    pair = builtin_scene().pair
    full_width, full_height = pair.rig.width_px, pair.rig.height_px
    scale = max(width_px / full_width, height_px / full_height)
    size = round(full_width * scale), round(full_height * scale)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    left, right = (
        np.ascontiguousarray(cv2.resize(v, size, interpolation=method)[:height_px, :width_px])
        for v in (pair.left, pair.right)
    )
    whole = pair.rig.resized(*size)
    rig = RectifiedRig(
        width_px, height_px, whole.focal_px, whole.baseline_m, whole.cx_left_px, whole.cx_right_px, whole.cy_px
    )
    return StereoPair(left, right, "motorcycle"), rig


def noisy(pair: StereoPair, sigma: float, seed: int) -> StereoPair:
    """The pair with fresh sensor noise, in grey levels."""
    rng = np.random.default_rng(seed)
    left, right = (
        np.clip(v + rng.normal(0, sigma, v.shape).astype(np.float32), 0, 255).round().astype(np.uint8)
        for v in (pair.left, pair.right)
    )
    return StereoPair(left, right, pair.name)
