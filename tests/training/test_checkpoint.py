"""A stopped run goes on where it was; needs the extra "train"."""

import os
import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from stereo_portrait.training.checkpoint import Checkpoint, stop_requests  # noqa: E402


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    first, second = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    Checkpoint(tmp_path / "run.pt", network=first).keep(7, 12.5)
    assert Checkpoint(tmp_path / "run.pt", network=second).restored() == (7, 12.5)
    assert torch.equal(first.weight, second.weight)
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_without_a_file_the_run_begins_at_nought(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "absent.pt", network=torch.nn.Linear(1, 1)).restored() == (0, 0.0)


def test_a_signal_asks_the_run_to_stop() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        asked = stop_requests()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked == [signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
