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


WALL_PX, DISC_PX = 6.0, 20.0  # disparities of the moving scene


def moving_disc(
    number: int, step_px: float, contrast: float = 60.0, sigma: float = 2.0
) -> tuple[StereoPair, np.ndarray, RectifiedRig]:
    """320x240: a textured disc that moves right in front of a textured wall; the pair, the disc's mask, the rig."""
    wall = _texture(0, (240, 400), contrast)
    disc = _texture(1, (240, 400), contrast)
    centre = 80 + number * step_px
    y, x = np.mgrid[0:240, 0:320].astype(np.float32)
    views = []
    for shift in (0.0, 1.0):
        inside = (x + shift * DISC_PX - centre) ** 2 + (y - 120) ** 2 < 45**2
        behind = cv2.remap(wall, x + 20 + shift * WALL_PX, y, cv2.INTER_LINEAR)
        before = cv2.remap(disc, x + 60 + shift * DISC_PX - centre + 40, y, cv2.INTER_LINEAR, borderMode=2)
        views.append((np.where(inside[..., None], before, behind), inside))
    rng = np.random.default_rng(number + 100)
    left, right = (np.clip(v + rng.normal(0, sigma, v.shape), 0, 255).round().astype(np.uint8) for v, _ in views)
    rig = RectifiedRig(320, 240, 300.0, 0.1, 159.5, 159.5, 119.5)
    return StereoPair(left, right, "disc"), views[0][1], rig


def _texture(seed: int, size: tuple[int, int], contrast: float) -> np.ndarray:
    """(h, w, 3) float32: blotches of several sizes around a mean colour of its own."""
    rng = np.random.default_rng(seed)
    picture = np.full((*size, 3), 128.0, np.float32) + rng.uniform(-25, 25, 3).astype(np.float32)
    for sigma in (1.0, 3.0, 8.0):
        blotches = cv2.GaussianBlur(rng.normal(0, 1, (*size, 3)).astype(np.float32), (0, 0), sigma)
        picture += contrast / 3 * blotches / blotches.std()
    return picture


def panned(width_px: int, height_px: int, count: int, sigma: float = 2.0) -> tuple[list[StereoPair], RectifiedRig]:
    """The built-in pair seen by a rig that pans slowly, with sensor noise; the frames go round without a jump."""
    pair, whole = motorcycle(round(width_px * 1.15), round(height_px * 1.15))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, sigma, (8, height_px, width_px, 3)).astype(np.float32)
    frames = []
    for number in range(count):
        turn = 2 * np.pi * number / count
        x = (np.sin(turn) + 1) / 2 * (pair.left.shape[1] - width_px)
        y = (np.cos(turn) + 1) / 2 * (pair.left.shape[0] - height_px)
        shift = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
        views = [cv2.warpAffine(v, shift, (width_px, height_px)) for v in (pair.left, pair.right)]
        left, right = (
            np.clip(v + noise[(number + k) % 8], 0, 255).astype(np.uint8) for v, k in zip(views, (0, 3), strict=True)
        )
        frames.append(StereoPair(left, right, f"frame {number}"))
    centre = (width_px - 1) / 2
    rig = RectifiedRig(
        width_px, height_px, whole.focal_px, whole.baseline_m, centre, centre + whole.doffs_px, (height_px - 1) / 2
    )
    return frames, rig
