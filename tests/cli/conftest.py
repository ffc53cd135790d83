"""A small pair on the disk, and a way to run the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from stereo_portrait.cli.main import run
from stereo_portrait.sources import synthetic

CAMERAS = "cam0=[400 0 159.5; 0 400 79.5; 0 0 1]\ncam1=[400 0 159.5; 0 400 79.5; 0 0 1]\n"


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command in this process."""

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def pair_folder(tmp_path: Path) -> Path:
    """im0.png, im1.png and calib.txt of a square in front of a wall."""
    folder = tmp_path / "scene"
    folder.mkdir()
    pair = synthetic.square_in_front(20, 6, seed=3).pair
    cv2.imwrite(str(folder / "im0.png"), pair.left[..., ::-1])
    cv2.imwrite(str(folder / "im1.png"), pair.right[..., ::-1])
    (folder / "calib.txt").write_text(f"{CAMERAS}doffs=0\nbaseline=100\nwidth=320\nheight=160\nndisp=32\n")
    return folder
