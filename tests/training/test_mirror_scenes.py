"""A scene seen from the right camera and mirrored is a scene again."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.pfm import pfm_bytes, read_pfm
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.geometry.rig_file import read_rig
from stereo_portrait.sources.dataset_scenes import load_scenes
from stereo_portrait.training import mirror_scenes

CALIBRATION = (
    "cam0=[500 0 40.1234567; 0 500 24; 0 0 1]\n cam1=[500 0 46.125; 0 500 24; 0 0 1]\nbaseline=100\n"
    "ndisp=32\nisint=0\n"  # with a line indented, and without a size: both are read
)


def wall(folder: Path, disparity_px: int = 8) -> None:
    """A textured wall, in the layout of Middlebury 2014."""
    folder.mkdir(parents=True)
    texture = np.random.default_rng(3).integers(0, 255, (48, 96 + disparity_px, 3), np.uint8)
    cv2.imwrite(str(folder / "im0.png"), texture[:, :96])
    cv2.imwrite(str(folder / "im1.png"), texture[:, disparity_px:])
    for name in ("disp0GT.pfm", "disp1GT.pfm"):
        (folder / name).write_bytes(pfm_bytes(np.full((48, 96), disparity_px, np.float32)))
    (folder / "calib.txt").write_text(CALIBRATION)


def run(monkeypatch: pytest.MonkeyPatch, scenes: Path, out: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["mirror_scenes", "--scenes", str(scenes), "--out", str(out)])
    mirror_scenes.main()


def test_each_pixel_still_matches_the_one_that_its_truth_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall(tmp_path / "scenes" / "wall")
    run(monkeypatch, tmp_path / "scenes", tmp_path / "mirrored")
    (scene,) = load_scenes(str(tmp_path / "mirrored"))
    left, right = scene.pair.left, scene.pair.right
    assert (scene.truth_disparity_px == 8).all()
    assert (left[:, 8:] == right[:, :-8]).all()
    first = cv2.imread(str(tmp_path / "scenes" / "wall" / "im1.png"))[..., ::-1]
    assert (left == first[:, ::-1]).all()
    assert scene.max_disparity_px == 32


def test_mirrored_twice_it_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall(tmp_path / "scene")
    run(monkeypatch, tmp_path / "scene", tmp_path / "once")
    run(monkeypatch, tmp_path / "once", tmp_path / "twice")
    assert (cv2.imread(str(tmp_path / "scene" / "im0.png")) == cv2.imread(str(tmp_path / "twice" / "im0.png"))).all()
    assert (read_pfm(tmp_path / "scene" / "disp0GT.pfm") == read_pfm(tmp_path / "twice" / "disp0GT.pfm")).all()
    rigs = [read_rig(tmp_path / name / "calib.txt", (96, 48)) for name in ("scene", "once", "twice")]
    one, turned, again = (rig for rig in rigs if isinstance(rig, RectifiedRig))
    assert turned.cx_left_px == pytest.approx(95 - 46.125, abs=1e-9)
    assert turned.cx_right_px == pytest.approx(95 - 40.1234567, abs=1e-9)
    assert again.cx_left_px == pytest.approx(one.cx_left_px, abs=1e-9)


def test_a_scene_without_the_right_views_truth_is_said_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall(tmp_path / "scene")
    (tmp_path / "scene" / "disp1GT.pfm").unlink()
    with pytest.raises(SystemExit, match="no scene with the truth of both views"):
        run(monkeypatch, tmp_path / "scene", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_originals_are_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall(tmp_path / "scenes" / "wall")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for out in ("scenes", "scenes/mirrored", "."):
        with pytest.raises(SystemExit, match="lie in each other"):
            run(monkeypatch, tmp_path / "scenes", tmp_path / out)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_only_what_an_earlier_run_made_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        wall(tmp_path / name / name)
        run(monkeypatch, tmp_path / name, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir() if p.is_dir()] == ["two"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(SystemExit, match="holds something else"):
        run(monkeypatch, tmp_path / "one", tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("im1.png", "calib.txt"):
        folder = tmp_path / name
        wall(folder / "scene")
        (folder / "scene" / name).write_bytes(b"")
        with pytest.raises(SystemExit, match=name):
            run(monkeypatch, folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
