"""Ctrl-C and a full disk leave nothing half-written."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def test_ctrl_c_leaves_nothing_and_exits_with_130(pair_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "never" / "out"
    code = (
        "import sys, time\n"
        "import stereo_portrait.export.result as result\n"
        "write = result.write_depth\n"
        "def slow(*a):\n    write(*a)\n    print('writing', flush=True)\n    time.sleep(30)\n"
        "result.write_depth = slow\n"
        "from stereo_portrait.cli.main import main\n"
        "main()\n"
    )
    views = [str(pair_folder / "im0.png"), str(pair_folder / "im1.png")]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "depth", *views, "-o", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"writing"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.strip() == b"stopped"
    assert not (tmp_path / "never").exists()


def test_a_full_disk_is_one_clear_line(
    cli: Callable, pair_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stereo_portrait.export.depth_file.write_bytes", full)
    out = tmp_path / "never" / "out"
    answer = cli("depth", pair_folder / "im0.png", pair_folder / "im1.png", "-o", out)
    assert answer.code == 2
    assert "disk is full" in answer.err
    assert not (tmp_path / "never").exists()
