"""The depth file beside a photo: every kind of number, every container, any size."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.pfm import pfm_bytes

WIDTH, HEIGHT, NEAR_M, FAR_M = 96, 64, 1.0, 4.0
FOCAL_PX, BASELINE_M, DOFFS_PX = 100.0, 0.2, 2.0
RECTIFIED = ("--rectified", "--focal-px", FOCAL_PX, "--baseline-m", BASELINE_M, "--doffs-px", DOFFS_PX)


def scene(shrink: int = 1) -> np.ndarray:
    """(h, w) metres: a near square before a wall, on a grid `shrink` times coarser than the photo."""
    depth_m = np.full((HEIGHT // shrink, WIDTH // shrink), FAR_M, np.float32)
    depth_m[16 // shrink : 48 // shrink, 32 // shrink : 64 // shrink] = NEAR_M
    return depth_m


def write(path: Path, values: np.ndarray) -> Path:
    if path.suffix == ".pfm":
        path.write_bytes(pfm_bytes(values.astype(np.float32)))
    elif path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".exr":
        import OpenEXR

        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        with OpenEXR.File(header, {"Z": np.ascontiguousarray(values, np.float32)}) as file:
            file.write(str(path))
    else:
        cv2.imwrite(str(path), np.rint(values).astype(np.uint16))
    return path


@pytest.fixture
def centre_and_corner(cli: Callable, tmp_path: Path) -> Callable[..., tuple[float, float, dict]]:
    photo = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    photo[16:48, 32:64] = 200
    cv2.imwrite(str(tmp_path / "photo.png"), photo)

    def run(depth: Path, *options: object) -> tuple[float, float, dict]:
        answer = cli("depth", tmp_path / "photo.png", "--depth", depth, *options, "-o", tmp_path / "out", "--json")
        assert answer.code == 0, answer.err
        values = cv2.imread(str(tmp_path / "out" / "depth.png"), cv2.IMREAD_UNCHANGED)
        return float(values[32, 48]), float(values[4, 4]), json.loads(answer.out)

    return run


@pytest.mark.parametrize("suffix", [".png", ".pfm", ".npy", ".exr"])
@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize("kind", ["metres", "millimetres", "disparity"])
def test_every_kind_of_number_gives_the_same_millimetres(
    centre_and_corner: Callable, tmp_path: Path, kind: str, suffix: str, shrink: int
) -> None:
    depth_m, options = scene(shrink), ["--depth-kind", kind]
    if kind == "disparity":
        values = (FOCAL_PX * BASELINE_M / depth_m - DOFFS_PX) / shrink
        options += list(RECTIFIED)
        if suffix == ".png":
            values, options = values * 256, [*options, "--depth-scale", 256]
    else:
        values = depth_m * (1000 if kind == "millimetres" or suffix == ".png" else 1)
    near, far, report = centre_and_corner(write(tmp_path / f"depth{suffix}", values), *options)
    assert (near, far) == pytest.approx((1000 * NEAR_M, 1000 * FAR_M), abs=3)
    assert report["depth"]["metric"]


def test_disparity_without_a_rig_is_relative(centre_and_corner: Callable, tmp_path: Path) -> None:
    file = write(tmp_path / "disparity.pfm", 20 / scene())
    near, far, report = centre_and_corner(file, "--depth-kind", "disparity")
    assert near > far
    assert not report["depth"]["metric"]
    assert "relative" in report["depth"]["depth_png"]


def test_a_rig_file_makes_disparity_metric(centre_and_corner: Callable, tmp_path: Path) -> None:
    (tmp_path / "calib.txt").write_text(
        f"cam0=[100 0 47.5; 0 100 31.5; 0 0 1]\ncam1=[100 0 49.5; 0 100 31.5; 0 0 1]\ndoffs=2\nbaseline=200\n"
        f"width={WIDTH}\nheight={HEIGHT}\nndisp=32\n"
    )
    file = write(tmp_path / "disparity.pfm", FOCAL_PX * BASELINE_M / scene() - DOFFS_PX)
    near, far, _ = centre_and_corner(file, "--depth-kind", "disparity", "--rig", tmp_path / "calib.txt")
    assert (near, far) == pytest.approx((1000, 4000), abs=3)


@pytest.mark.parametrize("values", [np.zeros((0, 4), np.float32), np.zeros((4, 4, 3), np.float32)], ids=str)
@pytest.mark.parametrize("kind", ["metres", "disparity", "relative"])
def test_maps_of_no_size_or_three_channels_are_refused(
    cli: Callable, tmp_path: Path, values: np.ndarray, kind: str
) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((HEIGHT, WIDTH, 3), 60, np.uint8))
    np.save(tmp_path / "depth.npy", values)
    answer = cli(
        "depth", tmp_path / "photo.png", "--depth", tmp_path / "depth.npy", "--depth-kind", kind, "-o", tmp_path / "out"
    )
    assert answer.code == 2
    assert "depth.npy" in answer.err


def test_whole_numbers_in_npy_are_millimetres_as_in_png(centre_and_corner: Callable, tmp_path: Path) -> None:
    file = write(tmp_path / "depth.npy", (1000 * scene()).astype(np.uint16))
    for options in ((), ("--depth-scale", 1000), ("--depth-kind", "millimetres")):
        near, far, _ = centre_and_corner(file, *options)
        assert (near, far) == pytest.approx((1000, 4000), abs=3)


def test_a_scale_is_never_ignored(cli: Callable, centre_and_corner: Callable, tmp_path: Path) -> None:
    file = write(tmp_path / "depth.pfm", 10 * scene())
    assert centre_and_corner(file, "--depth-scale", 10)[0] == pytest.approx(1000, abs=3)
    words = ("--depth", file, "--depth-scale", 10, "--depth-kind", "millimetres", "-o", tmp_path / "out")
    answer = cli("depth", tmp_path / "photo.png", *words)
    assert answer.code == 2
    assert "--depth-scale" in answer.err


@pytest.mark.parametrize("name", ["Z", "Depth.V", "ViewLayer.Depth.Z"])
def test_the_depth_of_an_exr_is_not_mistaken_for_its_colours(
    centre_and_corner: Callable, tmp_path: Path, name: str
) -> None:
    import OpenEXR

    channels = {"RGBA": np.ones((HEIGHT, WIDTH, 4), np.float32), name: scene()}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(tmp_path / "depth.exr"))
    near, far, _ = centre_and_corner(tmp_path / "depth.exr")
    assert (near, far) == pytest.approx((1000, 4000), abs=3)


def test_depth_finer_than_the_photo_keeps_its_values(centre_and_corner: Callable, tmp_path: Path) -> None:
    file = write(tmp_path / "depth.npy", scene().repeat(3, axis=0).repeat(3, axis=1))
    near, far, _ = centre_and_corner(file)
    assert (near, far) == (1000, 4000)


@pytest.mark.parametrize("header", ["{'descr': '<f4', 'shape': (9", "{'descr': '<f4'", "[]", "{'descr': '<c8', "])
def test_a_damaged_npy_is_refused_in_words(cli: Callable, tmp_path: Path, header: str) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((HEIGHT, WIDTH, 3), 60, np.uint8))
    if header.endswith("<c8', "):
        np.save(tmp_path / "depth.npy", scene().astype(np.complex64))
    else:
        text = header.ljust(117).encode() + b"\n"
        (tmp_path / "depth.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(99))
    answer = cli("depth", tmp_path / "photo.png", "--depth", tmp_path / "depth.npy", "-o", tmp_path / "out")
    assert answer.code == 2
    assert "depth.npy" in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".npy", ".pfm"])
def test_depth_over_the_pixel_limit_is_refused(cli: Callable, tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((HEIGHT, WIDTH, 3), 60, np.uint8))
    file = write(tmp_path / f"depth{suffix}", np.ones((200, 300), np.float32))
    limit = ("--set", "images.max_megapixels=0.05")
    answer = cli("depth", tmp_path / "photo.png", "--depth", file, *limit, "-o", tmp_path / "out")
    assert answer.code == 2
    assert "max_megapixels" in answer.err
