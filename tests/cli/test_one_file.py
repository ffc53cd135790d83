"""One file on the command line that holds more than one picture."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def test_a_spatial_photo_is_used_as_stereo_without_a_rig(cli: Callable, sample_data: Path, tmp_path: Path) -> None:
    photo = sample_data / "phone_depth" / "pillow_heif" / "spatial_photo.heic"
    answer = cli("depth", photo, "--json", "-o", tmp_path / "out")
    report = json.loads(answer.out)
    assert answer.code == 0
    assert report["method"] == "stereo"
    assert report["depth"]["metric"]
    assert report["decision"]["measured"]["row_error_px"] < 1.0  # 1.6 px as the file states its cameras


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
