"""stereo-portrait blur: what goes in, what comes out, what is refused."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.cli.main import run
from stereo_portrait.core.pfm import pfm_bytes
from stereo_portrait.sources.float_image import read_linear, write_linear


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    linear = rng.random((48, 64, 3)).astype(np.float32)
    linear[10, 10] = 30
    disparity = np.full((48, 64), 5, np.float32)
    disparity[16:40, 20:50] = 15
    disparity[0, 0] = np.inf
    np.save(tmp_path / "light.npy", linear)
    write_linear(tmp_path / "light.exr", linear)
    pixels = (255 * np.clip(linear, 0, 1)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), pixels)
    cv2.imwrite(str(tmp_path / "deep.png"), pixels.astype(np.uint16) * 257)
    (tmp_path / "disparity.pfm").write_bytes(pfm_bytes(disparity))
    (tmp_path / "small.pfm").write_bytes(pfm_bytes(disparity[:40]))
    return tmp_path


def blur(scene: Path, image: str, out: str, *more: str, disparity: str = "disparity.pfm") -> int:
    focus = [] if "--focus-disparity-px" in more else ["--focus-disparity-px", "15"]
    rate = [] if "--blur-per-px" in more else ["--blur-per-px", "0.5"]
    return run(["blur", str(scene / image), str(scene / disparity), "-o", str(scene / out), *focus, *rate, *more])


@pytest.mark.parametrize("image", ["light.npy", "light.exr", "photo.png", "deep.png"])
@pytest.mark.parametrize("out", ["out.png", "out.jpg", "out.npy", "out.exr"])
def test_every_kind_of_picture_goes_in_and_out(scene: Path, image: str, out: str) -> None:
    assert blur(scene, image, out) == 0
    if out.endswith((".npy", ".exr")):
        assert read_linear(scene / out).shape == (48, 64, 3)
    else:
        found = cv2.imread(str(scene / out))
        assert found is not None
        assert found.shape == (48, 64, 3)


def test_the_focused_part_is_unchanged_and_the_rest_is_blurred(scene: Path) -> None:
    assert blur(scene, "light.npy", "out.npy") == 0
    before, after = np.load(scene / "light.npy"), np.load(scene / "out.npy")
    assert np.array_equal(after[18:38, 22:48], before[18:38, 22:48])
    assert after[2:14, 2:62].std() < 0.8 * before[2:14, 2:62].std()


def test_what_is_in_focus_stays_sharp_at_any_rate_of_blur(scene: Path) -> None:
    assert blur(scene, "light.npy", "out.npy", "--blur-per-px", "1e39") == 0
    before, after = np.load(scene / "light.npy"), np.load(scene / "out.npy")
    assert np.array_equal(after[18:38, 22:48], before[18:38, 22:48])


def test_every_option_of_the_aperture_is_accepted_and_reported(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = ["--blades", "6", "--rotation-deg", "15", "--cats-eye", "0.5", "--anamorphic", "1.5", "--roundness", "0.3"]
    assert blur(scene, "light.npy", "out.npy", *shape, "--ring", "0.2", "--edge", "0.4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["aperture"]["blades"] == 6


@pytest.mark.parametrize("method", ["gaussian", "gather", "scatter", "slabs"])
def test_the_comparison_methods_run(scene: Path, method: str) -> None:
    assert blur(scene, "photo.png", "out.png", "--method", method) == 0


@pytest.mark.parametrize(
    ("image", "out", "disparity", "more"),
    [
        ("absent.png", "out.png", "disparity.pfm", ()),
        ("photo.png", "out.gif", "disparity.pfm", ()),
        ("photo.png", "out.png", "small.pfm", ()),
        ("photo.png", "out.png", "photo.png", ()),
        ("photo.png", "out.png", "disparity.pfm", ("--blades", "2")),
        ("photo.png", "out.png", "disparity.pfm", ("--blur-per-px", "-1")),
        ("photo.png", "out.png", "disparity.pfm", ("--focus-disparity-px", "nan")),
        ("photo.png", "out.png", "disparity.pfm", ("--rotation-deg", "nan", "--blades", "5")),
        ("photo.png", "out.png", "disparity.pfm", ("--max-blur-px", "nan")),
        ("photo.png", "out.png", "disparity.pfm", ("--method", "magic")),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(
    scene: Path, image: str, out: str, disparity: str, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert blur(scene, image, out, *more, disparity=disparity) == 2
    complaint = capsys.readouterr().err.strip()
    assert complaint.startswith("error:")
    assert "Traceback" not in complaint
    assert not (scene / out).exists()
