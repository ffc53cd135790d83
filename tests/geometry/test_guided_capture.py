"""Guided capture: takes what is sharp, still and new; says what is missing; shows itself in the browser."""

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.errors import CalibrationError, DeviceError, InputError
from stereo_portrait.geometry.board import parse_board
from stereo_portrait.geometry.guide import Guide
from stereo_portrait.geometry.guided_capture import _Browser, capture
from stereo_portrait.geometry.synthetic_rig import Renderer, random_poses, random_rig, right_from_board
from stereo_portrait.sources.open_stream import open_source

BOARD = parse_board("chessboard:9x6:25mm")


def drawn(count: int, seed: int = 21) -> list[tuple[np.ndarray, np.ndarray]]:
    rig = random_rig(seed, "pinhole4")
    rng = np.random.default_rng(0)
    left, right = (Renderer(rig, BOARD, side, supersampling=1) for side in (0, 1))
    return [
        (left.picture(p, rng, 0.7), right.picture(right_from_board(p, rig.shared[-6:]), rng, 0.7))
        for p in random_poses(rig, BOARD, count, seed)
    ]


def test_a_still_new_board_is_taken_once_and_a_moving_one_never() -> None:
    (left, right), (other_left, other_right) = drawn(2)
    guide = Guide(BOARD, 0.05, continuous=True)
    blank = np.full_like(left, 90)
    assert "both cameras" in guide.see(blank, blank, "a").advice
    assert "right camera" in guide.see(left, blank, "b").advice
    assert guide.see(left, right, "c").advice == "hold still"
    assert guide.see(left, right, "d").took
    assert not guide.see(left, right, "e").took
    assert guide.see(other_left, other_right, "f").advice == "hold still"
    assert guide.see(other_left, other_right, "g").took
    soft = [cv2.GaussianBlur(v, (0, 0), 2.2) for v in drawn(3)[2]]
    guide.see(soft[0], soft[1], "h")
    assert not guide.see(soft[0], soft[1], "i").took
    assert guide.missing()


def test_a_folder_is_captured_and_stops_when_sure(tmp_path: Path) -> None:
    for i, (left, right) in enumerate(drawn(14)):
        cv2.imwrite(str(tmp_path / f"left_{i:02d}.png"), left)
        cv2.imwrite(str(tmp_path / f"right_{i:02d}.png"), right)
    words: list[str] = []
    found, load = capture(
        open_source(f"folder:{tmp_path}"), BOARD, 0.5, tmp_path / "kept", headless=True, say=words.append
    )
    assert 10 <= len(found.views) <= 14
    assert any("predicted row error" in w for w in words)
    assert len(list((tmp_path / "kept").glob("left_*.png"))) == len(found.views)
    shot = next(iter(found.shots.values()))
    assert shot.left is not None
    assert load(shot.left).shape == (360, 480)


def test_a_video_side_by_side_is_captured(tmp_path: Path) -> None:
    path = tmp_path / "both.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 10, (960, 360))
    for left, right in drawn(3):
        for _ in range(2):  # two frames each: still
            writer.write(cv2.cvtColor(np.hstack([left, right]), cv2.COLOR_GRAY2BGR))
    writer.release()
    found, _ = capture(open_source(f"video:{path}?layout=side-by-side"), BOARD, headless=True)
    assert len(found.views) == 3


def test_photos_with_depth_are_refused_with_the_way_to_the_infrared_pair(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo_0.png"), np.zeros((48, 64, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "depth_0.png"), np.full((48, 64), 900, np.uint16))
    with pytest.raises(CalibrationError, match=r"realsense\.pair=true"):
        capture(open_source(f"folder:{tmp_path}"), BOARD, headless=True)


@pytest.mark.parametrize(
    "source",
    ["", "folder:", "tape:x", "uvc:0", "uvc:a,b", "video:/no/l.mp4,/no/r.mp4", "uvc:0?size=2", "folder:/no/such"],
)
def test_a_source_that_makes_no_sense_is_named(source: str) -> None:
    with pytest.raises((InputError, DeviceError)):
        open_source(source)


def test_the_page_is_served_to_this_machine_only() -> None:
    words: list[str] = []
    screen = _Browser(0, words.append)
    try:
        left, right = drawn(1)[0]
        guide = Guide(BOARD, 0.05, continuous=False)
        progress = guide.see(left, right, "a")
        assert screen.show(np.zeros((40, 60, 3), np.uint8), progress)
        with urllib.request.urlopen(screen.address) as answer:
            assert b"Finish" in answer.read()
        with urllib.request.urlopen(screen.address + "frame.jpg") as answer:
            assert answer.read()[:2] == b"\xff\xd8"
        with urllib.request.urlopen(screen.address + "status.json") as answer:
            assert json.load(answer)["taken"] == 1
        foreign = urllib.request.Request(screen.address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(foreign)
        urllib.request.urlopen(urllib.request.Request(screen.address + "finish", method="POST"))
        assert not screen.show(np.zeros((40, 60, 3), np.uint8), progress)
    finally:
        closing = threading.Thread(target=screen.close)
        closing.start()
        closing.join(5)
        assert not closing.is_alive()
