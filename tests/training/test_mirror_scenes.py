"""A scene seen from the right camera and mirrored is a scene again."""

from pathlib import Path

import cv2
import numpy as np

from stereo_portrait.core.pfm import pfm_bytes, read_pfm
from stereo_portrait.geometry.rig_file import read_rig
from stereo_portrait.sources.dataset_scenes import load_scenes
from stereo_portrait.training.mirror_scenes import mirrored

CALIBRATION = (
    "cam0=[500 0 40; 0 500 24; 0 0 1]\ncam1=[500 0 46; 0 500 24; 0 0 1]\ndoffs=6\nbaseline=100\n"
    "width=96\nheight=48\nndisp=32\nisint=0\n"
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


def test_each_pixel_still_matches_the_one_that_its_truth_says(tmp_path: Path) -> None:
    wall(tmp_path / "scene")
    assert mirrored(tmp_path / "scene", tmp_path / "mirrored")
    (scene,) = load_scenes(str(tmp_path / "mirrored"))
    left, right = scene.pair.left, scene.pair.right
    assert (scene.truth_disparity_px == 8).all()
    assert (left[:, 8:] == right[:, :-8]).all()
    first = cv2.imread(str(tmp_path / "scene" / "im1.png"))[..., ::-1]
    assert (left == first[:, ::-1]).all()


def test_mirrored_twice_it_is_what_it_was(tmp_path: Path) -> None:
    wall(tmp_path / "scene")
    mirrored(tmp_path / "scene", tmp_path / "once")
    mirrored(tmp_path / "once", tmp_path / "twice")
    assert (cv2.imread(str(tmp_path / "scene" / "im0.png")) == cv2.imread(str(tmp_path / "twice" / "im0.png"))).all()
    assert (read_pfm(tmp_path / "scene" / "disp0GT.pfm") == read_pfm(tmp_path / "twice" / "disp0GT.pfm")).all()
    once, twice = (read_rig(tmp_path / name / "calib.txt", (96, 48)) for name in ("once", "twice"))
    assert (once.cx_left_px, once.cx_right_px) == (95 - 46, 95 - 40)
    assert twice == read_rig(tmp_path / "scene" / "calib.txt", (96, 48))


def test_a_scene_without_the_right_views_truth_is_left_alone(tmp_path: Path) -> None:
    wall(tmp_path / "scene")
    (tmp_path / "scene" / "disp1GT.pfm").unlink()
    assert not mirrored(tmp_path / "scene", tmp_path / "out")
    assert not (tmp_path / "out").exists()
