"""A UVC camera (any webcam) through OpenCV: opened with a clear word when it is not there, settings locked."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stereo_portrait.core.capture import Image
from stereo_portrait.core.errors import DeviceError
from stereo_portrait.sources.live_reader import Load
from stereo_portrait.sources.stream_settings import StreamSettings

WARM_UP_FRAMES = 15  # automatic exposure settles in about half a second
SAME_CLOCK_S = 2.0  # a driver's time this close to ours is on our clock
OpenCapture = Callable[[int | str], Any]


def open_with_opencv(target: int | str) -> Any:
    """A cv2.VideoCapture, without OpenCV's own warnings on the terminal."""
    import cv2

    logging: Any = cv2.utils.logging
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(target)
    finally:
        logging.setLogLevel(level)


class UvcCamera:
    """One camera, named by its number or /dev path."""

    def __init__(self, target: str, settings: StreamSettings, open_capture: OpenCapture = open_with_opencv) -> None:
        self.target: int | str = int(target) if target.isdigit() else target
        self.name = f"camera {target}"
        self.settings, self._open_capture = settings, open_capture
        self.rate_hz: float | None = None
        self.capture: Any = None
        self.locked: dict[int, float] = {}  # OpenCV property -> value, set again after the camera was lost

    def open(self) -> None:
        """Open and configure.

        Raises:
            DeviceError: no such camera, no permission, in use; says which cameras there are.
        """
        import cv2

        self.close()
        capture = self._open_capture(self.target)
        if not capture.isOpened():
            capture.release()
            raise DeviceError(why_not(self.target))
        if self.settings.mjpeg:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))  # two raw streams overload a USB 2 bus
        for name, length_px in (("WIDTH", self.settings.width_px), ("HEIGHT", self.settings.height_px)):
            if length_px is not None:
                capture.set(getattr(cv2, f"CAP_PROP_FRAME_{name}"), length_px)
        if self.settings.rate_hz is not None:
            capture.set(cv2.CAP_PROP_FPS, self.settings.rate_hz)
        for key, value in self.locked.items():
            capture.set(key, value)
        rate_hz = float(capture.get(cv2.CAP_PROP_FPS))
        self.rate_hz = rate_hz if 0 < rate_hz <= 1000 else None
        self.capture = capture

    def grab(self) -> tuple[float, Load]:
        """The next frame, stamped by the driver where it tells the time, else on arrival.

        Raises:
            DeviceError: unplugged, or silent for longer than the driver waits.
        """
        import cv2

        capture = self.capture
        if capture is None or not capture.grab():
            raise DeviceError(f"{self.name} gives no pictures; is it still plugged in?")
        now_s = time.monotonic()
        driver_s = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        taken_s = driver_s if 0 <= now_s - driver_s < SAME_CLOCK_S else now_s
        good, picture = capture.retrieve()  # here, because the next grab would overwrite it
        return taken_s, lambda: _rgb(picture) if good else None

    def close(self) -> None:
        """Let the camera go."""
        capture, self.capture = self.capture, None
        if capture is not None:
            capture.release()


def _rgb(picture: Any) -> Image | None:
    import cv2

    if picture is None or picture.size == 0:
        return None
    code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(picture, code), np.uint8)


def lock_and_match(cameras: Sequence[UvcCamera]) -> list[str]:
    """Let the first camera find its exposure and white balance, then fix both and give the others the same values.

    Returns notes on what a driver does not allow; the matcher evens out what is left.
    """
    import cv2

    for camera in cameras:
        for _ in range(WARM_UP_FRAMES):
            if not camera.capture.grab():
                break
    first = cameras[0].capture
    values = {
        key: float(first.get(key)) for key in (cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_GAIN, cv2.CAP_PROP_WB_TEMPERATURE)
    }
    notes = []
    for camera in cameras:
        by_v4l2 = camera.capture.getBackendName() == "V4L2"
        manual = {
            cv2.CAP_PROP_AUTO_EXPOSURE: 1.0 if by_v4l2 else 0.25,
            cv2.CAP_PROP_AUTO_WB: 0.0,
        }  # each API's "manual"
        refused = []
        for what, automatic, keys in (
            ("exposure", cv2.CAP_PROP_AUTO_EXPOSURE, (cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_GAIN)),
            ("white balance", cv2.CAP_PROP_AUTO_WB, (cv2.CAP_PROP_WB_TEMPERATURE,)),
        ):
            wanted = {automatic: manual[automatic]} | {key: values[key] for key in keys}
            done = [camera.capture.set(key, value) for key, value in wanted.items()]
            reached = abs(float(camera.capture.get(keys[0])) - values[keys[0]]) <= 0.02 * abs(values[keys[0]]) + 1e-6
            if done[0] and done[1] and reached:
                camera.locked |= wanted
            else:
                refused.append(what)
        if refused:
            notes.append(f"{camera.name}: its driver does not let {' and '.join(refused)} be fixed")
    return notes


def why_not(target: int | str) -> str:
    """Why a camera does not open, in one line, as far as the system tells."""
    node = Path(f"/dev/video{target}") if isinstance(target, int) else Path(target)
    there = [name for name, _ in list_cameras()]
    if sys.platform == "linux" and not node.exists():
        found = f"found: {', '.join(there)}" if there else "no camera is plugged in"
        return f"there is no {node}; {found}"
    if sys.platform == "linux" and not os.access(node, os.R_OK | os.W_OK):
        return f"no permission to use {node}; sudo usermod -aG video $USER, then log in again"
    return f"camera {target} does not open; is it plugged in, and not in use by another program?"


def list_cameras() -> list[tuple[str, str]]:
    """(/dev path, product name) of every video node on Linux; empty elsewhere."""
    if sys.platform != "linux":
        return []
    found = []
    for node in sorted(Path("/sys/class/video4linux").glob("video*"), key=lambda p: int(p.name[5:] or 0)):
        try:
            product = (node / "name").read_text(encoding="utf-8", errors="replace").strip()
            index = (node / "index").read_text().strip()
        except OSError:
            product, index = "unknown", "0"
        if index == "0":  # further nodes of one camera carry metadata, not pictures
            found.append((f"/dev/{node.name}", product))
    return found
