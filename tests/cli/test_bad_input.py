"""Bad input: one clear line, exit 2, nothing written."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

CAMERAS = "cam0=[400 0 159.5; 0 400 79.5; 0 0 1]\ncam1=[400 0 159.5; 0 400 79.5; 0 0 1]\n"
RIGS = {
    "nan baseline": f"{CAMERAS}baseline=nan\nwidth=320\nheight=160",
    "zero baseline": f"{CAMERAS}baseline=0\nwidth=320\nheight=160",
    "another size": f"{CAMERAS}baseline=100\nwidth=640\nheight=480",
    "python tag": "format: !!python/object/apply:os.system ['touch owned']",
    "empty": "",
    "prose": "this is a letter, not a rig",
}


@pytest.fixture
def refused(cli: Callable, tmp_path: Path) -> Callable[..., str]:
    """Run `portrait` and check that it refuses cleanly; returns the line it said."""

    def check(*arguments: object) -> str:
        out = tmp_path / "never" / "out"
        answer = cli("portrait", *arguments, "-o", out)
        assert answer.code == 2, (answer.code, answer.err)
        assert answer.out == ""
        lines = answer.err.strip().splitlines()
        assert len(lines) == 1, answer.err
        assert lines[0].startswith("error: ")
        assert not (tmp_path / "never").exists()
        return lines[0]

    return check


def test_a_missing_file_is_named(refused: Callable, pair_folder: Path) -> None:
    assert "nowhere.png" in refused(pair_folder / "im0.png", pair_folder / "nowhere.png")


@pytest.mark.parametrize("content", [b"", b"just text\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_no_picture_is_named(refused: Callable, pair_folder: Path, content: bytes) -> None:
    (pair_folder / "bad.png").write_bytes(content)
    assert "bad.png" in refused(pair_folder / "bad.png", pair_folder / "im1.png")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_picture_is_refused(refused: Callable, pair_folder: Path, suffix: str) -> None:
    path = pair_folder / f"cut.{suffix}"
    Image.open(pair_folder / "im0.png").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"cut.{suffix}" in refused(path, pair_folder / "im1.png")


def test_different_sizes_are_named(refused: Callable, pair_folder: Path) -> None:
    Image.open(pair_folder / "im1.png").resize((100, 80)).save(pair_folder / "small.png")
    said = refused(pair_folder / "im0.png", pair_folder / "small.png")
    assert "320x160" in said
    assert "100x80" in said


@pytest.mark.parametrize("side", [1, 7])
def test_a_picture_of_a_few_pixels_is_refused(refused: Callable, tmp_path: Path, side: int) -> None:
    cv2.imwrite(str(tmp_path / "tiny.png"), np.zeros((side, side, 3), np.uint8))
    arguments = ("--rectified", "--focal-px", 10, "--baseline-m", 0.1)
    assert "tiny.png" in refused(tmp_path / "tiny.png", tmp_path / "tiny.png", *arguments)


def test_sixteen_pixels_a_side_give_an_answer_or_a_clear_line(cli: Callable, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "tiny.png"), picture)
    rig = ("--rectified", "--focal-px", 10, "--baseline-m", 0.1)
    answer = cli("portrait", tmp_path / "tiny.png", tmp_path / "tiny.png", *rig, "-o", tmp_path / "out")
    assert answer.code in (0, 2)
    assert "internal" not in answer.err


def test_left_and_right_exchanged_are_recognised(refused: Callable, sample_data: Path) -> None:
    scene = sample_data / "middlebury2014" / "Motorcycle_Q"
    assert "exchanged" in refused(scene / "im1.png", scene / "im0.png", "--rig", scene / "calib.txt")


@pytest.mark.parametrize("name", RIGS)
def test_a_bad_rig_is_refused(refused: Callable, pair_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pair_folder)
    (pair_folder / "bad_rig.yaml").write_text(RIGS[name])
    said = refused(pair_folder / "im0.png", pair_folder / "im1.png", "--rig", pair_folder / "bad_rig.yaml")
    assert re.search(r"rig|320x160", said)
    assert not (pair_folder / "owned").exists()


def test_a_pair_without_a_rig_says_how_to_give_one(refused: Callable, pair_folder: Path) -> None:
    (pair_folder / "calib.txt").unlink()
    assert "--rig" in refused(pair_folder / "im0.png", pair_folder / "im1.png")


def test_a_focus_outside_the_picture_is_refused(refused: Callable, pair_folder: Path) -> None:
    assert "320x160" in refused(pair_folder / "im0.png", pair_folder / "im1.png", "--focus", "999,5")


@pytest.mark.parametrize("focus", ["near", "1.8", "0m", "1,2,3"])
def test_a_focus_that_is_none_is_explained(refused: Callable, pair_folder: Path, focus: str) -> None:
    assert "--focus" in refused(pair_folder / "im0.png", pair_folder / "im1.png", "--focus", focus)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(refused: Callable, pair_folder: Path) -> None:
    Image.new("1", (30000, 30000)).save(pair_folder / "bomb.png")
    assert "max_megapixels" in refused(pair_folder / "bomb.png", pair_folder / "im1.png")


def test_an_unwritable_output_is_refused(cli: Callable, pair_folder: Path) -> None:
    (pair_folder / "file").write_text("in the way")
    answer = cli("portrait", pair_folder / "im0.png", pair_folder / "im1.png", "-o", pair_folder / "file")
    assert answer.code == 2
    assert "cannot write" in answer.err


@pytest.mark.parametrize("kind", ["L", "LA", "RGBA", "P", "16"])
def test_grey_alpha_palette_and_16_bit_pictures_work(
    cli: Callable, pair_folder: Path, tmp_path: Path, kind: str
) -> None:
    names = []
    for name in ("im0", "im1"):
        picture = Image.open(pair_folder / f"{name}.png")
        if kind == "16":
            picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        else:
            picture = picture.convert(kind)
        names.append(pair_folder / f"{name}_other.png")
        picture.save(names[-1])
    answer = cli("depth", *names, "--rig", pair_folder / "calib.txt", "-o", tmp_path / "out")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["portrait"], ["portrait", "a", "b", "--what"], ["depth", "--set"]]
)
def test_wrong_usage_exits_with_2(cli: Callable, arguments: list[str]) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
