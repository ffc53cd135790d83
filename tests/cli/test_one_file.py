"""One file on the command line that holds more than one picture."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stereo_portrait.cli.inputs import Given
from stereo_portrait.cli.one_file import job_of_file
from stereo_portrait.config import load_settings
from stereo_portrait.core.rig import RigCalibration
from stereo_portrait.geometry.drift import check


def test_a_spatial_photo_is_a_pair_whose_aim_was_corrected(sample_data: Path) -> None:
    photo = sample_data / "phone_depth" / "pillow_heif" / "spatial_photo.heic"
    job = job_of_file(Given((photo,)), load_settings())
    assert job.pair is not None
    assert isinstance(job.rig, RigCalibration)
    assert job.rig.baseline_m == pytest.approx(0.0638, abs=1e-4)
    error = check(job.pair, job.rig)
    assert error.median_px is not None
    assert error.median_px < 1.0  # 1.6 px as the file states its cameras


def test_a_second_view_that_cannot_be_used_is_named(cli: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, second = (Image.fromarray(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)) for _ in range(2))
    path = tmp_path / "pair.jpg"
    first.save(path, "MPO", save_all=True, append_images=[second])
    answer = cli("depth", path, "-o", tmp_path / "out")
    assert answer.code == 0
    assert "second view" in answer.err
    assert "--rectified" in answer.err


def test_a_smaller_second_picture_is_no_view(cli: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, second = (Image.fromarray(rng.integers(0, 255, (64, w, 3), dtype=np.uint8)) for w in (96, 48))
    path = tmp_path / "phone.jpg"
    first.save(path, "MPO", save_all=True, append_images=[second])
    assert "second view" not in cli("depth", path, "-o", tmp_path / "out").err


def test_damaged_depth_inside_a_photo_costs_only_the_methods_that_want_it(cli: Callable, tmp_path: Path) -> None:
    packet = b'<a xmlns:G="http://ns.google.com/photos/1.0/depthmap/" G:Format="RangeInverse"><b></a>'
    body = b"http://ns.adobe.com/xap/1.0/\x00" + packet
    path = tmp_path / "phone.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:])
    answer = cli("depth", path, "-o", tmp_path / "out")
    assert answer.code == 2
    assert "phone.jpg: its XMP is damaged" in answer.err
    assert "--method monocular" in answer.err
    assert not (tmp_path / "out").exists()
    assert cli("portrait", path, "--method", "monocular", "-o", tmp_path / "out").code == 0


def test_reasons_and_numbers_are_said_on_the_terminal(cli: Callable, pair_folder: Path, tmp_path: Path) -> None:
    words = ("depth", pair_folder / "im0.png", pair_folder / "im1.png", "-o", tmp_path / "out")
    said = cli(*words).err
    report = json.loads((tmp_path / "out" / "report.json").read_text())["decision"]
    assert report["measured"]
    for word in (*report["reasons"], *report["measured"]):
        assert word in said
    assert cli(*words, "--quiet").err == ""
