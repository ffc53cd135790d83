"""A frame of the stream becomes a full portrait, in a process of its own behind the stream."""

import dataclasses
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from stereo_portrait import __version__
from stereo_portrait.config import Settings
from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.errors import StereoPortraitError
from stereo_portrait.core.portrait import DepthEstimate
from stereo_portrait.core.rig import RectifiedRig, RigCalibration
from stereo_portrait.live.controls import Wish
from stereo_portrait.live.figures import Figures
from stereo_portrait.live.picture import Picture

MOST_WAITING = 4
NICENESS = 10


@dataclass(frozen=True, slots=True)
class Order:
    """Everything that the other process needs."""

    capture: StereoPair | RgbdFrame
    rig: RigCalibration | RectifiedRig | None
    wish: Wish
    focus_m: float
    sections: Mapping[str, Any]  # of the settings
    folder: Path


class Saver:
    """Makes portraits one after the other; the stream never waits for them."""

    def __init__(self, folder: Path, settings: Settings, figures: Figures) -> None:
        self.folder, self.settings, self.figures = folder, settings, figures
        self._pool: ProcessPoolExecutor | None = None
        self._waiting: list[Future[Path]] = []

    def save(self, picture: Picture) -> None:
        """Order the portrait of a frame; says so where too many wait already."""
        self.collect()
        if len(self._waiting) >= MOST_WAITING:
            self.figures.note(f"{MOST_WAITING} portraits are being made; save again when one is done")
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_step_back)
        seen = picture.seen
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-frame{seen.frame.number:06d}"
        order = Order(
            seen.frame.capture,
            seen.rig,
            picture.wish,
            picture.focus.distance_m,
            dict(self.settings.by_section),
            self.folder / name,
        )
        self._waiting.append(self._pool.submit(make, order))
        self.figures.note(f"making the portrait of frame {seen.frame.number}")

    def close(self) -> None:
        """Wait for what is being made, and let go of the process."""
        for future in self._waiting:
            future.exception()
        self.collect()
        if self._pool is not None:
            self._pool.shutdown()

    def collect(self) -> None:
        """Say what has become of the orders that are done."""
        for future in [f for f in self._waiting if f.done()]:
            self._waiting.remove(future)
            error = future.exception()
            if error is None:
                self.figures.saved += 1
                self.figures.note(f"saved {future.result()}")
            elif isinstance(error, StereoPortraitError):
                self.figures.failed_saves += 1
                self.figures.note(f"not saved: {error}")
            else:
                raise error


def _step_back() -> None:
    """The stream comes first, and Ctrl-C is the stream's: what was ordered is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICENESS)


def make(order: Order) -> Path:
    """The ordinary pipeline at full quality; the folder appears whole or not at all.

    Raises:
        StereoPortraitError: depth that cannot be focused, a folder that cannot be written.
    """
    from stereo_portrait.export.result import describe, write_estimate
    from stereo_portrait.pipeline import Watch, estimate_from_pair, estimate_from_sensor, render_portrait, stages_of

    lens = dataclasses.replace(order.sections["lens"], f_number=order.wish.f_number)
    rectify = dataclasses.replace(order.sections["rectify"], resize_rig=True)
    settings = Settings({**order.sections, "lens": lens, "rectify": rectify})
    stages, watch = stages_of(settings), Watch()
    if isinstance(order.capture, RgbdFrame):
        estimate = estimate_from_sensor(order.capture.photo, order.capture.depth, watch)
    else:
        assert order.rig is not None
        estimate = estimate_from_pair(order.capture, order.rig, stages, watch)
    focus = dataclasses.replace(order.sections["focus"], at=_focus_text(order, estimate))
    settings = Settings({**settings.by_section, "focus": focus})
    result = render_portrait(estimate, stages_of(settings), watch, settings)
    report = {
        "method": estimate.decision.use,
        **describe(estimate),
        "seconds": dict(watch.seconds),
        "focus": dataclasses.asdict(result.focus),
        "lens": dataclasses.asdict(result.lens),
        "settings": settings.as_dict(),
        "version": __version__,
    }
    write_estimate(order.folder, estimate, report, result)
    return order.folder


def _focus_text(order: Order, estimate: DepthEstimate) -> str:
    """Where the live picture was focused; where the full pipeline trusts only relative depth, the same point."""
    if estimate.depth.metric:
        return f"{order.focus_m:.4f}m"
    if order.wish.point is None:
        return "auto"
    height, width = estimate.photo.shape[:2]
    return f"{int(order.wish.point[0] * width)},{int(order.wish.point[1] * height)}"
