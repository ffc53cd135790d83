"""Results appear whole or not at all."""

import errno
from pathlib import Path

import pytest

from stereo_portrait.core.errors import OutputError
from stereo_portrait.export.files import staged_file, staged_folder


def test_a_finished_folder_holds_every_file_and_no_staging(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    with staged_folder(target) as staging:
        (staging / "a.txt").write_text("a")
    assert [p.name for p in target.iterdir()] == ["a.txt"]


def test_a_failure_leaves_nothing_behind_not_even_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    with pytest.raises(KeyboardInterrupt), staged_folder(target) as staging:
        (staging / "a.txt").write_text("a")
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()


def test_a_failure_keeps_what_stood_there_before(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), staged_folder(tmp_path) as staging:
        (staging / "a.txt").write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="disk is full"), staged_folder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not (tmp_path / "out").exists()


def test_a_file_where_a_folder_is_needed_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"), staged_folder(tmp_path / "out"):
        pass


def test_an_unwritable_place_is_said() -> None:
    with pytest.raises(OutputError, match="cannot write"), staged_folder(Path("/proc/stereo-portrait-out")):
        pass


def test_a_staged_file_appears_at_the_end(tmp_path: Path) -> None:
    with staged_file(tmp_path / "a.png") as path:
        path.write_bytes(b"x")
        assert not (tmp_path / "a.png").exists()
    assert (tmp_path / "a.png").read_bytes() == b"x"
