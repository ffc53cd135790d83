"""Old .bag recordings play through the SDK, and a damaged one is named."""

import random
from pathlib import Path

import numpy as np
import pytest

from stereo_portrait.core.capture import RgbdFrame
from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.open_stream import open_source
from tests.sources.ros_bag import write_realsense_bag
from tests.sources.software_realsense import square

COUNT = 12


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_realsense_bag(tmp_path_factory.mktemp("bag") / "old.bag", [square(i) for i in range(COUNT)], 0.0005)


def test_an_old_bag_plays_with_its_depth_scale_and_lens(bag: Path) -> None:
    source = open_source(f"realsense:{bag}")
    frames = list(source)
    assert len(frames) >= COUNT - 1  # the SDK may give one stream only at first
    for frame in frames:
        assert isinstance(frame.capture, RgbdFrame)
        depth, colour = square(round((frame.device_ms or 0) * 0.03))
        assert np.array_equal(frame.capture.photo.pixels, colour)
        assert depth is not None
        expected_m = np.where(depth == 0, np.float32(np.nan), depth / np.float32(2000))
        assert np.array_equal(frame.capture.depth.depth_m, expected_m.astype(np.float32), equal_nan=True)
    assert source.camera is not None
    assert source.camera.fx_px == pytest.approx(60.8)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_bag_that_was_cut_off_is_named(bag: Path, tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.bag"
    path.write_bytes(bag.read_bytes()[: int(bag.stat().st_size * share)])
    with pytest.raises(InputError, match=r"cut\.bag is (cut off|damaged)"):
        open_source(f"realsense:{path}")


def test_any_bytes_as_a_bag_give_one_clear_error_or_whole_frames(bag: Path, tmp_path: Path) -> None:
    data = bag.read_bytes()
    rng = random.Random(5)
    path = tmp_path / "any.bag"
    told = 0
    for at in (0, 20, 60, len(data) - 900, len(data) - 400, *(rng.randrange(len(data) - 300) for _ in range(4))):
        damaged = bytearray(data)
        damaged[at : at + 200] = rng.randbytes(200)
        path.write_bytes(damaged)
        try:
            list(open_source(f"realsense:{path}"))
        except InputError as error:
            assert "any.bag" in str(error)
            told += 1
    assert told >= 4


def test_what_is_no_bag_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.bag"
    path.write_text("hello")
    with pytest.raises(InputError, match="not a ROS bag"):
        open_source(f"realsense:{path}")
