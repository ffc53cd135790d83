"""Streams from files: every picture arrives unchanged, in step, and damage is counted instead of shown."""

import struct
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.open_stream import open_source
from stereo_portrait.sources.source_text import parse_source, without_login
from stereo_portrait.sources.video_file import VideoFile
from tests.sources.videos import picture, write_video


def pair(frame: Frame) -> StereoPair:
    assert isinstance(frame.capture, StereoPair)
    return frame.capture


def test_two_videos_arrive_bit_for_bit_and_in_step(tmp_path: Path) -> None:
    left = write_video(tmp_path / "l.mkv", [picture(i) for i in range(12)])
    right = write_video(tmp_path / "r.mkv", [picture(i, seed=1) for i in range(12)])
    source = open_source(f"video:{left},{right}")
    frames = list(source)
    assert [f.number for f in frames] == list(range(12))
    for i, frame in enumerate(frames):
        assert np.array_equal(pair(frame).left, picture(i))
        assert np.array_equal(pair(frame).right, picture(i, seed=1))
        assert frame.skew_ms == pytest.approx(0, abs=1)
    assert (source.health.frames, source.health.dropped, source.health.damaged) == (12, 0, 0)
    assert source.rate_hz == pytest.approx(30)


@pytest.mark.parametrize("layout", ["side-by-side", "top-bottom", "side-by-side-swapped"])
def test_one_video_with_both_views_is_split(tmp_path: Path, layout: str) -> None:
    first, second = picture(0), picture(0, seed=1)
    joined = np.concatenate([first, second], axis=1 if layout.startswith("side") else 0)
    path = write_video(tmp_path / "both.mkv", [joined])
    (frame,) = open_source(f"video:{path}?layout={layout}")
    views = (second, first) if layout.endswith("swapped") else (first, second)
    assert np.array_equal(pair(frame).left, views[0])
    assert np.array_equal(pair(frame).right, views[1])


def test_rates_that_differ_by_five_percent_are_paired_by_time(tmp_path: Path) -> None:
    left_s, right_s = [i / 30 for i in range(90)], [i / 31.5 for i in range(95)]
    left = write_video(tmp_path / "l.mkv", [picture(i, 16, 16) for i in range(90)], left_s)
    right = write_video(tmp_path / "r.mkv", [picture(i, 16, 16) for i in range(95)], right_s)
    source = open_source(f"video:{left},{right}")
    frames = list(source)
    assert len(frames) >= 88
    for frame in frames:
        at = [int(view[0, 0, 0]) for view in (pair(frame).left, pair(frame).right)]
        nearest = int(np.argmin(np.abs(np.array(right_s) - left_s[at[0]])))
        assert abs(right_s[at[1]] - left_s[at[0]]) <= abs(right_s[nearest] - left_s[at[0]]) + 0.002
        assert frame.skew_ms == pytest.approx((right_s[at[1]] - left_s[at[0]]) * 1000, abs=1.1)
    assert 3 <= source.health.dropped <= 7
    assert 14 < source.health.worst_skew_ms < 20


def test_pictures_lost_on_one_side_do_not_put_the_rest_out_of_step(tmp_path: Path) -> None:
    kept = [i for i in range(30) if i not in (3, 10, 11, 12, 13, 14, 20)]
    left = write_video(tmp_path / "l.mkv", [picture(i, 16, 16) for i in range(30)])
    right = write_video(tmp_path / "r.mkv", [picture(i, 16, 16) for i in kept], [i / 30 for i in kept])
    source = open_source(f"video:{left},{right}")
    for frame in source:
        assert np.array_equal(pair(frame).left, pair(frame).right)
    assert (source.health.frames, source.health.dropped) == (23, 7)


def test_real_time_keeps_the_rate_and_passes_over_what_is_late(tmp_path: Path) -> None:
    path = write_video(tmp_path / "both.mkv", [picture(i, 32, 16) for i in range(15)])
    source = open_source(f"video:{path}?layout=side-by-side", real_time=True)
    assert source.paced
    at_s = [(f.arrived_s, f.device_ms or 0) for f in source]
    assert at_s[-1][0] - at_s[0][0] == pytest.approx((at_s[-1][1] - at_s[0][1]) / 1000, abs=0.1)
    slow = open_source(f"video:{path}?layout=side-by-side", real_time=True)
    numbers = []
    for frame in slow:
        numbers.append(frame.number)
        time.sleep(0.12)
    assert slow.health.dropped >= 5
    assert all(b > a for a, b in pairwise(numbers))


def test_a_truncated_video_plays_what_is_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path / "both.mkv", [picture(i, 128, 64) for i in range(20)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    frames = list(open_source(f"video:{path}?layout=side-by-side"))
    assert 10 <= len(frames) <= 14
    for i, frame in enumerate(frames):
        assert np.array_equal(np.concatenate([pair(frame).left, pair(frame).right], axis=1), picture(i, 128, 64))


def test_pictures_that_cannot_be_decoded_are_counted_and_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "both.mov", [picture(i, 128, 64) for i in range(20)], codec="png")
    data = bytearray(path.read_bytes())
    at = [i for i in range(len(data)) if data[i : i + 4] == b"IHDR"]
    for number in (4, 5, 11):
        data[at[number] : at[number] + 400] = bytes(400)
    path.write_bytes(data)
    source = open_source(f"video:{path}?layout=side-by-side")
    frames = list(source)
    assert len(frames) == 17
    assert source.health.damaged == 3
    assert len(source.health.notes) == 1
    for frame in frames:
        whole = np.concatenate([pair(frame).left, pair(frame).right], axis=1)
        assert np.array_equal(whole, picture(round((frame.device_ms or 0) * 0.03), 128, 64))


@pytest.mark.parametrize("turned", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_a_video_from_a_phone_is_turned_as_the_file_says(tmp_path: Path, turned: tuple[int, ...]) -> None:
    path = write_video(tmp_path / "v.mov", [picture(0)], codec="png")
    data, one = path.read_bytes(), 0x10000
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 0x40000000)
    a, b, c, d = (v * one for v in turned)
    at = data.find(plain, data.find(b"tkhd"))
    path.write_bytes(data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000) + data[at + 36 :])
    (shown,) = VideoFile(path).pictures(SourceHealth())
    assert np.array_equal(shown.load(), cv2.VideoCapture(str(path)).read()[1][..., ::-1])


def test_close_ends_the_stream(tmp_path: Path) -> None:
    path = write_video(tmp_path / "both.mkv", [picture(i, 32, 16) for i in range(15)])
    source = open_source(f"video:{path}?layout=side-by-side")
    count = 0
    for _ in source:
        count += 1
        source.close()
    assert count == 1


def test_a_folder_is_read_in_the_order_of_its_numbers_and_survives_damage(tmp_path: Path) -> None:
    for i in (1, 2, 10):
        for side, seed in (("left", 0), ("right", 1)):
            cv2.imwrite(str(tmp_path / f"{side}_{i}.png"), picture(i, seed=seed)[..., ::-1])
    (tmp_path / "left_2.png").write_bytes(b"\x89PNG damaged")
    source = open_source(f"folder:{tmp_path}")
    frames = list(source)
    assert [int(pair(f).left[0, 0, 0]) for f in frames] == [1, 10]
    assert np.array_equal(pair(frames[1]).right, picture(10, seed=1))
    assert source.health.damaged == 1
    assert "left_2.png" in source.health.notes[0]


def test_a_folder_of_photos_with_depth_gives_metres(tmp_path: Path) -> None:
    depth_mm = np.full((48, 64), 1500, np.uint16)
    depth_mm[:10] = 0
    cv2.imwrite(str(tmp_path / "rgb_0.png"), picture(0)[..., ::-1])
    cv2.imwrite(str(tmp_path / "depth_0.png"), depth_mm)
    (frame,) = open_source(f"folder:{tmp_path}")
    assert isinstance(frame.capture, RgbdFrame)
    assert np.array_equal(frame.capture.photo.pixels, picture(0))
    assert np.isnan(frame.capture.depth.depth_m[:10]).all()
    assert (frame.capture.depth.depth_m[10:] == np.float32(1.5)).all()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "cannot read the source"),
        ("tape:x", "cannot read the source"),
        ("folder:", "cannot read the source"),
        ("folder:/no/such", "no folder"),
        ("video:/no/l.mp4,/no/r.mp4", "no video"),
        ("video:a.mp4", "two parts"),
        ("video:a.mp4?layout=diagonal", "layout="),
        ("video:http://h/a,http://h/b", "without 'video:'"),
        ("uvc:0", "two parts"),
        ("uvc:a,b", "by its number"),
        ("uvc:1,1", "twice"),
        ("http://a/x", "two addresses"),
        ("realsense:film.mp4", r"\.db3"),
    ],
)
def test_a_source_that_makes_no_sense_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        open_source(text)


@pytest.mark.parametrize("address", ["http://h:99999/x", "http://[::1", "http://", "http://a b/x", "http://h:0/"])
def test_an_address_that_is_none_is_told_before_anything_is_opened(address: str) -> None:
    for text in (f"{address}?layout=side-by-side", f"http://h/x,{address}"):
        with pytest.raises(InputError, match="cannot read the address"):
            parse_source(text)


def test_addresses_may_hold_queries_and_commas() -> None:
    one = parse_source("http://h:8080/?action=stream&n=1,2&layout=top-bottom")
    assert (one.targets, one.layout) == (("http://h:8080/?action=stream&n=1,2",), "top-bottom")
    two = parse_source("http://a/?x=1,2,http://b/s")
    assert two.targets == ("http://a/?x=1,2", "http://b/s")


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.mkv"
    path.write_text("hello")
    with pytest.raises(InputError, match="is it a video"):
        open_source(f"video:{path}?layout=side-by-side")
    small, large = (write_video(tmp_path / f"{w}.mkv", [picture(0, w, 16)]) for w in (16, 32))
    with pytest.raises(InputError, match="differ in size"):
        open_source(f"video:{small},{large}")


def test_a_password_in_an_address_is_not_written_down() -> None:
    assert without_login("http://me:secret@h/s,https://you:x@k/t") == "http://h/s,https://k/t"
