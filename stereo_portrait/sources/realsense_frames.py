"""A frameset of the SDK -> our captures: filtered, aligned to colour, copied out of the SDK's memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, Photo, RgbdFrame, StereoPair
from stereo_portrait.core.errors import DeviceError
from stereo_portrait.sources.realsense_sdk import load_sdk
from stereo_portrait.sources.realsense_settings import MAX_RANGE_M, RealSenseSettings
from stereo_portrait.sources.sensor_depth import metres, sensor_depth

CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "yuyv": 2, "uyvy": 2, "y8": 1}
HOLE_MODES = {"left": 0, "farthest": 1, "nearest": 2}


class DepthFilters:
    """The SDK's filters in its order: decimation, threshold, spatial and temporal on disparity, holes."""

    def __init__(self, settings: RealSenseSettings, by_stereo: bool) -> None:
        rs = load_sdk()
        self.steps: list[Any] = []
        if settings.decimation > 1:
            self.steps.append(rs.decimation_filter(float(settings.decimation)))
        if settings.near_m is not None or settings.far_m is not None:
            self.steps.append(rs.threshold_filter(settings.near_m or 0.0, settings.far_m or MAX_RANGE_M))
        if settings.spatial or settings.temporal:
            smoothing = [rs.spatial_filter()] * settings.spatial + [rs.temporal_filter()] * settings.temporal
            if by_stereo:  # its noise is even in disparity, not in depth
                smoothing = [rs.disparity_transform(True), *smoothing, rs.disparity_transform(False)]
            self.steps += smoothing
        self.holes = (
            rs.hole_filling_filter(HOLE_MODES[settings.hole_filling]) if settings.hole_filling != "none" else None
        )

    def __call__(self, frames: Any) -> tuple[Any, Any]:
        """The filtered frameset before and after its holes are filled; the same one where none are."""
        for step in self.steps:
            frames = step.process(frames).as_frameset()
        return frames, frames if self.holes is None else self.holes.process(frames).as_frameset()


class RgbdReader:
    """Framesets with depth and colour -> RgbdFrame on the colour picture's grid."""

    def __init__(self, filters: DepthFilters, one_grid: bool) -> None:
        rs = load_sdk()
        self.filters, self._align = filters, rs.align(rs.stream.color)
        self.one_grid = one_grid  # depth and colour share lens and place: aligning would only lose rows to rounding

    def capture(self, frames: Any, name: str) -> RgbdFrame:
        """Photo and depth of one moment.

        Raises:
            DeviceError: a colour format that is not known, or a buffer of the wrong size.
        """
        before, after = self.filters(frames)
        aligned = self._aligned(after)
        photo = rgb(aligned.get_color_frame())
        depth_m = self._metres(aligned)
        filled = None
        if before is not after:
            filled = np.isnan(self._metres(self._aligned(before))) & ~np.isnan(depth_m)
        stamp_ms = float(frames.get_color_frame().get_timestamp())
        return RgbdFrame(Photo(photo, name), sensor_depth(depth_m, filled), stamp_ms)

    def _aligned(self, frames: Any) -> Any:
        depth, colour = frames.get_depth_frame(), frames.get_color_frame()
        alike = (depth.get_width(), depth.get_height()) == (colour.get_width(), colour.get_height())
        return frames if self.one_grid and alike else self._align.process(frames)

    def _metres(self, aligned: Any) -> NDArray[np.float32]:
        frame = aligned.get_depth_frame()
        raw = np.asanyarray(frame.get_data())
        if raw.dtype != np.uint16 or raw.shape != (frame.get_height(), frame.get_width()):
            raise DeviceError(f"depth came as {raw.dtype} {raw.shape}, expected 16 bits a pixel; update the SDK")
        return metres(raw, float(frame.get_units()))


def pair_of_infrared(frames: Any, name: str) -> StereoPair:
    """Left and right infrared pictures, grey repeated in three channels.

    Raises:
        DeviceError: a format other than 8-bit grey.
    """
    left, right = (rgb(frames.get_infrared_frame(index)) for index in (1, 2))
    return StereoPair(left, right, name)


def rgb(frame: Any) -> Image:
    """A copy of a video frame as (H, W, 3) RGB: frames that are held on to stop the SDK.

    Raises:
        DeviceError: a format that is not known, or fewer bytes than its size needs.
    """
    import cv2

    kind = str(frame.get_profile().format()).rpartition(".")[2]
    if kind not in CHANNELS:
        raise DeviceError(f"the colour stream has the format {kind}, expected one of {', '.join(CHANNELS)}")
    height, width = frame.get_height(), frame.get_width()
    data = np.asanyarray(frame.get_data())
    if data.nbytes < height * width * CHANNELS[kind]:
        raise DeviceError(f"a {kind} frame of {width}x{height} holds {data.nbytes} bytes, too few; the file is damaged")
    picture = np.frombuffer(data.tobytes(), np.uint8)[: height * width * CHANNELS[kind]]
    picture = picture.reshape(height, width, CHANNELS[kind]) if CHANNELS[kind] > 1 else picture.reshape(height, width)
    if kind == "rgb8":
        return picture
    codes = {
        "bgr8": cv2.COLOR_BGR2RGB,
        "rgba8": cv2.COLOR_RGBA2RGB,
        "bgra8": cv2.COLOR_BGRA2RGB,
        "yuyv": cv2.COLOR_YUV2RGB_YUYV,
        "uyvy": cv2.COLOR_YUV2RGB_UYVY,
        "y8": cv2.COLOR_GRAY2RGB,
    }
    return np.asarray(cv2.cvtColor(picture, codes[kind]), np.uint8)
