"""Recordings are lossless, play at every moment whatever ended them, and say what was dropped."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stereo_portrait.core.capture import Photo, RgbdFrame, StereoPair
from stereo_portrait.core.errors import InputError, OutputError
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.export.recording import Origin, RecordingWriter, RecordSettings
from stereo_portrait.geometry.rig_file import rig_text
from stereo_portrait.record import Limits, Recorder
from stereo_portrait.sources.open_stream import open_source
from stereo_portrait.sources.sensor_depth import metres, sensor_depth
from stereo_portrait.sources.synthetic import square_in_front
from tests.sources.videos import picture


def pair_frame(number: int, size: tuple[int, int] = (64, 48)) -> Frame:
    """Noise with awkward times: what a sloppy format would round."""
    pair = StereoPair(picture(number, *size), picture(number, *size, seed=1), "x", 1.7e9 + number / 3)
    return Frame(number + number // 5, pair, 100 + number / 30, 1e9 / 7 + number * 1000 / 30, (-1) ** number / 3)


def rgbd_frame(number: int, unit_m: float) -> Frame:
    raw = np.random.default_rng(number).integers(0, 65536, (48, 64), np.uint16)
    stamp_ms = number * 1000 / 30
    capture = RgbdFrame(Photo(picture(number), "x"), sensor_depth(metres(raw, unit_m)), stamp_ms)
    return Frame(number, capture, 100 + number / 30, stamp_ms, 0.0)


def write(target: Path, frames: list[Frame], origin: Origin | None = None, **settings: Any) -> None:
    writer = RecordingWriter(target, origin or Origin("test", 30.0), RecordSettings(**settings))
    for frame in frames:
        writer.write(frame)
    writer.close()


def same(a: Frame, b: Frame) -> bool:
    assert (a.number, a.device_ms, a.skew_ms) == (b.number, b.device_ms, b.skew_ms)
    if isinstance(a.capture, StereoPair):
        assert isinstance(b.capture, StereoPair)
        assert a.capture.captured_at == b.capture.captured_at
        return np.array_equal(a.capture.left, b.capture.left) and np.array_equal(a.capture.right, b.capture.right)
    assert isinstance(b.capture, RgbdFrame)
    assert a.capture.timestamp_ms == b.capture.timestamp_ms
    depths = (a.capture.depth.depth_m, b.capture.depth.depth_m)
    return np.array_equal(a.capture.photo.pixels, b.capture.photo.pixels) and np.array_equal(*depths, equal_nan=True)


@pytest.mark.parametrize("codec", ["mkv", "png"])
@pytest.mark.parametrize("unit_m", [None, 0.001, 0.0001])
def test_a_recording_plays_back_bit_for_bit_with_its_times(tmp_path: Path, codec: str, unit_m: float | None) -> None:
    frames = [pair_frame(i) if unit_m is None else rgbd_frame(i, unit_m) for i in range(9)]
    write(tmp_path / "take", frames, codec=codec)
    source = open_source(f"folder:{tmp_path}/take")
    again = list(source)
    assert len(again) == 9
    assert all(same(a, b) for a, b in zip(frames, again, strict=True))
    assert (source.rate_hz, source.health.damaged, source.health.notes) == (30.0, 0, [])


def test_one_file_holds_both_views_and_knows_its_times(tmp_path: Path) -> None:
    frames = [pair_frame(i) for i in range(7)]
    write(tmp_path / "take.mkv", frames)
    again = list(open_source(f"video:{tmp_path}/take.mkv?layout=side-by-side"))
    assert all(same(a, b) for a, b in zip(frames, again, strict=True))
    player = cv2.VideoCapture(str(tmp_path / "take.mkv"))  # any other player sees both views
    assert np.array_equal(player.read()[1][..., ::-1], np.hstack([picture(0), picture(0, seed=1)]))


@pytest.mark.parametrize("width_px", [37, 50, 62])
def test_any_width_is_played_back_bit_for_bit(tmp_path: Path, width_px: int) -> None:
    """Decoders pad rows to whole multiples of 16 or 32."""
    rng = np.random.default_rng(width_px)
    views = [rng.integers(0, 256, (40, width_px, 3), np.uint8) for _ in range(4)]
    frames = [Frame(n, StereoPair(views[n], views[n + 2], f"frame {n}"), n / 30, n * 33.0) for n in (0, 1)]
    for name in ("take", "take.mkv"):
        writer = RecordingWriter(tmp_path / name, Origin("made"))
        for frame in frames:
            writer.write(frame)
        writer.close()
    for source in (
        f"folder:{tmp_path}/take",
        f"video:{tmp_path}/take.mkv?layout=side-by-side",
        f"video:{tmp_path}/take/left.mkv,{tmp_path}/take/right.mkv",
    ):
        assert all(same(a, b) for a, b in zip(frames, open_source(source), strict=True))


def test_the_rig_travels_with_the_recording(tmp_path: Path) -> None:
    rig = square_in_front(20, 6, seed=3).pair.rig
    write(tmp_path / "take", [pair_frame(0)], Origin("test", 30.0, rig_text(rig, "rig")[0]))
    assert open_source(f"folder:{tmp_path}/take").rig == rig
    assert open_source(f"video:{tmp_path}/take/left.mkv,{tmp_path}/take/right.mkv").rig == rig


def test_depth_that_is_not_whole_numbers_is_refused(tmp_path: Path) -> None:
    depth = sensor_depth(np.full((48, 64), 1.00037, np.float32))
    frame = Frame(0, RgbdFrame(Photo(picture(0), "x"), depth), 0.0)
    with pytest.raises(OutputError, match="without loss"):
        write(tmp_path / "take", [frame])


@pytest.mark.parametrize("there", ["take/recording.json", "take/left.mkv", "take/rig.yaml", "take/frames.csv"])
def test_nothing_is_ever_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / "take").mkdir()
    (tmp_path / there).write_text("precious")
    with pytest.raises(OutputError, match="nothing is ever overwritten"):
        write(tmp_path / "take", [pair_frame(1)], Origin("test", 30.0, "a rig"))
    assert (tmp_path / there).read_text() == "precious"


@pytest.mark.parametrize("victim", ["left.mkv", "frames.csv", "recording.json"])
def test_a_damaged_recording_never_shows_a_wrong_frame(tmp_path: Path, victim: str) -> None:
    frames = [pair_frame(i) for i in range(12)]
    write(tmp_path / "take", frames)
    data = (tmp_path / "take" / victim).read_bytes()
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(8):
        damaged = bytearray(data)
        at = int(rng.integers(0, len(data) - 60))
        damaged[at : at + 50] = rng.bytes(50)
        (tmp_path / "take" / victim).write_bytes(damaged)
        by_number = {f.number: f for f in frames}
        try:
            source = open_source(f"folder:{tmp_path}/take")
            again = list(source)
        except InputError:
            told += 1
            continue
        told += source.health.damaged > 0
        assert len(again) + source.health.damaged >= 12
        for frame in again:
            if victim == "left.mkv":
                assert same(by_number[frame.number], frame)
    assert told >= 6


@pytest.mark.parametrize("value", ["inf", "nan", "-inf"])
def test_a_time_that_is_no_number_is_damage(tmp_path: Path, value: str) -> None:
    write(tmp_path / "take", [pair_frame(n) for n in range(2)])
    table = tmp_path / "take" / "frames.csv"
    head, first, *rest = table.read_text().split("\n")
    columns = first.split(",")
    columns[2] = value
    table.write_text("\n".join([head, ",".join(columns), *rest]))
    with pytest.raises(InputError, match="damaged in line 2"):
        open_source(f"folder:{tmp_path}/take")


def test_a_recording_that_lost_its_end_after_it_was_closed_is_damage(tmp_path: Path) -> None:
    write(tmp_path / "take", [pair_frame(i) for i in range(12)])
    path = tmp_path / "take" / "right.mkv"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"the last \d+ of 12 frames are missing"):
        list(open_source(f"folder:{tmp_path}/take"))


class Endless:
    """A live source; `paced` as cameras are."""

    name, rate_hz, rig, camera, paced = "endless", 1000.0, None, None, True

    def __init__(self, count: int = 10**6) -> None:
        self.count, self.health, self.closed = count, SourceHealth(), False

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self.count):
            if self.closed:
                return
            frame = pair_frame(number % 50)
            yield Frame(number, frame.capture, time.monotonic(), number / 1.0)

    def close(self) -> None:
        self.closed = True


class SlowWriter:
    def __init__(self) -> None:
        self.numbers: list[int] = []

    def write(self, frame: Frame) -> None:
        time.sleep(0.02)
        self.numbers.append(frame.number)

    def close(self) -> None:
        return


def test_a_slow_disk_bounds_the_queue_and_drops_are_counted() -> None:
    writer = SlowWriter()
    shown = []
    done = Recorder(Endless(), writer, Limits(seconds=0.5, queue_mb=0.2)).run(
        lambda p: shown.append(p.taken - p.written)
    )
    assert done.reason == "seconds"
    assert done.dropped > 50
    assert done.written == done.taken == len(writer.numbers)
    assert max(shown) <= 0.2e6 / (2 * 64 * 48 * 3) + 2


def test_a_file_waits_for_a_slow_disk_instead() -> None:
    source, writer = Endless(20), SlowWriter()
    source.paced = False  # type: ignore[misc]
    done = Recorder(source, writer, Limits(queue_mb=0.1)).run()
    assert (done.dropped, done.written, done.reason) == (0, 20, "end")
    assert writer.numbers == list(range(20))
