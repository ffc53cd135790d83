"""A RealSense camera made of software: the SDK's own device, sensors, recorder and syncer, with frames from a test."""

import gc
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from stereo_portrait.sources.realsense_sdk import load_sdk

Moment = tuple[np.ndarray | None, np.ndarray | None]  # depth uint16 and colour, or left and right infrared
BASELINE_M = 0.05


class SoftwareCamera:
    """Depth and colour (15 mm to the right, 10 px longer focal length), or two infrared cameras 50 mm apart."""

    def __init__(
        self,
        size: tuple[int, int] = (64, 48),
        unit_m: float = 0.001,
        infrared: bool = False,
        shift_m: float = 0.015,
        lens: tuple[float, float, float] | None = None,
    ) -> None:
        self.rs: Any = load_sdk()
        rs = self.rs
        self.size, self.unit_m, self.infrared, self.lens = size, unit_m, infrared, lens
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "Software D435")
        self.device.register_info(rs.camera_info.serial_number, "000000000001")
        self.sensors = [self.device.add_sensor("Stereo Module")]
        if not infrared:
            self.sensors.append(self.device.add_sensor("RGB Camera"))
        self.sensors[0].add_read_only_option(rs.option.depth_units, unit_m)
        self.sensors[0].add_read_only_option(rs.option.stereo_baseline, BASELINE_M * 1000)
        kinds = (
            [(rs.stream.infrared, 1, rs.format.y8, 1), (rs.stream.infrared, 2, rs.format.y8, 1)]
            if infrared
            else [(rs.stream.depth, 0, rs.format.z16, 2), (rs.stream.color, 0, rs.format.rgb8, 3)]
        )
        self.profiles = [
            self.sensors[min(i, len(self.sensors) - 1)].add_video_stream(self._stream(i, *kind), True)
            for i, kind in enumerate(kinds)
        ]
        across_m = -BASELINE_M if infrared else shift_m
        for a, b, x in ((0, 1, across_m), (1, 0, -across_m)):
            pose = rs.extrinsics()
            pose.rotation, pose.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [x, 0, 0]
            self.profiles[a].register_extrinsics_to(self.profiles[b], pose)
        self.device.create_matcher(rs.matchers.dlr_c if not infrared else rs.matchers.default)

    def _stream(self, uid: int, kind: Any, index: int, pixel_format: Any, bytes_per_pixel: int) -> Any:
        rs = self.rs
        found = rs.video_stream()
        found.type, found.index, found.uid, found.fmt, found.bpp = kind, index, uid + 1, pixel_format, bytes_per_pixel
        found.fps, (found.width, found.height) = 30, self.size
        lens = rs.intrinsics()
        lens.width, lens.height = self.size
        lens.fx = lens.fy = self.size[0] * 0.95 + (10 if uid and not self.infrared else 0)
        lens.ppx, lens.ppy = (self.size[0] - 1) / 2, (self.size[1] - 1) / 2
        if self.lens is not None:  # fx, cx, cy of both
            lens.fx, lens.ppx, lens.ppy = self.lens
            lens.fy = lens.fx
        lens.model, lens.coeffs = rs.distortion.none, [0.0] * 5
        found.intrinsics = lens
        return found

    def inject(self, moment: Moment, number: int) -> None:
        for i, array in enumerate(moment):
            if array is None:
                continue
            frame = self.rs.software_video_frame()
            frame.pixels = np.ascontiguousarray(array)
            frame.bpp = array.dtype.itemsize * (array.shape[2] if array.ndim == 3 else 1)
            frame.stride, frame.timestamp, frame.frame_number = array.shape[1] * frame.bpp, number * 1000 / 30, number
            frame.domain = self.rs.timestamp_domain.hardware_clock
            frame.profile = self.profiles[i].as_video_stream_profile()
            if i == 0 and not self.infrared:
                frame.depth_units = self.unit_m
            self.sensors[min(i, len(self.sensors) - 1)].on_video_frame(frame)


def record(path: Path, moments: Sequence[Moment], interval_s: float = 0.004, **kinds: Any) -> Path:
    """Write a .db3 through the SDK's recorder."""
    camera = SoftwareCamera(**kinds)
    rs = camera.rs
    recorder = rs.recorder(str(path), camera.device)
    sensors, queue = recorder.query_sensors(), rs.frame_queue(100)
    for sensor in sensors:  # opened through the recorder, fed through the device's own
        sensor.open(sensor.get_stream_profiles())
        sensor.start(queue)
    for number, moment in enumerate(moments):
        camera.inject(moment, number)
        time.sleep(interval_s)
    _wait_until_written(path, sum(array is not None for moment in moments for array in moment))
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    del recorder, sensors, sensor
    gc.collect()  # closes the file
    return path


def _wait_until_written(path: Path, count: int) -> None:
    """The recorder writes on a thread of its own; on a busy machine it lags."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
                pictures = "select id from topics where name like '%/image/data%'"
                query = f"select count(*) from messages where topic_id in ({pictures})"
                if database.execute(query).fetchone()[0] >= count:
                    return
        except sqlite3.Error:
            pass  # being written
        time.sleep(0.05)
    raise AssertionError(f"the SDK wrote less than {count} pictures")


def square(number: int, size: tuple[int, int] = (64, 48), near: int = 1000, far: int = 3000) -> Moment:
    """A near square that moves over a far wall, and a colour picture that tells the number in red."""
    width, height = size
    depth = np.full((height, width), far, np.uint16)
    depth[height // 4 : 3 * height // 4, 10 + number : 10 + number + width // 3] = near
    depth[0, 0] = 0
    colour = np.zeros((height, width, 3), np.uint8)
    colour[..., 0], colour[..., 1] = number, depth // 16
    return depth, colour
