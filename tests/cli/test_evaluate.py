"""evaluate, from a folder of scenes to tables."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stereo_portrait.core.pfm import pfm_bytes
from stereo_portrait.sources import synthetic


@pytest.fixture
def scene_folder(pair_folder: Path) -> Path:
    """The small pair with its truth, in Middlebury 2014's layout."""
    import cv2

    scene = synthetic.square_in_front(20, 6, seed=3)
    assert scene.non_occluded is not None
    (pair_folder / "disp0GT.pfm").write_bytes(pfm_bytes(scene.truth_disparity_px))
    cv2.imwrite(str(pair_folder / "mask0nocc.png"), np.where(scene.non_occluded, 255, 128).astype(np.uint8))
    return pair_folder.parent


def test_every_method_is_scored_on_every_scene(cli: Callable, scene_folder: Path, tmp_path: Path) -> None:
    methods = "opencv-default,sgbm,sgbm+wls,sgbm+median,sgbm-hh"
    answer = cli("evaluate", scene_folder, "--method", methods, "--json", "--report", tmp_path / "report")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)["methods"]
    assert list(found) == methods.split(",")
    for name, numbers in found.items():
        assert list(numbers["scenes"]) == ["scene"]
        assert {"nonocc", "all", "edge_bad2", "edge_f1", "ms", "coverage"} <= set(numbers["mean"])
        columns = {"bad0.5", "bad1", "bad2", "bad4", "totbad2", "avgerr", "rms"}
        assert columns <= set(numbers["mean"]["nonocc"]), name
    assert found["sgbm+median"]["mean"]["nonocc"]["bad2"] < 1
    assert found["sgbm+median"]["mean"]["all"]["totbad2"] < found["opencv-default"]["mean"]["all"]["totbad2"]
    assert "<img" in (tmp_path / "report" / "report.html").read_text()
    assert json.loads((tmp_path / "report" / "scores.json").read_text())["methods"].keys() == found.keys()


def test_people_get_a_table(cli: Callable, scene_folder: Path) -> None:
    answer = cli("evaluate", scene_folder)
    assert answer.code == 0
    assert [line.split()[0] for line in answer.out.splitlines()] == ["method", "sgbm+median", "sgbm+median"]


@pytest.mark.parametrize(("arguments", "word"), [(["--method", "magic"], "magic"), (["--method", "sgbm+magic"], "wls")])
def test_an_unknown_method_names_the_known_ones(
    cli: Callable, scene_folder: Path, arguments: list[str], word: str
) -> None:
    answer = cli("evaluate", scene_folder, *arguments)
    assert answer.code == 2
    assert word in answer.err


def test_a_folder_that_is_none_names_the_sets(cli: Callable, tmp_path: Path) -> None:
    answer = cli("evaluate", tmp_path / "nowhere")
    assert answer.code == 2
    assert "middlebury2014" in answer.err
