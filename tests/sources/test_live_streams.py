"""Cameras and network streams: in step, and still there after stalls, damage and lost connections."""

import itertools
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import DeviceError
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.live_stereo import LiveStereo
from stereo_portrait.sources.mjpeg_http import decode_jpeg
from stereo_portrait.sources.open_stream import open_source
from stereo_portrait.sources.stream_settings import StreamSettings
from stereo_portrait.sources.timed_pairs import Pairer, Picture, measure_skew, pair_streams
from stereo_portrait.sources.uvc import UvcCamera, lock_and_match
from tests.sources.mjpeg_server import Action, jpeg, number_of, serving

QUICK = StreamSettings(stall_s=0.3, reconnect_s=2.0, give_up_s=3.0)


def views(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(frame.capture, StereoPair)
    return frame.capture.left, frame.capture.right


def steady(numbers: Iterable[int], interval_s: float = 0.03) -> list[Action]:
    return [a for n in numbers for a in (jpeg(n), interval_s)]


def joined(address: str, settings: StreamSettings = QUICK) -> Any:
    return open_source(f"{address}?layout=side-by-side", streams=settings)


def test_two_network_streams_are_paired_and_decoded_exactly() -> None:
    def plan(_: int) -> list[Action]:
        return steady(range(12))

    with serving(plan) as left, serving(plan) as right:
        source = open_source(f"{left},{right}", streams=QUICK)
        frames = list(itertools.islice(source, 8))
        source.close()
    for frame in frames:
        a, b = views(frame)
        assert abs(number_of(a) - number_of(b)) <= 1
        sent = cv2.imdecode(np.frombuffer(jpeg(number_of(a)), np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.array_equal(a, sent)
        assert frame.skew_ms is not None
    assert source.paced
    assert [f.number for f in frames] == list(range(8))


@pytest.mark.parametrize("sized", [True, False])
def test_damaged_jpegs_are_counted_and_survived(sized: bool) -> None:
    marked = bytearray(jpeg(5))
    marked[-40:-38] = b"\xff\x51"
    plan = [jpeg(1), 0.02, b"\xff\xd8rubbish\xff\xd9", 0.02, bytes(marked), 0.02, jpeg(2), 0.02, jpeg(3), 0.5]
    with serving(lambda _: plan, sized=sized) as address:
        source = joined(address)
        numbers = [number_of(views(f)[0]) for f in itertools.islice(source, 3)]
        source.close()
    assert numbers == [1, 2, 3]
    assert source.health.damaged == 2
    assert len(source.health.notes) == 1


def test_a_jpeg_that_was_cut_off_or_marked_is_not_shown() -> None:
    whole = jpeg(3, 320, 240)
    assert decode_jpeg(whole) is not None
    assert decode_jpeg(whole[:-30]) is None
    assert decode_jpeg(b"") is None
    picture = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8), (0, 0), 3)
    whole = bytes(cv2.imencode(".jpg", picture)[1])
    rng, noticed = np.random.default_rng(0), 0
    for _ in range(100):
        damaged = bytearray(whole)
        at = int(rng.integers(650, len(whole) - 410))
        damaged[at : at + 400] = rng.bytes(400)
        noticed += decode_jpeg(bytes(damaged)) is None
    assert noticed >= 95


def test_a_jpeg_that_claims_a_gigantic_picture_is_refused_before_it_is_decoded() -> None:
    bomb = bytearray(jpeg(1))
    at = bomb.find(b"\xff\xc0")
    bomb[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    assert decode_jpeg(bytes(bomb)) is None


def test_a_stall_of_a_second_is_counted_and_survived() -> None:
    with serving(lambda _: [*steady(range(3)), 1.0, *steady(range(3, 8)), 0.5]) as address:
        source = joined(address)
        frames = list(itertools.islice(source, 8))
        source.close()
    assert [number_of(views(f)[0]) for f in frames] == list(range(8))
    assert source.health.stalls == 1
    assert "more than 0.3 s" in source.health.notes[0]
    assert source.health.reconnects == 0


def test_one_of_two_streams_that_stalls_does_not_put_them_out_of_step() -> None:
    with (
        serving(lambda _: steady(range(60))) as left,
        serving(lambda _: [*steady(range(6)), 0.9, *steady(range(36, 60))]) as right,
    ):
        source = open_source(f"{left},{right}", streams=QUICK)
        frames = list(itertools.islice(source, 22))
        source.close()
    assert source.health.stalls == 1
    assert source.health.dropped >= 15
    for frame in frames:
        a, b = (number_of(v) for v in views(frame))
        assert abs(a - b) <= 4


def test_slow_network_streams_are_paired_by_their_measured_rate() -> None:
    """10 a second, half a frame apart: farther than a frame of a faster camera."""
    with (
        serving(lambda _: steady(range(20), 0.1)) as left,
        serving(lambda _: [0.045, *steady(range(20), 0.1)]) as right,
    ):
        source = open_source(f"{left},{right}", streams=QUICK)
        frames = list(itertools.islice(source, 12))
        assert source.rate_hz == pytest.approx(10, rel=0.15)
        source.close()
    assert len(frames) == 12
    assert source.health.dropped <= 4


def test_a_stream_that_dies_and_comes_back_is_opened_again() -> None:
    def plan(connection: int) -> list[Action]:
        return [] if connection == 1 else [*steady(range(4)), 0.1]

    with serving(plan) as address:
        source = joined(address)
        frames = list(itertools.islice(source, 8))
        source.close()
    assert len(frames) == 8
    assert source.health.reconnects == 1
    assert any("came back" in note for note in source.health.notes)


def test_a_stream_that_is_gone_for_good_is_an_error_that_says_so() -> None:
    settings = StreamSettings(stall_s=0.2, reconnect_s=0.5, give_up_s=1.0)
    with serving(lambda connection: steady(range(3)) if connection == 0 else []) as address:
        source = joined(address, settings)
        with pytest.raises(DeviceError, match=r"no usable picture.*503.*for 1 s"):
            list(source)
        source.close()
    assert source.health.frames == 3


def test_pictures_of_another_size_are_left_out_and_said_once() -> None:
    plan = [*steady(range(2)), jpeg(9, 96, 48), 0.02, jpeg(9, 96, 48), 0.02, *steady(range(2, 5)), 0.5]
    with serving(lambda _: plan) as address:
        source = joined(address)
        frames = list(itertools.islice(source, 5))
        source.close()
    assert [number_of(views(f)[0]) for f in frames] == list(range(5))
    assert source.health.damaged == 2
    assert source.health.notes == [n for n in source.health.notes if "48x48 instead of 32x48" in n]
    assert len(source.health.notes) == 1


def test_two_streams_of_different_rates_stay_in_step() -> None:
    """5 % apart: the numbers run apart, the times must not."""
    with (
        serving(lambda _: steady(range(70), 1 / 40)) as left,
        serving(lambda _: steady(range(70), 1 / 42)) as right,
    ):
        source = open_source(f"{left},{right}", streams=QUICK)
        frames = list(itertools.islice(source, 45))
        source.close()
    skews_ms = np.array([f.skew_ms for f in frames])
    assert np.abs(np.median(skews_ms)) < 15
    assert np.abs(skews_ms[10:]).max() <= 1000 / 30  # by then the rates have been measured


@pytest.mark.parametrize(
    ("actions", "kind", "complaint"),
    [
        ([], "multipart/x-mixed-replace; boundary=frame", "503"),
        ([0.1], "text/html", "expected an MJPEG stream"),
        ([0.1], "multipart/x-mixed-replace", "expected an MJPEG stream"),
        (["raw:" + "x" * 100_000], "multipart/x-mixed-replace; boundary=frame", "over 8192 bytes"),
        (["raw:--frame\r\n" + "a: b\r\n" * 200], "multipart/x-mixed-replace; boundary=frame", "header lines"),
        (
            ["raw:--frame\r\nContent-Length: 99999999999\r\n\r\n"],
            "multipart/x-mixed-replace; boundary=frame",
            "max_jpeg_mb",
        ),
    ],
)
def test_what_is_no_mjpeg_stream_is_refused(actions: list[Action], kind: str, complaint: str) -> None:
    settings = StreamSettings(stall_s=0.1, reconnect_s=0.3, give_up_s=0.4)
    with serving(lambda _: actions, kind) as address, pytest.raises(DeviceError, match=complaint):
        list(joined(address, settings))


def test_an_address_where_nothing_listens_is_one_clear_line() -> None:
    with pytest.raises(DeviceError, match="cannot be reached"):
        joined("http://127.0.0.1:9/x")


class FakeCapture:
    """What cv2.VideoCapture offers, without a camera: frames come at a rate; stamps as a driver gives them."""

    def __init__(self, rate_hz: float = 100.0, late_s: float = 0.0, stamps: bool = True, obedient: bool = True) -> None:
        self.rate_hz, self.late_s, self.stamps, self.obedient = rate_hz, late_s, stamps, obedient
        self.properties: dict[int, float] = {cv2.CAP_PROP_EXPOSURE: 150, cv2.CAP_PROP_WB_TEMPERATURE: 4600}
        self.started_s = time.monotonic()
        self.count = 0
        self.unplugged_at: int | None = None
        self.opened = True

    def isOpened(self) -> bool:
        return self.opened

    def set(self, key: int, value: float) -> bool:
        if self.obedient:
            self.properties[key] = value
        return self.obedient

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return self.stamp_s * 1000 if self.stamps else 0.0
        return self.rate_hz if key == cv2.CAP_PROP_FPS else self.properties.get(key, 0.0)

    def getBackendName(self) -> str:
        return "V4L2"

    def grab(self) -> bool:
        if self.unplugged_at is not None and self.count >= self.unplugged_at:
            return False
        self.count = max(self.count + 1, int((time.monotonic() - self.started_s) * self.rate_hz))
        self.stamp_s = self.started_s + self.count / self.rate_hz + self.late_s
        time.sleep(max(0.0, self.stamp_s - time.monotonic()))
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((12, 16, 3), (self.count % 200, 0, 255), np.uint8)

    def release(self) -> None:
        return


def cameras(*captures: FakeCapture) -> list[UvcCamera]:
    found = [UvcCamera(str(i), QUICK, lambda _, c=c: c) for i, c in enumerate(captures)]
    for camera in found:
        camera.open()
    return found


def test_two_webcams_are_paired_with_their_skew_measured() -> None:
    left, right = FakeCapture(50), FakeCapture(50, late_s=0.004)
    right.started_s = left.started_s
    source = LiveStereo(cameras(left, right), None, QUICK)
    frames = list(itertools.islice(source, 10))
    source.close()
    assert [f.skew_ms for f in frames] == pytest.approx([4.0] * 10, abs=0.01)
    assert source.health.worst_skew_ms == pytest.approx(4, abs=0.01)
    assert not source.health.notes
    assert views(frames[0])[0][0, 0, 0] == 255  # red came last from the camera, first here


def paired_ms(left_ms: list[int], right_ms: list[int], health: SourceHealth) -> list[tuple[int, int]]:
    sides = [[Picture(t / 1000, i, lambda: None) for i, t in enumerate(times)] for times in (left_ms, right_ms)]
    pairs = list(pair_streams(iter(sides[0]), iter(sides[1]), Pairer(0.02, 0.02, health)))
    for pair in pairs:
        measure_skew(pair, 0.02, health)
    return [(left_ms[a.number], right_ms[b.number]) for a, b in pairs]


def test_views_more_than_half_a_frame_apart_are_warned_about_and_more_than_one_are_not_paired() -> None:
    health = SourceHealth()
    assert paired_ms([0, 20, 54, 80], [0, 20, 40, 80], health) == [(0, 0), (20, 20), (54, 40), (80, 80)]
    assert health.worst_skew_ms == pytest.approx(14)
    assert "14.0 ms apart, more than half a frame" in health.notes[0]
    health = SourceHealth()
    assert paired_ms([0, 20, 40, 60, 80], [0, 20, 55, 80], health) == [(0, 0), (20, 20), (60, 55), (80, 80)]
    assert (health.dropped, health.notes) == (1, [])
    assert paired_ms([0, 20, 100, 120], [0, 20, 60, 138], SourceHealth()) == [(0, 0), (20, 20), (120, 138)]


def test_a_webcam_that_is_pulled_out_and_put_back_goes_on() -> None:
    first, second = FakeCapture(), FakeCapture()
    first.unplugged_at = 5
    waiting = [first, second]
    camera = UvcCamera("0", QUICK, lambda _: waiting.pop(0))
    camera.open()
    camera.locked = {cv2.CAP_PROP_EXPOSURE: 77.0}
    source = LiveStereo([camera], "side-by-side", QUICK)
    frames = list(itertools.islice(source, 12))
    source.close()
    assert len(frames) == 12
    assert source.health.reconnects == 1
    assert second.properties[cv2.CAP_PROP_EXPOSURE] == 77.0


def test_exposure_and_white_balance_of_both_webcams_are_fixed_to_the_first_ones() -> None:
    left, right = FakeCapture(1000), FakeCapture(1000)
    right.properties[cv2.CAP_PROP_EXPOSURE] = 400
    notes = lock_and_match(cameras(left, right))
    assert notes == []
    for capture in (left, right):
        assert capture.properties[cv2.CAP_PROP_EXPOSURE] == 150
        assert capture.properties[cv2.CAP_PROP_WB_TEMPERATURE] == 4600
        assert capture.properties[cv2.CAP_PROP_AUTO_EXPOSURE] == 1.0
    (note,) = lock_and_match(cameras(FakeCapture(1000), FakeCapture(1000, obedient=False)))
    assert "camera 1" in note
    assert "exposure and white balance" in note


def test_a_webcam_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceError, match=r"/dev/video77|does not open"):
        open_source("uvc:77,78")


def test_a_webcam_without_permission_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.touch()
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    closed = FakeCapture()
    closed.opened = False
    with pytest.raises(DeviceError, match=r"no permission.*usermod -aG video"):
        UvcCamera(str(node), QUICK, lambda _: closed).open()
