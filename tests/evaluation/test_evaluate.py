"""The evaluate command, from scene folders to JSON and a page."""

import json
import sys
from pathlib import Path

import pytest

from stereo_portrait.cli.main import run
from stereo_portrait.sources import synthetic

sys.path.insert(0, str(Path(__file__).parent))

from middlebury_layout import write_sample, write_scene

MASKED = {"bad0.5", "bad1", "bad2", "bad4", "invalid", "totbad2", "avgerr", "rms"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scene(synthetic.plane(7, 160, 60, seed=1), folder)
    write_scene(synthetic.square_in_front(20, 6, 200, 100, seed=2, side_px=50), folder)
    return folder


def evaluated(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, dict[str, object]]]:
    assert run(["evaluate", *arguments, "--json"]) == 0
    found: dict[str, dict[str, dict[str, object]]] = json.loads(capsys.readouterr().out)
    return found


def test_json_holds_every_number_of_every_method_and_scene(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated([str(scenes), "--method", "opencv-default,sgbm+wls", "--method", "sgbm"], capsys)
    assert list(found["methods"]) == ["opencv-default", "sgbm+wls", "sgbm"]
    for body in found["methods"].values():
        assert set(body["scenes"]) == {"plane_7", "square_in_front"}  # type: ignore[call-overload]
        for numbers in [body["mean"], *body["scenes"].values()]:  # type: ignore[attr-defined]
            assert set(numbers) == {"nonocc", "all", "edge_bad2", "edge_f1", "coverage", "ms"}
            assert set(numbers["nonocc"]) == set(numbers["all"]) == MASKED


def test_the_mean_is_the_mean_of_the_scenes(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = evaluated([str(scenes), "--method", "sgbm"], capsys)["methods"]["sgbm"]
    each = [s["all"]["bad0.5"] for s in body["scenes"].values()]  # type: ignore[attr-defined]
    assert body["mean"]["all"]["bad0.5"] == pytest.approx(sum(each) / 2)  # type: ignore[index]
    square = body["scenes"]["square_in_front"]["edge_f1"]  # type: ignore[index]
    assert body["mean"]["edge_f1"] == square  # type: ignore[index] # a plane has no edges


def test_the_report_is_one_page_with_pictures(scenes: Path, tmp_path: Path) -> None:
    assert run(["evaluate", str(scenes), "--method", "sgbm", "--report", str(tmp_path / "out"), "--quiet"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "scores.json"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 * 6
    assert "square_in_front" in page


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere"], "nowhere"),
        ([".", "--method", "magic"], "matchers are sgbm"),
        ([".", "--method", "sgbm+magic"], "refiners are none"),
        ([".", "--method", "opencv-default+wls"], "compared as it is"),
        ([".", "--method", ","], "names no method"),
    ],
)
def test_bad_use_is_one_line_and_exit_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    where = [str(tmp_path) if a == "." else a for a in arguments]
    assert run(["evaluate", *where]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["Motorcycle_Q", "cones", "Wood2"])
def test_the_default_method_leaves_no_hole_and_beats_the_plain_peer(
    name: str, sample_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sample(sample_data, name, tmp_path)
    found = evaluated([str(tmp_path), "--method", "opencv-default,sgbm+median"], capsys)["methods"]
    mine, peer = (found[m]["scenes"][name] for m in ("sgbm+median", "opencv-default"))  # type: ignore[index]
    assert mine["coverage"] == 100
    assert mine["nonocc"]["totbad2"] < 0.4 * peer["nonocc"]["totbad2"]
    limits = {"Motorcycle_Q": (4.5, 8.5), "cones": (2.8, 7.8), "Wood2": (0.5, 0.6)}[name]
    assert mine["nonocc"]["totbad2"] < limits[0]
    assert mine["all"]["totbad2"] < limits[1]
