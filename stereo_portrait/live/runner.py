"""The runner: capture | depth | render in threads, show in the caller's."""

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np

from stereo_portrait.config import Settings
from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import StereoPortraitError
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.core.stream import Frame
from stereo_portrait.live.capture import Capture, Opener
from stereo_portrait.live.controls import Controls, Wish
from stereo_portrait.live.depth import DepthStage, LiveDepth, RigFor
from stereo_portrait.live.figures import Figures
from stereo_portrait.live.picture import Picture, RenderStage
from stereo_portrait.live.saving import Saver
from stereo_portrait.live.screen import Screen
from stereo_portrait.live.settings import LiveSettings
from stereo_portrait.live.slot import Closed, Newest
from stereo_portrait.live.working_width import WorkingWidth

Ended = Literal["end", "seconds", "viewer", "stopped", "error"]
IDLE_S = 0.05


class LiveRunner:
    """One run of one stream.

    Depth takes a frame only when render is free for its result, so that nothing is computed that is never shown and
    every frame lost is lost before any work was done on it. A source that is not paced waits for depth in turn.
    """

    def __init__(self, opener: Opener, rig_for: RigFor | None, settings: Settings, controls: Controls) -> None:
        """Open the source and load what compiles.

        Raises:
            InputError, DeviceError: the source cannot be opened.
        """
        warm_up(settings)
        live: LiveSettings = settings["live"]
        self.settings, self.live, self.controls = settings, live, controls
        self.figures = Figures()
        self.depth, self.render = DepthStage(settings, rig_for), RenderStage(settings)
        self.capture = Capture(opener, live, self.figures)
        self.width = WorkingWidth(live, self.capture.source.rate_hz)
        self._captured: Newest[Frame] = Newest()
        self._measured: Newest[LiveDepth] = Newest()
        self._drawn: Newest[Picture] = Newest()
        self._shown: Picture | None = None
        self._saves = 0  # how many of those that were asked for have been ordered
        self.ended: Ended = "end"
        self._stopped = threading.Event()  # a frozen picture outlives its source, but not this

    def run(self, screen: Screen, seconds: float | None = None, saver: Saver | None = None) -> dict[str, Any]:
        """Show until the source ends, the screen has had enough, the time is over or Ctrl-C; returns the report.

        Raises:
            StereoPortraitError: no frame could be used, or the source was lost for good.
        """
        with ThreadPoolExecutor(3, thread_name_prefix="live") as pool:
            stages = [pool.submit(stage) for stage in (self._capture_all, self._depth_all, self._render_all)]
            try:
                self.ended = self._show_all(screen, seconds, saver)
            except KeyboardInterrupt:
                self.ended = "stopped"
            finally:
                self.stop()
                self._lost(self._drawn.discard())
        self.depth.close()
        self.render.close()
        if saver is not None:
            self._save_what_was_asked(saver)
            saver.close()
        for stage in stages:
            if stage.exception() is not None:
                self.ended = "error"
            stage.result()
        return self.report()

    def stop(self) -> None:
        """End the stream, from any thread."""
        self._stopped.set()
        self._end_capture()

    def _end_capture(self) -> None:
        self.capture.stop()
        self._captured.close()

    def report(self) -> dict[str, Any]:
        """Everything measured so far."""
        return {
            **self.figures.report(),
            "ended": self.ended,
            "working_width_px": self.depth.working_width_px,
            "draft": self.render.draft,
            "health": self.capture.health(),
        }

    def status(self) -> dict[str, Any]:
        """What a viewer is told a few times a second."""
        figures, shown = self.figures, self._shown
        recent = {name: stage.busy.recent_ms() or 0 for name, stage in figures.stages.items()}
        age_ms = figures.stages["show"].age.recent_ms() or 0
        words = [
            f"{figures.recent_fps:.1f} pictures/s",
            f"latency {age_ms:.0f} ms",
            f"depth {recent['depth']:.0f} ms at {self.depth.working_width_px} px",
            f"blur {recent['render']:.0f} ms",
            f"{figures.frames_in} frames, {figures.dropped} passed over",
        ]
        focus = None if shown is None else f"{shown.focus.distance_m:.2f} m ({shown.focus.how})"
        return {
            "wish": dataclasses.asdict(self.controls.wish),
            "focus": focus,
            "figures": " · ".join(words),
            "said": figures.said,
        }

    def _show_all(self, screen: Screen, seconds: float | None, saver: Saver | None) -> Ended:
        show = self.figures.stages["show"]
        started_s = time.monotonic()
        while True:
            if seconds is not None and time.monotonic() - started_s >= seconds:
                return "seconds"
            try:
                picture = self._drawn.take(IDLE_S)
            except Closed:
                return "end"
            began_s = time.perf_counter()
            if picture is None:
                go_on = screen.idle()
                if saver is not None:
                    self._save_what_was_asked(saver)  # also while the source is silent
                if not go_on:
                    return "viewer"
                continue
            self._shown = picture
            go_on = screen.show(picture)
            if not picture.again:
                show.busy.add(time.perf_counter() - began_s)
                self.figures.shown(picture.seen.frame.arrived_s)
            if saver is not None:
                self._save_what_was_asked(saver)
            if not go_on:
                return "viewer"

    def _save_what_was_asked(self, saver: Saver) -> None:
        saver.collect()
        if self._shown is not None and self.controls.wish.saves > self._saves:
            self._saves += 1
            saver.save(self._shown)

    def _capture_all(self) -> None:
        stage = self.figures.stages["capture"]
        try:
            frames = self.capture.frames()
            while True:
                if not self.capture.source.paced:
                    self._captured.wait_until_wanted()
                    self.capture.resumed()
                began_s = time.perf_counter()
                frame = next(frames, None)
                if frame is None:
                    return
                stage.busy.add(time.perf_counter() - began_s)
                stage.age.add(time.monotonic() - frame.arrived_s)
                self.figures.frames_in += 1
                stage.dropped += self._captured.put(frame) is not None
        except Closed:
            return
        finally:
            self._captured.close()

    def _depth_all(self) -> None:
        stage = self.figures.stages["depth"]
        usable = False
        try:
            while True:
                self._measured.wait_until_free()
                frame = self._captured.take()
                assert frame is not None
                self._set_working_width()
                began_s = time.perf_counter()
                try:
                    measured = self.depth.process(frame)
                except StereoPortraitError as error:
                    if not usable:
                        raise  # the very first: the rig or the source is the wrong one
                    self.figures.unusable += 1
                    self.figures.note(str(error))
                    continue
                stage.busy.add(time.perf_counter() - began_s)
                stage.age.add(time.monotonic() - frame.arrived_s)
                stage.dropped += self._measured.put(measured) is not None
                usable = True
        except Closed:
            return
        finally:
            self._end_capture()
            self.figures.stages["capture"].dropped += self._captured.discard() is not None
            self._measured.close()

    def _set_working_width(self) -> None:
        chosen = self.controls.wish.working_width_px or self.live.working_width_px
        width_px = self.width.update(self.figures)
        self.depth.working_width_px = chosen or width_px
        self.render.draft = self.width.draft

    def _render_all(self) -> None:
        stage = self.figures.stages["render"]
        last: Picture | None = None
        try:
            while True:
                wish = self.controls.wish
                if wish.frozen and last is not None:
                    last = self._held_frame(last, wish)
                    continue
                measured = self._measured.take()
                assert measured is not None
                began_s = time.perf_counter()
                last = self.render.process(measured, wish)
                stage.busy.add(time.perf_counter() - began_s)
                stage.age.add(time.monotonic() - measured.frame.arrived_s)
                self._hand_over(last)
        except Closed:
            return
        finally:
            stage.dropped += self._measured.discard() is not None
            self._drawn.close()

    def _held_frame(self, last: Picture, wish: Wish) -> Picture:
        """The frozen frame as it is wished for now; depth waits until the picture goes on."""
        began_s = time.monotonic()
        again = self.render.again(last, wish)
        if again is not None:
            self._hand_over(again)
        if self._stopped.wait(max(0.0, 1 / self.live.target_fps - (time.monotonic() - began_s))):
            raise Closed
        if not self.controls.wish.frozen and self._measured.holds():
            self.figures.stages["render"].dropped += self._measured.take() is not None  # it has waited all the while
        return again or last

    def _hand_over(self, picture: Picture) -> None:
        if not self.capture.source.paced:
            try:
                self._drawn.wait_until_free()  # a recording taken frame by frame is shown frame by frame
            except Closed:
                self._lost(picture)
                raise
        self._lost(self._drawn.put(picture))

    def _lost(self, picture: Picture | None) -> None:
        self.figures.stages["show"].dropped += picture is not None and not picture.again


def warm_up(settings: Settings) -> None:
    """Load compiled kernels on a tiny stream, so that no frame of the real one waits for them."""
    rng = np.random.default_rng(0)
    view = rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)
    rig = RectifiedRig(96, 64, 100.0, 0.1, 47.5, 47.5, 31.5)
    depth, render = DepthStage(settings, lambda size: rig), RenderStage(settings)
    wish = Wish(settings["lens"].f_number)
    for number in range(3):
        pair = StereoPair(view, np.roll(view, -4 - number, axis=1), "warm-up")
        render.process(depth.process(Frame(number, pair, 0.0)), wish)
    render.warm_up()
    depth.close()
    render.close()
