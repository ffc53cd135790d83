"""stereo-portrait live, as scripts use it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.geometry.rig_file import rig_text
from tests.cli.conftest import Answer
from tests.live.streams import motorcycle
from tests.sources.videos import write_video

Cli = Callable[..., Answer]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """left.mkv, right.mkv and rig.yaml: a still scene, 24 frames at 12 a second."""
    folder = tmp_path_factory.mktemp("recording")
    pair, rig = motorcycle(192, 144)
    for name, view in (("left", pair.left), ("right", pair.right)):
        write_video(folder / f"{name}.mkv", [view] * 24, rate_hz=12)
    (folder / "rig.yaml").write_text(rig_text(rig, "rig")[0])
    return folder


def source_of(recording: Path) -> str:
    return f"video:{recording / 'left.mkv'},{recording / 'right.mkv'}"


def test_the_end_is_one_json_object_with_every_figure(cli: Cli, recording: Path) -> None:
    answer = cli(
        "live", source_of(recording), "--rig", recording / "rig.yaml", "--headless", "--seconds", 1.5, "--json"
    )
    assert answer.code == 0, answer.err
    report = json.loads(answer.out)
    assert {"frames_in", "frames_shown", "frames_dropped", "fps", "latency_ms", "stages_ms", "health"} <= set(report)
    assert 5 < report["frames_shown"] <= report["frames_in"] <= 19
    assert 8 < report["fps"] < 16  # the recording's own speed
    assert set(report["latency_ms"]) == {"p50", "p95"}
    assert set(report["stages_ms"]) == {"capture", "depth", "render", "show"}


def test_a_recording_can_be_taken_frame_by_frame(cli: Cli, recording: Path) -> None:
    options = ("--headless", "--as-fast-as-possible", "--json")
    report = json.loads(cli("live", source_of(recording), "--rig", recording / "rig.yaml", *options).out)
    assert (report["frames_in"], report["frames_shown"], report["frames_dropped"]) == (24, 24, 0)


def test_a_folder_of_pairs_is_a_stream_too(cli: Cli, tmp_path: Path) -> None:
    pair, rig = motorcycle(96, 72)
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"left_{number}.png"), pair.left[..., ::-1])
        cv2.imwrite(str(tmp_path / f"right_{number}.png"), pair.right[..., ::-1])
    (tmp_path / "rig.yaml").write_text(rig_text(rig, "rig")[0])
    answer = cli("live", f"folder:{tmp_path}", "--rig", tmp_path / "rig.yaml", "--headless", "--json")
    assert json.loads(answer.out)["frames_shown"] == 4, answer.err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "--rig"),
        (("--rig", "nowhere.yaml"), "nowhere.yaml"),
        (("--focus", "banana"), "--focus must be auto"),
        (("--set", "live.steadiness=2"), "live.steadiness must be between"),
        (("--record", "take.mp4"), "name a folder, FILE.mkv"),
        (("--record", "take.db3"), "only 'record realsense' writes .db3"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(
    cli: Cli, recording: Path, options: tuple[str, ...], complaint: str
) -> None:
    answer = cli("live", source_of(recording), "--headless", *options)
    assert answer.code == 2
    assert complaint in answer.err
    assert answer.err.count("\n") <= 2


def test_a_source_that_is_none_is_one_line_and_exit_2(cli: Cli, tmp_path: Path) -> None:
    for source in ("nonsense", f"folder:{tmp_path / 'absent'}", f"video:{tmp_path / 'absent.mkv'}?layout=side-by-side"):
        answer = cli("live", source, "--headless")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("error: ")


def test_a_rig_of_another_size_is_refused_unless_it_may_be_resized(cli: Cli, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text(rig_text(motorcycle(384, 288)[1], "rig")[0])
    command = (
        "live",
        source_of(recording),
        "--rig",
        tmp_path / "large.yaml",
        "--headless",
        "--as-fast-as-possible",
        "--json",
    )
    refused = cli(*command)
    assert (refused.code, "pass --resize-rig" in refused.err) == (2, True)
    resized = cli(*command, "--resize-rig")
    assert resized.code == 0
    assert json.loads(resized.out)["frames_shown"] > 0


def test_a_stream_that_ends_in_an_error_still_reports_what_was_measured(cli: Cli, tmp_path: Path) -> None:
    pair, rig = motorcycle(192, 144)
    film = write_video(tmp_path / "both.mkv", [np.hstack([pair.left, pair.right])] * 12)
    (tmp_path / "rig.yaml").write_text(rig_text(rig, "rig")[0])
    options = ("--rig", tmp_path / "rig.yaml")
    assert cli("record", f"video:{film}?layout=side-by-side", "-o", tmp_path / "take", *options).code == 0
    table = tmp_path / "take" / "frames.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-4]))  # the copy lost its end
    answer = cli("live", f"folder:{tmp_path / 'take'}", "--headless", "--as-fast-as-possible", "--json")
    report = json.loads(answer.out)
    assert answer.code == 2
    assert (report["frames_shown"], report["ended"]) == (8, "error")
    assert "the last 4 of 12 frames are missing" in answer.err


def test_what_comes_in_can_be_recorded_beside_it(cli: Cli, recording: Path, tmp_path: Path) -> None:
    options = ("--rig", recording / "rig.yaml", "--headless", "--seconds", 1, "--json", "--record", tmp_path / "take")
    report = json.loads(cli("live", source_of(recording), *options).out)
    recorded = report["recorded"]
    assert recorded["error"] is None
    assert recorded["written"] + recorded["dropped"] == report["frames_in"]
    again = json.loads(cli("live", f"folder:{tmp_path / 'take'}", "--headless", "--as-fast-as-possible", "--json").out)
    assert again["frames_in"] == recorded["written"] > 0  # and it needs no --rig


def test_ctrl_c_ends_the_stream_with_its_report(recording: Path) -> None:
    rig = str(recording / "rig.yaml")
    command = [
        sys.executable,
        "-m",
        "stereo_portrait",
        "live",
        source_of(recording),
        "--rig",
        rig,
        "--http",
        "0",
        "--json",
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    assert running.stderr.readline().startswith("open http://127.0.0.1:")
    time.sleep(0.8)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    report = json.loads(said)
    assert report["ended"] == "stopped"
    assert report["frames_in"] == report["frames_shown"] + report["frames_dropped"]
