"""RealSense cameras, live or from a recording, as a stream of photos with depth or of infrared pairs."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.realsense_frames import DepthFilters, RgbdReader, pair_of_infrared
from stereo_portrait.sources.realsense_sdk import UDEV, camera_of, load_sdk, on_one_grid, rig_of
from stereo_portrait.sources.realsense_settings import RealSenseSettings
from stereo_portrait.sources.stream_settings import StreamSettings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 3.0


class RealSenseStream:
    """What live cameras and recordings share: profiles, conversion, counting."""

    paced = True

    def __init__(self, name: str, config: Any, settings: RealSenseSettings, streams: StreamSettings) -> None:
        """Resolve the streams without starting them.

        Raises:
            DeviceError, InputError: no camera, or streams that it does not have.
        """
        self.name, self.settings, self.streams = name, settings, streams
        self.health = SourceHealth()
        self.rate_hz: float | None = None
        self.rig: RigCalibration | RectifiedRig | None = None
        self.camera: Camera | None = None
        self.depth_unit_m: float | None = None
        self._config = config
        self._closed = threading.Event()
        self._rgbd: RgbdReader | None = None
        rs = load_sdk()
        profile = self._resolved(rs)
        try:
            self._learn(rs, profile)
        except RuntimeError as error:
            raise self._explained(error) from error

    def _resolved(self, rs: Any) -> Any:
        try:
            return self._config.resolve(rs.pipeline_wrapper(rs.pipeline()))
        except RuntimeError as error:
            raise self._explained(error) from error

    def _explained(self, error: RuntimeError) -> DeviceError | InputError:
        raise NotImplementedError

    def _learn(self, rs: Any, profile: Any) -> None:
        """Rates, intrinsics and depth scale from the resolved streams."""
        if self.settings.pair:
            left, right = (profile.get_stream(rs.stream.infrared, index) for index in (1, 2))
            self.rig = rig_of(left, right, self.name)
            self.rate_hz = float(left.fps())
            return
        colour = profile.get_stream(rs.stream.color)
        sensor = profile.get_device().first_depth_sensor()
        self.camera, self.rate_hz = camera_of(colour), float(colour.fps())
        self.depth_unit_m = float(sensor.get_depth_scale())
        filters = DepthFilters(self.settings, bool(sensor.supports(rs.option.stereo_baseline)))
        self._rgbd = RgbdReader(filters, on_one_grid(profile.get_stream(rs.stream.depth), colour))

    def _whole(self, frames: Any) -> tuple[Any, Any] | None:
        """The two frames of one moment: depth and colour, or left and right."""
        if self.settings.pair:
            views = frames.get_infrared_frame(1), frames.get_infrared_frame(2)
        else:
            views = frames.get_depth_frame(), frames.get_color_frame()
        return views if views[0] and views[1] else None

    def _frame(self, frames: Any, views: tuple[Any, Any], number: int) -> Frame:
        name = f"frame {number}"
        capture: StereoPair | RgbdFrame
        if self._rgbd is None:
            capture, first, second = pair_of_infrared(frames, name), views[0], views[1]
        else:
            capture, first, second = self._rgbd.capture(frames, name), views[1], views[0]
        stamp_ms = float(first.get_timestamp())
        skew_ms = float(second.get_timestamp()) - stamp_ms
        self.health.worst_skew_ms = max(self.health.worst_skew_ms, abs(skew_ms))
        self.health.frames += 1
        return Frame(number, capture, time.monotonic(), stamp_ms, skew_ms)

    def close(self) -> None:
        """End the iteration; from any thread."""
        self._closed.set()


class RealSenseRecording(RealSenseStream):
    """A .db3 or an old .bag, checked before it is played and counted while it is."""

    def __init__(
        self, path: Path, settings: RealSenseSettings, streams: StreamSettings, real_time: bool = False
    ) -> None:
        """Check the file and open it.

        Raises:
            InputError: absent, damaged beyond opening, or without the streams that are needed.
            DeviceError: no SDK.
        """
        from stereo_portrait.sources.realsense_file import look_into

        rs = load_sdk()
        self.path, self.paced = path, real_time
        self.contents = look_into(path)
        wanted = ("Infrared_1", "Infrared_2") if settings.pair else ("Depth_0", "Color_0")
        missing = [stream for stream in wanted if not self.contents.pictures[stream]]
        if missing and not self.contents.damaged:
            hint = "record with the infrared pair" if settings.pair else "record depth and colour together"
            if {"Infrared_1", "Infrared_2"} <= self.contents.pictures.keys() and not settings.pair:
                hint = "--set realsense.pair=true uses its infrared pair"
            held = ", ".join(sorted(self.contents.pictures))
            raise InputError(f"{path} holds {held}, but no {' and no '.join(missing)}; {hint}")
        config = rs.config()
        try:
            config.enable_device_from_file(str(path), repeat_playback=False)
        except RuntimeError as error:
            raise self._explained(error) from error
        _enable(rs, config, settings, live=False)
        super().__init__(path.name, config, settings, streams)
        self.expected = min(self.contents.pictures[stream] for stream in wanted)
        self._playback: Any = None

    def _explained(self, error: RuntimeError) -> DeviceError | InputError:
        text = str(error)
        if "resolve" in text and "Reason" not in text:
            asked = self.settings
            size = f" at {asked.width_px}x{asked.height_px}" if asked.width_px else ""
            return InputError(f"{self.path} was not recorded{size} in a format that is needed; leave realsense.* alone")
        return InputError(f"{self.path} cannot be played: {text.rpartition('Reason: ')[2]}")

    def pause(self) -> None:
        """Hold the playback; from any thread."""
        if self._playback is not None:
            self._playback.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._playback is not None:
            self._playback.resume()

    def __iter__(self) -> Iterator[Frame]:
        rs = load_sdk()
        pipeline = rs.pipeline()
        try:
            profile = pipeline.start(self._config)
        except RuntimeError as error:
            raise self._explained(error) from error
        self._playback = profile.get_device().as_playback()
        self._playback.set_real_time(self.paced)
        seen, last = 0, -1
        first: int | None = None
        try:
            while not self._closed.is_set():
                came, frames = pipeline.try_wait_for_frames(200)
                if not came:
                    if self._playback.current_status() == rs.playback_status.stopped:
                        break
                    continue
                views = self._whole(frames)
                if views is None:
                    continue  # the SDK's first frameset may hold one stream only
                lead = int(views[self._rgbd is not None].get_frame_number())
                first = lead if first is None else first
                if lead <= last:
                    continue  # the same picture once more, beside the next depth
                last = lead
                seen += 1
                frame = self._frame(frames, views, lead - first)
                del frames, views  # framesets that are held stop the playback
                yield frame
        except RuntimeError as error:
            raise InputError(
                f"{self.path}: the SDK stopped after {seen} frames ({error}); it may be damaged"
            ) from error
        finally:
            self._playback = None
            pipeline.stop()
        if not self._closed.is_set():
            self._judge(seen)

    def _judge(self, seen: int) -> None:
        """Was that the end, or damage?

        Raises:
            InputError: damage.
        """
        where = "" if self.contents.first_damage_s is None else f" {self.contents.first_damage_s:.2f} s into it"
        if self.contents.damaged:
            self.health.damaged += self.contents.damaged
            raise InputError(
                f"{self.path} is damaged: {self.contents.damaged} of its pictures have wrong checksums, the first"
                f"{where}; the {seen} frames before it could be used; copy it again from where it was recorded"
            )
        lost = self.expected - seen
        self.health.dropped += max(0, lost)
        if not self.paced and lost > max(3, self.expected // 10):
            raise InputError(f"{self.path} ended early: {seen} of {self.expected} frames came out; it may be damaged")


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
        _enable(rs, config, settings, live=True)
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


def _enable(rs: Any, config: Any, settings: RealSenseSettings, live: bool) -> None:
    """Ask for the streams; a recording has its own rates and formats."""
    size = (settings.width_px or 0, settings.height_px or 0)
    rate_hz = settings.rate_hz if live else 0
    if settings.pair:
        for index in (1, 2):
            config.enable_stream(rs.stream.infrared, index, *size, rs.format.y8, rate_hz)
        return
    config.enable_stream(rs.stream.depth, *size, rs.format.z16, rate_hz)
    config.enable_stream(rs.stream.color, *size, rs.format.rgb8 if live else rs.format.any, rate_hz)


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
