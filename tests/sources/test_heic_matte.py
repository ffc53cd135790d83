"""The subject that a phone cut out itself."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stereo_portrait.cli.main import run
from stereo_portrait.core.errors import InputError
from stereo_portrait.fallback.subject import SubjectFinder
from stereo_portrait.sources.image_file import ImageSettings
from stereo_portrait.sources.phone import read_phone_photo

sys.path.insert(0, str(Path(__file__).parent))

from heic_files import SKIN, with_matte

PIXELS = np.random.default_rng(0).integers(60, 90, (96, 144, 3), dtype=np.uint8)
MATTE = np.zeros((96, 144), np.uint8)
MATTE[24:96, 48:96] = 255
MATTE[20:24, 48:96] = 128


def test_a_portrait_matte_is_the_whole_subject_and_no_network_is_asked(tmp_path: Path) -> None:
    photo = read_phone_photo(with_matte(tmp_path / "me.heic", PIXELS, MATTE))
    assert photo.matte is not None
    assert photo.matte.whole
    assert np.abs(photo.matte.alpha * 255 - MATTE).max() < 8  # the file is lossy
    found = SubjectFinder(settings=None).find(photo.pixels, photo.matte)
    assert found.count == 1
    assert found.borders == ("bottom",)
    assert np.array_equal(found.alpha, photo.matte.alpha)


def test_semantic_mattes_are_a_part_that_the_network_completes(tmp_path: Path) -> None:
    photo = read_phone_photo(with_matte(tmp_path / "me.heic", PIXELS, MATTE, SKIN))
    assert photo.matte is not None
    assert not photo.matte.whole
    found = SubjectFinder().find(photo.pixels, photo.matte)
    assert found.found
    assert found.alpha[40:90, 52:92].min() > 0.9


@pytest.mark.parametrize("method", ["auto", "segment"])
def test_the_report_says_that_the_mask_came_with_the_photo(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = with_matte(tmp_path / "me.heic", PIXELS, MATTE)
    assert run(["portrait", str(path), "--method", method, "-o", str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert "the subject's mask came with the photo" in report["decision"]["reasons"]
    assert report["focus"]["how"] == "subject"


def test_a_matte_over_the_pixel_limit_is_refused(tmp_path: Path) -> None:
    from stereo_portrait.sources.heic_matte import read_heic_matte

    path = with_matte(tmp_path / "me.heic", PIXELS, MATTE)
    with pytest.raises(InputError, match="144x96"):
        read_heic_matte(path, (144, 96), ImageSettings(max_megapixels=0.01))
    with pytest.raises(InputError, match="other shapes"):
        read_heic_matte(path, (96, 144))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_matte_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(with_matte(tmp_path / "me.heic", PIXELS, MATTE).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, 900))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(len(whole) // 2, len(whole)))
    (tmp_path / "cut.heic").write_bytes(bytes(whole[:cut]))
    try:
        photo = read_phone_photo(tmp_path / "cut.heic")
    except InputError as error:
        assert "cut.heic" in str(error)
    else:
        assert photo.pixels.shape[2] == 3
