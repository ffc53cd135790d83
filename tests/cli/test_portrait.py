"""From files to files."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stereo_portrait.core.depth import Flaw
from stereo_portrait.core.pfm import read_pfm

FILES = {"portrait.png", "disparity.pfm", "depth.png", "confidence.png", "flaws.png", "overview.png", "report.json"}


def test_a_pair_becomes_a_portrait_with_everything_beside_it(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    views = (pair_folder / "im0.png", pair_folder / "im1.png")
    answer = cli("portrait", *views, "--rig", pair_folder / "calib.txt", "-o", out)
    assert answer.code == 0, answer.err
    assert {p.name for p in out.iterdir()} == FILES
    report = json.loads((out / "report.json").read_text())
    assert report["method"] == "stereo"
    assert report["focus"]["distance_m"] == pytest.approx(400 * 0.1 / 20, rel=0.03)
    assert {"use", "reasons", "measured"} <= set(report["decision"])
    assert {"measured", "refined", "blur"} <= set(report["seconds"])
    disparity_px = read_pfm(out / "disparity.pfm")
    assert np.median(disparity_px[60:100, 140:180]) == pytest.approx(20, abs=0.1)
    millimetres = cv2.imread(str(out / "depth.png"), cv2.IMREAD_UNCHANGED)
    assert millimetres.dtype == np.uint16
    assert np.median(millimetres[60:100, 140:180]) == pytest.approx(2000, rel=0.01)
    flaws = np.array(Image.open(out / "flaws.png"))
    assert (flaws & Flaw.FILLED).any()


def test_the_subject_stays_and_the_background_blurs(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    views = (pair_folder / "im0.png", pair_folder / "im1.png")
    cli("portrait", *views, "--f-number", "1.2", "-o", out, "--max-blur-px", 6)
    before, after = (cv2.imread(str(p)).astype(float) for p in (views[0], out / "portrait.png"))
    assert np.abs(before - after)[60:100, 140:180].mean() < 1.0
    sharpness = [np.abs(np.diff(v[:, 20:100], axis=1)).mean() for v in (before, after)]
    assert sharpness[1] < 0.6 * sharpness[0]


def test_json_is_one_object_on_stdout(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    answer = cli("depth", pair_folder / "im0.png", pair_folder / "im1.png", "-o", tmp_path / "out", "--json")
    assert answer.code == 0
    assert json.loads(answer.out)["method"] == "stereo"
    assert not (tmp_path / "out" / "portrait.png").exists()


def test_a_folder_of_pairs_goes_on_after_a_bad_one(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    bad = pair_folder / "broken"
    bad.mkdir()
    (bad / "im0.png").write_bytes(b"no picture")
    (bad / "im1.png").write_bytes((pair_folder / "im1.png").read_bytes())
    answer = cli("depth", pair_folder, "-o", tmp_path / "out", "--json")
    assert answer.code == 2
    summary = json.loads(answer.out)
    assert len(summary["results"]) == 1
    assert summary["failures"][0]["name"] == "broken"


def test_both_views_in_one_picture_are_split(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    views = [cv2.imread(str(pair_folder / f"im{i}.png")) for i in (0, 1)]
    for layout, axis in (("side-by-side", 1), ("top-bottom", 0)):
        joined = tmp_path / f"{layout}.png"
        cv2.imwrite(str(joined), np.concatenate(views, axis=axis))
        answer = cli("depth", joined, "--layout", layout, "--rig", pair_folder / "calib.txt", "-o", tmp_path / layout)
        assert answer.code == 0, answer.err
        assert np.median(read_pfm(tmp_path / layout / "disparity.pfm")[60:100, 140:180]) == pytest.approx(20, abs=0.1)


def test_a_photo_with_sensor_depth_becomes_a_portrait(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    depth = np.full((160, 320), 3000, np.uint16)
    depth[40:120, 120:200] = 1000
    depth[30:36] = 0
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    out = tmp_path / "out"
    answer = cli("portrait", pair_folder / "im0.png", "--depth", tmp_path / "depth.png", "-o", out)
    assert answer.code == 0, answer.err
    report = json.loads((out / "report.json").read_text())
    assert report["method"] == "sensor"
    assert report["focus"]["distance_m"] == pytest.approx(1.0)


def test_exif_and_colour_profile_survive(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    picture = Image.open(pair_folder / "im0.png")
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    profile = b"a colour profile"
    left, out = tmp_path / "left.jpg", tmp_path / "out"
    picture.save(left, quality=98, exif=exif, icc_profile=profile)
    for kind in ("png", "jpg"):
        rig = ("--rig", pair_folder / "calib.txt")
        answer = cli("portrait", left, pair_folder / "im1.png", *rig, "-o", out, "--photo-format", kind)
        assert answer.code == 0, answer.err
        result = Image.open(out / f"portrait.{kind}")
        assert result.getexif()[0x010F] == "Camera"
        assert result.info["icc_profile"] == profile


def test_help_names_every_command(cli: Callable) -> None:
    answer = cli("--help")
    assert answer.code == 0
    for name in ("demo", "portrait", "depth", "blur", "evaluate", "doctor"):
        assert name in answer.out
