"""realsense: a camera that is plugged in, opened again when it was lost."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.core.stream import Frame
from stereo_portrait.sources.realsense_sdk import UDEV, load_sdk
from stereo_portrait.sources.realsense_settings import RealSenseSettings
from stereo_portrait.sources.realsense_stream import RealSenseStream, enable
from stereo_portrait.sources.stream_settings import StreamSettings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 3.0


class RealSenseCamera(RealSenseStream):
    """A camera that is plugged in; opened again when it was lost."""

    def __init__(self, settings: RealSenseSettings, streams: StreamSettings, record_to: Path | None = None) -> None:
        """Find the camera and check that it has the streams.

        Raises:
            DeviceError: no SDK, no camera, no permission, or streams that it does not have.
        """
        rs = load_sdk()
        config = rs.config()
        if settings.serial is not None:
            config.enable_device(settings.serial)
        enable(rs, config, settings, live=True)
        if record_to is not None:
            config.enable_record_to_file(str(record_to))
        self.record_to = record_to
        super().__init__("RealSense", config, settings, streams)

    def _explained(self, error: RuntimeError) -> DeviceError | InputError:
        from stereo_portrait.sources.realsense_sdk import list_realsense

        found = list_realsense()
        if not found:
            return DeviceError(f"no RealSense camera found; plug it into a USB 3 port; {UDEV}")
        if self.settings.serial is not None and self.settings.serial not in {c.serial for c in found}:
            there = ", ".join(f"{c.name} {c.serial}" for c in found)
            return DeviceError(f"no RealSense camera with the number {self.settings.serial}; found: {there}")
        camera = found[0]
        slow = (
            "; it is on USB 2, which carries little: use a USB 3 port and cable" if camera.usb.startswith("2") else ""
        )
        return DeviceError(
            f"{camera.name} does not start ({error}); it may be in use, lack permission, or not have the size and rate "
            f"that realsense.* asks for{slow}"
        )

    def _start(self) -> Any:
        rs = load_sdk()
        pipeline = rs.pipeline()
        try:
            profile = pipeline.start(self._config)
            for text in _configure(rs, profile.get_device(), self.settings):
                self.health.note(text)
        except RuntimeError as error:
            raise self._explained(error) from error
        return pipeline

    def __iter__(self) -> Iterator[Frame]:
        pipeline = self._start()
        good_s, pause_s, stalled = time.monotonic(), FIRST_PAUSE_S, False
        number = last = -1
        try:
            while not self._closed.is_set():
                frames = None
                try:
                    if pipeline is None:
                        pipeline = self._start()
                        self.health.reconnects += 1
                        self.health.note(f"{self.name} was lost and came back")
                        last = -1
                    came, frames = pipeline.try_wait_for_frames(max(50, int(self.streams.stall_s * 250)))
                    views = self._whole(frames) if came else None
                except (RuntimeError, DeviceError) as error:
                    self.health.note(f"lost: {error}")
                    views = None
                    self._closed.wait(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                if views is not None:
                    good_s, pause_s, stalled = time.monotonic(), FIRST_PAUSE_S, False
                    lead = int(views[self._rgbd is not None].get_frame_number())
                    if lead == last:
                        continue  # the same picture once more, beside the next depth
                    step = lead - last if 0 <= last < lead else 1  # 1: started, or the counter began anew
                    self.health.dropped += step - 1
                    number, last = number + step, lead
                    frame = self._frame(frames, views, number)
                    del frames, views
                    yield frame
                    continue
                silent_s = time.monotonic() - good_s
                if silent_s > self.streams.give_up_s:
                    raise DeviceError(f"{self.name} gave no frames for {silent_s:.0f} s; check its cable and USB port")
                if silent_s > self.streams.stall_s and not stalled:
                    stalled = True
                    self.health.stalls += 1
                    self.health.note(f"{self.name} gave no frames for more than {self.streams.stall_s:g} s")
                if silent_s > self.streams.reconnect_s and self.record_to is not None:  # anew would begin the file anew
                    raise DeviceError(f"{self.name} gave no frames for {silent_s:.0f} s; the recording ends here")
                if silent_s > self.streams.reconnect_s and pipeline is not None:
                    _stop(pipeline)
                    pipeline = None
        finally:
            if pipeline is not None:
                _stop(pipeline)


def _stop(pipeline: Any) -> None:
    try:
        pipeline.stop()
    except RuntimeError:
        return  # it was not running any more


def _configure(rs: Any, device: Any, settings: RealSenseSettings) -> list[str]:
    """Projector and preset; returns notes on what this camera does not have."""
    sensor = device.first_depth_sensor()
    notes = []
    if settings.emitter is not None:
        if sensor.supports(rs.option.emitter_enabled):
            sensor.set_option(rs.option.emitter_enabled, float(settings.emitter))
        else:
            notes.append("this camera's projector cannot be switched")
    if settings.preset != "keep":
        if sensor.supports(rs.option.visual_preset):
            sensor.set_option(rs.option.visual_preset, float(int(getattr(rs.rs400_visual_preset, settings.preset))))
        else:
            notes.append(f"this camera has no preset '{settings.preset}'")
    return notes
