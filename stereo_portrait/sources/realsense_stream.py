"""What a RealSense camera and its recordings share: stream profiles, conversion of framesets, counting."""

import threading
import time
from typing import Any

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.realsense_frames import DepthFilters, RgbdReader, pair_of_infrared
from stereo_portrait.sources.realsense_sdk import camera_of, load_sdk, on_one_grid, rig_of
from stereo_portrait.sources.realsense_settings import RealSenseSettings
from stereo_portrait.sources.stream_settings import StreamSettings


class RealSenseStream:
    """A resolved configuration of the SDK; whoever inherits starts it and iterates."""

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


def enable(rs: Any, config: Any, settings: RealSenseSettings, live: bool) -> None:
    """Ask for the streams; a recording has its own rates and formats."""
    size = (settings.width_px or 0, settings.height_px or 0)
    rate_hz = settings.rate_hz if live else 0
    if settings.pair:
        for index in (1, 2):
            config.enable_stream(rs.stream.infrared, index, *size, rs.format.y8, rate_hz)
        return
    config.enable_stream(rs.stream.depth, *size, rs.format.z16, rate_hz)
    config.enable_stream(rs.stream.color, *size, rs.format.rgb8 if live else rs.format.any, rate_hz)
