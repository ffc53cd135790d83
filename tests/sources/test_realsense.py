"""RealSense through the SDK itself, with a camera made of software: recordings, damage, filters, and live."""

import random
import sqlite3
import sys
import time
from contextlib import closing
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.depth import Flaw
from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.core.rig import RigCalibration
from stereo_portrait.core.stream import Frame
from stereo_portrait.sources.open_stream import open_source
from stereo_portrait.sources.realsense import RealSenseCamera
from stereo_portrait.sources.realsense_file import Contents
from stereo_portrait.sources.realsense_recording import RealSenseRecording
from stereo_portrait.sources.realsense_settings import RealSenseSettings
from stereo_portrait.sources.stream_settings import StreamSettings
from tests.sources.software_realsense import BASELINE_M, SoftwareCamera, record, square

COUNT = 24


def rgbd(frame: Frame) -> RgbdFrame:
    assert isinstance(frame.capture, RgbdFrame)
    return frame.capture


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("rs") / "a.db3", [square(i) for i in range(COUNT)])


def test_a_recording_plays_to_its_end_with_colour_depth_and_times_unchanged(recording: Path) -> None:
    source = open_source(f"realsense:{recording}")
    frames = list(source)
    assert [f.number for f in frames] == list(range(COUNT))
    for i, frame in enumerate(frames):
        assert np.array_equal(rgbd(frame).photo.pixels, square(i)[1])
        assert frame.device_ms == pytest.approx(i * 1000 / 30, abs=1e-3)
        assert frame.skew_ms == pytest.approx(0, abs=1e-6)
    assert source.camera is not None
    assert (source.camera.fx_px, source.camera.cx_px) == pytest.approx((70.8, 31.5), rel=1e-6)
    assert source.rate_hz == 30
    assert not source.paced
    assert (source.health.frames, source.health.dropped, source.health.damaged) == (COUNT, 0, 0)


def test_a_start_that_lost_the_first_frames_is_repeated(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the SDK reads on before all its sensors have started."""
    start, starts = RealSenseRecording._start, list[int]()

    def late(self: RealSenseRecording, rs: Any) -> Any:
        pipeline = start(self, rs)
        starts.append(1)
        for _ in range(5 if len(starts) <= 2 else 0):
            pipeline.try_wait_for_frames(1000)
        return pipeline

    monkeypatch.setattr(RealSenseRecording, "_start", late)
    frames = list(open_source(f"realsense:{recording}"))
    assert [f.number for f in frames] == list(range(COUNT))
    assert [int(rgbd(f).photo.pixels[0, 0, 0]) for f in frames] == list(range(COUNT))
    assert len(starts) >= 3


def test_a_start_that_lost_every_frame_is_repeated(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, starts = RealSenseRecording._start, list[int]()

    def empty(self: RealSenseRecording, rs: Any) -> Any:
        pipeline = start(self, rs)
        starts.append(1)
        while len(starts) <= 2 and pipeline.try_wait_for_frames(1000)[0]:
            pass
        return pipeline

    monkeypatch.setattr(RealSenseRecording, "_start", empty)
    assert [f.number for f in open_source(f"realsense:{recording}")] == list(range(COUNT))
    assert len(starts) >= 3


def test_the_beginning_of_a_recording_is_known_by_both_its_streams() -> None:
    numbers = {"Depth_0": [(10 * n, n) for n in range(9)], "Color_0": [(42 + 10 * n, 70 + n) for n in range(5)]}
    contents = Contents(numbers=numbers)
    for depth, colour, begins in ((4, 70, True), (5, 70, True), (5, 71, False), (8, 70, False), (0, 70, False)):
        assert contents.begins_with({"Depth_0": depth, "Color_0": colour}) == begins
    assert Contents().begins_with({"Depth_0": 0, "Color_0": 0}) is None


def test_depth_lies_on_the_colour_pictures_grid(recording: Path) -> None:
    """A near point at x = 32 of the depth camera is seen 15 mm further left by the colour camera."""
    frame = next(iter(open_source(f"realsense:{recording}")))
    depth_m = rgbd(frame).depth.depth_m
    near = np.flatnonzero(np.nan_to_num(depth_m[24], nan=9) < 1.5)
    left_px = (10 - 0.5 - 31.5) / (64 * 0.95) * 70.8 + 70.8 * 0.015 / 1.0 + 31.5
    assert near.min() == pytest.approx(left_px + 0.5, abs=1.01)
    assert depth_m[24, 25] == np.float32(1.0)
    assert np.nanmax(depth_m) == np.float32(3.0)


@pytest.mark.parametrize("unit_m", [0.001, 0.0001])
def test_the_depth_scale_of_the_camera_is_obeyed(tmp_path: Path, unit_m: float) -> None:
    near, far = round(1.2 / unit_m), round(3.4 / unit_m)
    path = record(tmp_path / "a.db3", [square(i, near=near, far=far) for i in range(3)], unit_m=unit_m)
    source = open_source(f"realsense:{path}")
    depth_m = rgbd(next(iter(source))).depth.depth_m
    assert np.unique(depth_m[~np.isnan(depth_m)]) == pytest.approx([1.2, 3.4], rel=1e-6)
    assert isinstance(source, RealSenseRecording)
    assert source.depth_unit_m == pytest.approx(unit_m)


def test_every_filter_of_the_sdk_can_be_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    moments = []
    for i in range(4):
        depth, colour = square(i, (128, 96))
        assert depth is not None
        noisy = (depth + rng.integers(-20, 20, depth.shape)).astype(np.uint16)
        noisy[40:44, 60:64] = 0
        moments.append((noisy, colour))
    path = record(tmp_path / "a.db3", moments, size=(128, 96), shift_m=0.0)

    def last(**settings: Any) -> Any:
        return rgbd(list(open_source(f"realsense:{path}", realsense=RealSenseSettings(**settings)))[-1]).depth

    plain = last()
    assert np.isnan(plain.depth_m[42, 62])
    assert np.isnan(last(far_m=2.0).depth_m[5, 100])
    assert np.isnan(last(near_m=2.0).depth_m[48, 40])
    wall = (slice(2, 20), slice(70, 120))
    smooth = last(spatial=True, temporal=True)
    assert np.nanstd(smooth.depth_m[wall]) < 0.7 * np.nanstd(plain.depth_m[wall])
    filled = last(hole_filling="farthest")
    assert not np.isnan(filled.depth_m[42, 62])
    assert filled.flaws[42, 62] & Flaw.FILLED
    assert not filled.flaws[10, 90] & Flaw.FILLED
    assert last(decimation=2).depth_m.shape == (96, 128)


def test_playback_can_be_paused_and_goes_on_where_it_was(tmp_path: Path) -> None:
    path = record(tmp_path / "slow.db3", [square(i % 20) for i in range(40)], interval_s=0.03)
    source = open_source(f"realsense:{path}", real_time=True)
    assert isinstance(source, RealSenseRecording)
    assert source.paced
    stream = iter(source)
    numbers = [next(stream).number]
    source.pause()
    time.sleep(0.2)  # what is on its way comes to rest
    stands = source.position_s
    time.sleep(0.5)
    assert source.position_s == stands
    source.resume()
    numbers += [f.number for f in stream]
    assert len(numbers) > 5
    assert all(b > a for a, b in pairwise(numbers))


def test_close_ends_playback_at_once(recording: Path) -> None:
    source = open_source(f"realsense:{recording}")
    for _ in source:
        source.close()
    assert source.health.frames == 1


def spoiled(path: Path, to: Path, share: float, rng: random.Random) -> Path:
    """Random bytes inside one picture of the recording."""
    to.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(to)) as database, database:
        rows = database.execute(
            "select m.id, m.data from messages m join topics t on t.id = m.topic_id "
            "where t.name like '%/image/data%' order by m.timestamp"
        ).fetchall()
        row, data = rows[int(len(rows) * share)]
        data = bytearray(data)
        at = data.find(b"IDAT") + 8
        data[at : at + 24] = rng.randbytes(24)
        database.execute("update messages set data = ? where id = ?", (bytes(data), row))
    return to


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_random_bytes_are_reported_as_damage_not_as_the_end(recording: Path, tmp_path: Path, share: float) -> None:
    source = open_source(f"realsense:{spoiled(recording, tmp_path / 'b.db3', share, random.Random(1))}")
    frames = []
    with pytest.raises(InputError, match=r"b\.db3 is damaged: 1 of its pictures .* s into it"):
        for frame in source:
            frames.append(frame)
    assert len(frames) <= COUNT * share + 1
    assert source.health.damaged == 1


def test_a_recording_that_was_cut_off_is_damage(recording: Path, tmp_path: Path) -> None:
    data = recording.read_bytes()
    for share in (0.2, 0.6, 0.95):
        path = tmp_path / "cut.db3"
        path.write_bytes(data[: int(len(data) * share) // 4096 * 4096])
        with pytest.raises(InputError, match="damaged"):
            list(open_source(f"realsense:{path}"))


def test_any_bytes_as_a_recording_give_one_clear_error_or_whole_frames(recording: Path, tmp_path: Path) -> None:
    data = recording.read_bytes()
    rng = random.Random(3)
    outcomes = set()
    for _ in range(6):
        damaged = bytearray(data)
        at = rng.randrange(0, len(data) - 3000)
        damaged[at : at + 3000] = rng.randbytes(3000)
        path = tmp_path / "any.db3"
        path.write_bytes(damaged)
        try:
            outcomes.add(len(list(open_source(f"realsense:{path}"))))
        except InputError as error:
            assert "any.db3" in str(error)
            outcomes.add(-1)
    assert -1 in outcomes


@pytest.mark.parametrize(("content", "complaint"), [(b"", "empty"), (b"hello" * 1000, "damaged or no RealSense")])
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "x.db3"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        open_source(f"realsense:{path}")
    with pytest.raises(InputError, match="no recording"):
        open_source(f"realsense:{tmp_path}/absent.db3")


def test_a_stream_that_was_not_recorded_is_named(tmp_path: Path, recording: Path) -> None:
    path = record(tmp_path / "depth_only.db3", [(square(i)[0], None) for i in range(3)])
    with pytest.raises(InputError, match="no Color_0"):
        open_source(f"realsense:{path}")
    with pytest.raises(InputError, match="no Infrared_1"):
        open_source(f"realsense:{recording}", realsense=RealSenseSettings(pair=True))
    with pytest.raises(InputError, match="1280x720"):
        open_source(f"realsense:{recording}", realsense=RealSenseSettings(width_px=1280, height_px=720))


def test_the_infrared_pair_comes_with_its_rig(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    views = [tuple(rng.integers(0, 256, (48, 64), np.uint8) for _ in range(2)) for _ in range(5)]
    path = record(tmp_path / "ir.db3", views, infrared=True)
    with pytest.raises(InputError, match=r"realsense\.pair=true"):
        open_source(f"realsense:{path}")
    source = open_source(f"realsense:{path}", realsense=RealSenseSettings(pair=True))
    frames = list(source)
    assert len(frames) == 5
    for frame, (left, right) in zip(frames, views, strict=True):
        assert isinstance(frame.capture, StereoPair)
        assert np.array_equal(frame.capture.left[..., 0], left)
        assert np.array_equal(frame.capture.right[..., 2], right)
    assert isinstance(source.rig, RigCalibration)
    assert source.rig.translation_right_from_left_m == pytest.approx([-BASELINE_M, 0, 0])


class SoftwareStream(RealSenseCamera):
    """The live path on a software camera: the SDK's syncer stands where its pipeline does."""

    def __init__(self, streams: StreamSettings) -> None:
        self.camera_now = SoftwareCamera()
        self.starts = 0
        super().__init__(RealSenseSettings(), streams)

    def _resolved(self, rs: Any) -> Any:
        return _Profile(self.camera_now)

    def _start(self) -> Any:
        self.starts += 1
        if self.starts == 2:
            raise DeviceError("not there yet")
        self.running = _Pipeline(self.camera_now)
        return self.running


class _Profile:
    def __init__(self, camera: SoftwareCamera) -> None:
        self.camera = camera

    def get_stream(self, kind: Any, index: int = -1) -> Any:
        return self.camera.profiles[int(kind == self.camera.rs.stream.color)]

    def get_device(self) -> Any:
        return self

    def first_depth_sensor(self) -> Any:
        return self

    def get_depth_scale(self) -> float:
        return self.camera.unit_m

    def supports(self, option: Any) -> bool:
        return True


class _Pipeline:
    def __init__(self, camera: SoftwareCamera) -> None:
        self.syncer, self.sensors = camera.rs.syncer(), camera.sensors
        for sensor in self.sensors:
            sensor.open(sensor.get_stream_profiles()[0])
            sensor.start(self.syncer)
        self.try_wait_for_frames = self.syncer.try_wait_for_frames

    def stop(self) -> None:
        for sensor in self.sensors:
            sensor.stop()
            sensor.close()


def test_a_live_camera_that_stalls_or_is_lost_comes_back_and_lost_frames_are_counted() -> None:
    source = SoftwareStream(StreamSettings(stall_s=0.2, reconnect_s=0.5, give_up_s=5))
    stream = iter(source)

    def feed(numbers: range) -> list[Frame]:
        frames = []
        for number in numbers:
            source.camera_now.inject(square(number), number)
            frames.append(next(stream))
        return frames

    started = source._start
    source._start = lambda: _fed(started(), source.camera_now)  # type: ignore[method-assign]
    frames = [next(stream), *feed(range(2, 6)), *feed(range(9, 11))]
    assert [f.number for f in frames] == [0, 1, 2, 3, 4, 8, 9]
    assert source.health.dropped == 3
    assert np.array_equal(rgbd(frames[-1]).photo.pixels, square(10)[1])
    again = next(stream)  # silence: stall, reconnect refused once, then back
    assert again.number > 9
    assert (source.health.stalls, source.health.reconnects) == (1, 1)
    assert source.starts == 3
    source.close()
    assert list(islice(stream, 1)) == []


def _fed(pipeline: Any, camera: SoftwareCamera) -> Any:
    for number in (0, 1):  # the SDK's first frameset holds one stream only
        camera.inject(square(number), number)
    return pipeline


def test_without_a_camera_one_line_says_so() -> None:
    with pytest.raises(DeviceError, match="no RealSense camera found"):
        open_source("realsense")


def test_without_the_sdk_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, recording: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    for text in ("realsense", f"realsense:{recording}"):
        with pytest.raises(DeviceError, match="pip install pyrealsense2"):
            open_source(text)
