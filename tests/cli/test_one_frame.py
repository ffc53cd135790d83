"""One frame of a recording becomes a portrait."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stereo_portrait.geometry.rig_file import rig_text
from stereo_portrait.sources.synthetic import square_in_front
from tests.sources.software_realsense import record, square
from tests.sources.videos import write_video


def sharpness(picture: np.ndarray, window: tuple[slice, slice]) -> float:
    return float(np.abs(cv2.Laplacian(picture[window].astype(np.float32), cv2.CV_32F)).mean())


@pytest.mark.slow
def test_frames_of_a_real_d435_give_a_sharp_toy_before_a_blurred_desk(
    tmp_path: Path, sample_data: Path, cli: Callable[..., Any]
) -> None:
    folder = sample_data / "realsense_d435" / "data1"
    moments = []
    for i in range(3):
        depth, colour = cv2.imread(str(folder / f"depth_{i}.png"), -1), cv2.imread(str(folder / f"rgb_{i}.png"))
        moments.append((depth, np.ascontiguousarray(colour[..., ::-1])))
    lens = (616.97, 319.57, 233.06)
    path = record(tmp_path / "toy.db3", moments, size=(640, 480), shift_m=0.0, lens=lens)
    answer = cli("portrait", f"realsense:{path}", "--focus", "345,150", "-o", tmp_path / "out", "--json")
    assert answer.code == 0, answer.err
    report = json.loads(answer.out)
    assert report["method"] == "sensor"
    assert report["depth"]["metric"]
    assert report["coverage"]["measured"] > 0.85
    photo, portrait = cv2.imread(str(folder / "rgb_0.png")), cv2.imread(str(tmp_path / "out" / "portrait.png"))
    head, desk = (slice(100, 190), slice(325, 405)), (slice(20, 120), slice(20, 240))
    assert sharpness(portrait, head) > 0.6 * sharpness(
        photo, head
    )  # at 0.3 m even a head is deeper than the depth of field
    assert sharpness(portrait, desk) < 0.3 * sharpness(photo, desk)


def test_a_frame_of_a_stereo_recording_uses_the_rig_beside_it(tmp_path: Path, cli: Callable[..., Any]) -> None:
    pair = square_in_front(20, 6, seed=3).pair
    film = write_video(tmp_path / "both.mkv", [np.hstack([pair.left, pair.right])] * 3)
    rig = tmp_path / "take" / "rig.yaml"  # already where the recording wants it
    rig.parent.mkdir()
    rig.write_text(rig_text(pair.rig, "rig")[0])
    made = cli("record", f"video:{film}?layout=side-by-side", "-o", tmp_path / "take", "--rig", rig)
    assert made.code == 0, made.err
    answer = cli("depth", f"folder:{tmp_path}/take", "--frame", 2, "-o", tmp_path / "out", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["method"] == "stereo"
    late = cli("depth", f"folder:{tmp_path}/take", "--frame", 3, "-o", tmp_path / "out")
    assert (late.code, "has no frame 3; its last one is 2" in late.err) == (2, True)
    bare = cli("depth", f"video:{film}?layout=side-by-side", "-o", tmp_path / "out2")
    assert (bare.code, "no rig" in bare.err) == (2, True)


def test_doctor_lists_cameras_or_says_that_there_are_none(cli: Callable[..., Any]) -> None:
    checks = {c["name"]: c for c in json.loads(cli("doctor", "--json").out)["checks"]}
    for name in ("cameras (uvc:)", "RealSense cameras"):
        assert checks[name]["found"]
        assert checks[name]["works"] or checks[name]["advice"]


def test_a_damaged_realsense_recording_is_one_line(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path = record(tmp_path / "a.db3", [square(i) for i in range(4)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    answer = cli("portrait", f"realsense:{path}", "-o", tmp_path / "out")
    assert (answer.code, "damaged" in answer.err) == (2, True)
    assert not (tmp_path / "out").exists()
