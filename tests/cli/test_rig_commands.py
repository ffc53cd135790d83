"""calibrate, target and rig from files to files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.cli.main import run
from stereo_portrait.geometry.board import parse_board
from stereo_portrait.geometry.rig_file import read_rig
from stereo_portrait.geometry.synthetic_rig import Renderer, random_poses, random_rig, right_from_board

SPEC = "chessboard:9x6:25mm"


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shots")
    rig = random_rig(30, "pinhole4")
    rng = np.random.default_rng(0)
    board = parse_board(SPEC)
    left, right = (Renderer(rig, board, side, supersampling=1) for side in (0, 1))
    for i, pose in enumerate(random_poses(rig, board, 9, 30)):
        cv2.imwrite(str(folder / f"left_{i}.png"), left.picture(pose, rng, 0.7))
        cv2.imwrite(str(folder / f"right_{i}.png"), right.picture(right_from_board(pose, rig.shared[-6:]), rng, 0.7))
    return folder


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run([*arguments, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_pictures_become_a_rig_and_a_report(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig, report = tmp_path / "desk.yaml", tmp_path / "report"
    found = answer(
        capsys, "calibrate", "--left", f"{shots}/left_*.png", "--right", f"{shots}/right_*.png", "--board", SPEC,
        "-o", str(rig), "--report", str(report),
    )  # fmt: skip
    assert {
        "rms_px",
        "epipolar_rms_px",
        "epipolar_max_px",
        "baseline_m",
        "views_used",
        "views_rejected",
    } <= found.keys()
    assert found["views_used"] == 9
    assert read_rig(rig).baseline_m == pytest.approx(found["baseline_m"])
    page = (report / "report.html").read_text()
    assert page.count("data:image/png") >= 7
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads((report / "report.json").read_text())["baseline_m"] == found["baseline_m"]
    shown = answer(capsys, "rig", "show", str(rig))
    assert 0 < float(str(shown["nearest_m"])) < float(str(shown["farthest_m"]))
    for kind in ("opencv1.0", "opencv1.2", "kalibr", "kitti", "ros"):
        out = tmp_path / f"converted_{kind}"
        files = answer(capsys, "rig", "convert", str(rig), "--to", kind, "-o", str(out))["files"]
        assert isinstance(files, list)
        assert read_rig(",".join(files)).baseline_m == pytest.approx(found["baseline_m"], abs=1e-9)


def test_a_source_guides_the_capture(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(
        capsys,
        "calibrate",
        "--source",
        f"folder:{shots}",
        "--board",
        SPEC,
        "-o",
        str(tmp_path / "r.yaml"),
        "--headless",
    )
    assert found["views_used"] == 9


def test_a_board_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b.pdf", "b.png"):
        answer(capsys, "target", "--board", SPEC, "-o", str(tmp_path / name))
    assert (tmp_path / "b.pdf").read_bytes()[:5] == b"%PDF-"


def test_a_moved_rig_is_mended_beside_the_old_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import skimage.data

    left, right, _ = skimage.data.stereo_motorcycle()
    right = np.roll(right, 3, axis=0)
    for name, picture in (("l.png", left), ("r.png", right)):
        cv2.imwrite(str(tmp_path / name), picture[..., ::-1])
    text = (
        "cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]\ncam1=[994.978 0 342.279; 0 994.978 254.877; 0 0 1]\n"
        "doffs=31.086\nbaseline=193.001\nwidth=741\nheight=500\n"
    )
    (tmp_path / "calib.txt").write_text(text)
    pictures = [str(tmp_path / n) for n in ("l.png", "r.png")]
    found = answer(capsys, "rig", "check", str(tmp_path / "calib.txt"), *pictures)
    assert found["row_error_px"] == pytest.approx(3.0, abs=0.2)
    assert found["mended"] == str(tmp_path / "calib_mended.yaml")
    again = answer(capsys, "rig", "check", str(found["mended"]), *pictures)
    assert float(str(again["row_error_px"])) < 0.25
    assert (again["verdict"], again["mended"]) == ("fine", None)
    assert run(["rig", "check", str(tmp_path / "calib.txt"), *pictures[::-1]]) == 2
    assert "swapped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["calibrate", "--board", SPEC, "-o", "r.yaml"], "give the pictures"),
        (
            ["calibrate", "--left", "no*.png", "--right", "no*.png", "--board", SPEC, "-o", "r.yaml"],
            "matches no picture",
        ),
        (["calibrate", "--left", "a", "--right", "b", "--board", "x", "-o", "r.yaml"], "cannot read the board"),
        (["calibrate", "--source", "tape:1", "--board", SPEC, "-o", "r.yaml"], "cannot read the source"),
        (["target", "--board", SPEC, "-o", "b.txt"], "name a .pdf"),
        (["target", "--board", "chessboard:9x6:90mm", "-o", "b.pdf"], "do not fit"),
        (["rig", "show", "none.yaml"], "cannot read"),
        (["rig", "check", "none.yaml", "one.png"], "wants pairs"),
        (["rig", "convert", "none.yaml", "-o", "x.yaml", "--size", "big"], "cannot read the size"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())
