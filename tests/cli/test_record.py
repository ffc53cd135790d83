"""The record command: limits, refusals, and what is left after kill -9, a full disk or Ctrl-C."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stereo_portrait.cli.record import _check_by_sdk
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.export.recording_format import read_table
from stereo_portrait.geometry.rig_file import rig_text
from stereo_portrait.record import Progress
from stereo_portrait.sources.open_stream import open_source
from tests.sources.mjpeg_server import noise_for_ever, serving
from tests.sources.software_realsense import record as record_realsense
from tests.sources.software_realsense import square
from tests.sources.test_recording import same
from tests.sources.videos import picture, write_video

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def test_limits_stop_a_recording(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path = write_video(tmp_path / "in.mkv", [picture(i) for i in range(40)])
    source = f"video:{path}?layout=side-by-side"
    by_count = cli("record", source, "-o", tmp_path / "a", "--frames", 7, "--json")
    assert by_count.code == 0
    report = json.loads(by_count.out)
    assert (report["frames"], report["stopped_by"], report["frames_dropped"]) == (7, "frames", 0)
    by_time = json.loads(cli("record", source, "-o", tmp_path / "b.mkv", "--seconds", 0.5, "--json").out)
    assert (by_time["frames"], by_time["stopped_by"]) == (15, "seconds")
    everything = cli("record", source, "-o", tmp_path / "c", "--format", "png", "--quiet")
    assert (everything.code, everything.out) == (0, "")
    originals = list(open_source(source))
    for name in ("a", "c"):
        for a, b in zip(originals, open_source(f"folder:{tmp_path}/{name}"), strict=name == "c"):
            assert same(a, b)


def test_a_realsense_recording_becomes_lossless_video(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path = record_realsense(tmp_path / "a.db3", [square(i, near=12000, far=31000) for i in range(8)], unit_m=0.0001)
    assert cli("record", f"realsense:{path}", "-o", tmp_path / "take").code == 0
    source, copy = open_source(f"realsense:{path}"), open_source(f"folder:{tmp_path}/take")
    assert all(same(a, b) for a, b in zip(source, copy, strict=True))
    assert copy.camera is not None
    assert source.camera is not None
    assert copy.camera.fx_px == source.camera.fx_px
    refused = cli("record", f"realsense:{path}", "-o", tmp_path / "b.db3")
    assert (refused.code, "only a RealSense camera" in refused.err) == (2, True)


def test_what_the_sdk_wrote_is_counted_afterwards(tmp_path: Path) -> None:
    path = record_realsense(tmp_path / "a.db3", [square(i) for i in range(8)])
    whole, short = Progress(written=8), Progress(written=20)
    _check_by_sdk(path, whole)
    _check_by_sdk(path, short)
    assert whole.error is None
    assert (short.written, "holds 8 of 20 frames" in str(short.error)) == (8, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tape:x", "-o", "{}/a"], "cannot read the source"),
        (["folder:{}", "-o", "{}/a"], "holds no pairs"),
        (["uvc:77,78", "-o", "{}/a"], "camera|/dev/video77"),
        (["realsense", "-o", "{}/a.db3"], "no RealSense camera found"),
        (["folder:{}", "-o", "{}/a.mp4"], "FILE.mkv"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(
    tmp_path: Path, cli: Callable[..., Any], arguments: list[str], complaint: str
) -> None:
    answer = cli("record", *[a.format(tmp_path) for a in arguments])
    assert answer.code == 2
    assert any(part in answer.err for part in complaint.split("|"))
    assert len(answer.err.strip().splitlines()) == 1


def test_a_rig_of_another_size_is_told_before_anything_is_recorded(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path = write_video(tmp_path / "in.mkv", [picture(i) for i in range(3)])
    rig = RectifiedRig(64, 96, 50.0, 0.1, 31.5, 31.5, 47.5)
    (tmp_path / "rig.yaml").write_text(rig_text(rig, "rig")[0])
    source = f"video:{path}?layout=side-by-side"
    answer = cli("record", source, "-o", tmp_path / "take", "--rig", tmp_path / "rig.yaml")
    assert answer.code == 2
    assert "calibrated at 64x96 but the source is 32x48" in answer.err
    assert not (tmp_path / "take").exists()
    options = ("--set", "rectify.resize_rig=true")
    assert cli("record", source, "-o", tmp_path / "take", "--rig", tmp_path / "rig.yaml", *options).code == 0


def started(*arguments: object, limit_bytes: int | None = None) -> subprocess.Popen[str]:
    """The command as a process of its own."""

    def limit() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.Popen(
        [sys.executable, "-m", "stereo_portrait", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        preexec_fn=limit,
    )


@pytest.fixture
def camera() -> Iterator[str]:
    """A network camera that never ends."""
    with serving(lambda _: noise_for_ever()) as address:
        yield f"{address}?layout=side-by-side"


def wait_for_rows(table: Path, count: int) -> int:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        rows = table.read_text().count("\n") - 1 if table.exists() else 0
        if rows >= count:
            return rows
        time.sleep(0.02)
    raise AssertionError("no frames were written within a minute")


@pytest.mark.parametrize("target", ["take", "take.mkv"])
def test_after_kill_9_everything_up_to_the_last_second_plays(tmp_path: Path, camera: str, target: str) -> None:
    process = started("record", camera, "-o", tmp_path / target)
    table = tmp_path / ("take/frames.csv" if target == "take" else "take.csv")
    wait_for_rows(table, 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    rows = read_table(table)
    name = f"folder:{tmp_path}/take" if target == "take" else f"video:{tmp_path}/take.mkv?layout=side-by-side"
    source = open_source(name)
    frames = list(source)  # each one checked against the sum of its pixels
    assert [f.number for f in frames] == [row.number for row in rows[: len(frames)]]
    assert rows[-1].time_ms - rows[len(frames) - 1].time_ms <= 1000
    assert len(frames) >= 50
    assert all("cut short" in note for note in source.health.notes)
    assert source.health.damaged == 0


def assert_full(process: subprocess.Popen[str], take: Path) -> None:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "the disk is full" in err
    assert "frames were saved" in err
    assert "Traceback" not in err
    saved = json.loads(out)["frames"]
    source = open_source(f"folder:{take}")
    assert saved >= 10
    assert len(list(source)) >= saved - 2
    assert source.health.damaged == 0


def test_a_full_disk_is_said_and_leaves_a_recording_that_plays(tmp_path: Path, camera: str) -> None:
    process = started("record", camera, "-o", tmp_path / "take", "--json", limit_bytes=1_000_000)
    assert_full(process, tmp_path / "take")


def test_a_full_disk_on_a_real_small_disk(tmp_path: Path, camera: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and os.geteuid() == 0
    if not mounted or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=False).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        assert_full(started("record", camera, "-o", disk / "take", "--json"), disk / "take")
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_recording_cleanly(tmp_path: Path, camera: str, number: int) -> None:
    process = started("record", camera, "-o", tmp_path / "take", "--json")
    wait_for_rows(tmp_path / "take" / "frames.csv", 20)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    report = json.loads(out)
    assert report["stopped_by"] == "stopped"
    source = open_source(f"folder:{tmp_path}/take")
    assert len(list(source)) == report["frames"] >= 20
    assert source.health.notes == []
