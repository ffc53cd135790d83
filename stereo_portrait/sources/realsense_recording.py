"""realsense:FILE.db3 and FILE.bag: checked before it is played and counted while it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.core.stream import Frame
from stereo_portrait.sources.realsense_sdk import load_sdk
from stereo_portrait.sources.realsense_settings import RealSenseSettings
from stereo_portrait.sources.realsense_stream import RealSenseStream, enable
from stereo_portrait.sources.stream_settings import StreamSettings

WAIT_MS = 200
MOST_STARTS = 10
MOST_EMPTY_STARTS = 4
LINGER_MS = 1000  # the SDK says "stopped" when it has read the file, while frames are still on their way through it


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
        self.wanted = wanted = ("Infrared_1", "Infrared_2") if settings.pair else ("Depth_0", "Color_0")
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
        enable(rs, config, settings, live=False)
        super().__init__(path.name, config, settings, streams)
        self.expected = min(self.contents.pictures[stream] for stream in wanted)
        self._playback: Any = None
        self._ahead: Any = None
        self._starts: list[float] = []  # moments of first framesets

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

    @property
    def position_s(self) -> float | None:
        """How far into the recording the playback is; None while it does not run."""
        return None if self._playback is None else self._playback.get_position() / 1e9

    def _start(self, rs: Any) -> Any:
        pipeline = rs.pipeline()
        try:
            resolved = self._config.resolve(rs.pipeline_wrapper(pipeline))
            self._playback = resolved.get_device().as_playback()
            self._playback.set_real_time(self.paced)  # before the start, else the first frames are lost
            pipeline.start(self._config)
        except RuntimeError as error:
            raise self._explained(error) from error
        return pipeline

    def _begun(self, rs: Any) -> Any:
        """A pipeline that plays from the recording's first frames; what it has read already lies in `_ahead`.

        The SDK reads from the moment its first sensor starts. On a busy machine the second starts so late that its
        frames are lost, even all of them, or that all are paired with the last one of the first: such a start is
        repeated.
        """
        self._starts, empty = [], 0
        for left in reversed(range(MOST_STARTS)):
            pipeline = self._start(rs)
            begins = self.paced or self._is_beginning(rs, pipeline)
            empty += begins is None
            nothing = empty == (1 if self.contents.damaged else MOST_EMPTY_STARTS)
            if begins or nothing or self._closed.is_set() or left == 0:
                break  # what it brings, or that it brings nothing, is judged at the end
            self._ahead = None
            pipeline.stop()
        return pipeline

    def _is_beginning(self, rs: Any, pipeline: Any) -> bool | None:
        """None: the file was read to its end and no whole frameset came."""
        waited_ms = 0
        while not self._closed.is_set() and waited_ms < LINGER_MS:
            came, frames = pipeline.try_wait_for_frames(WAIT_MS)
            if not came:
                waited_ms += WAIT_MS if self._playback.current_status() == rs.playback_status.stopped else 0
            elif (views := self._whole(frames)) is not None:
                self._ahead = frames
                numbers = [int(view.get_frame_number()) for view in views]
                at_ms = sum(float(view.get_timestamp()) for view in views)
                self._starts.append(at_ms)
                known = self.contents.begins_with(dict(zip(self.wanted, numbers, strict=True)))
                times = 2 if known is None else 3  # a .bag does not tell; nor does the SDK always pair the very first
                return known or (at_ms == min(self._starts) and self._starts.count(at_ms) >= times)
        return None

    def _next(self, pipeline: Any) -> tuple[bool, Any]:
        frames, self._ahead = self._ahead, None
        return (True, frames) if frames is not None else pipeline.try_wait_for_frames(WAIT_MS)

    def __iter__(self) -> Iterator[Frame]:
        rs = load_sdk()
        pipeline = self._begun(rs)
        seen, last, idle = 0, -1, 0
        first: int | None = None
        try:
            while not self._closed.is_set():
                came, frames = self._next(pipeline)
                if not came:
                    stopped = self._playback.current_status() == rs.playback_status.stopped
                    idle = idle + 1 if stopped else 0
                    if idle and (seen >= self.expected or idle * WAIT_MS >= LINGER_MS):
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
