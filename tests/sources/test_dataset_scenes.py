"""Public sets are read in their own layouts and units."""

import http.server
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.errors import DatasetError, InputError
from stereo_portrait.core.pfm import pfm_bytes
from stereo_portrait.sources.dataset_pull import pull_set, unpack
from stereo_portrait.sources.dataset_scenes import SetDescription, descriptions, load_scenes

CALIB = "cam0=[500 0 31.5; 0 500 23.5; 0 0 1]\ncam1=[500 0 36.5; 0 500 23.5; 0 0 1]\ndoffs=5\nbaseline=100\nwidth=64\n"
PICTURE = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)


def write_scene(folder: Path, truth_px: float = 7.5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "im0.png"), PICTURE)
    cv2.imwrite(str(folder / "im1.png"), PICTURE)
    truth = np.full((48, 64), truth_px, np.float32)
    truth[:4] = np.inf
    (folder / "disp0GT.pfm").write_bytes(pfm_bytes(truth))
    mask = np.full((48, 64), 255, np.uint8)
    mask[:, :10] = 128
    cv2.imwrite(str(folder / "mask0nocc.png"), mask)
    (folder / "calib.txt").write_text(f"{CALIB}height=48\nndisp=20\nisint=0\n")


def test_a_folder_of_scenes_in_middlebury_layout_is_read(tmp_path: Path) -> None:
    write_scene(tmp_path / "A")
    write_scene(tmp_path / "nested" / "B", 9.0)
    scenes = list(load_scenes(str(tmp_path)))
    assert [s.name for s in scenes] == ["A", "nested_B"]
    first = scenes[0]
    assert first.max_disparity_px == 20
    assert first.pair.rig.doffs_px == pytest.approx(5)
    assert np.isnan(first.truth_disparity_px[:4]).all()
    assert (first.truth_disparity_px[4:] == 7.5).all()
    assert first.non_occluded is not None
    assert not first.non_occluded[:, :10].any()


def test_a_scene_itself_is_a_folder_of_one(tmp_path: Path) -> None:
    write_scene(tmp_path / "A")
    assert [s.name for s in load_scenes(str(tmp_path / "A"))] == ["A"]


def test_kitti_truth_is_divided_by_256_and_zero_is_unknown(tmp_path: Path) -> None:
    for name in ("image_2", "image_3", "disp_occ_0", "disp_noc_0"):
        (tmp_path / name).mkdir()
    raw = np.full((48, 64), 12 * 256 + 128, np.uint16)
    raw[0] = 0
    for name in ("image_2", "image_3"):
        cv2.imwrite(str(tmp_path / name / "000001_10.png"), PICTURE)
    cv2.imwrite(str(tmp_path / "disp_occ_0" / "000001_10.png"), raw)
    raw[:, :5] = 0
    cv2.imwrite(str(tmp_path / "disp_noc_0" / "000001_10.png"), raw)
    (scene,) = load_scenes(str(tmp_path))
    assert scene.name == "000001_10"
    assert np.nanmax(scene.truth_disparity_px) == pytest.approx(12.5)
    assert np.isnan(scene.truth_disparity_px[0]).all()
    assert scene.non_occluded is not None
    assert not scene.non_occluded[:, :5].any()


def test_older_middlebury_sets_scale_by_size_and_find_occlusion(sample_data: Path) -> None:
    expected = {"middlebury2003": 55.0, "middlebury2006": 108.5, "middlebury2001": 14.0, "kitti2015": 65.738}
    for name, most_px in expected.items():
        (scene,) = (s for s in load_scenes(str(sample_data / name)))
        assert np.nanmax(scene.truth_disparity_px) == pytest.approx(most_px, abs=0.01)
        assert scene.non_occluded is not None


def test_a_folder_without_scenes_says_what_a_scene_is(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"im0\.png"):
        list(load_scenes(str(tmp_path)))


def test_a_set_that_is_not_here_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEREO_PORTRAIT_SETS", str(tmp_path))
    with pytest.raises(DatasetError, match="datasets pull eth3d"):
        list(load_scenes("eth3d"))


def test_truth_of_another_size_is_refused(tmp_path: Path) -> None:
    write_scene(tmp_path / "A")
    (tmp_path / "A" / "disp0GT.pfm").write_bytes(pfm_bytes(np.ones((10, 10), np.float32)))
    with pytest.raises(InputError, match=r"disp0GT\.pfm is 10x10"):
        list(load_scenes(str(tmp_path)))


@pytest.mark.parametrize("name", descriptions())
def test_every_description_says_what_a_reader_needs(name: str) -> None:
    body = descriptions()[name].body
    assert {"title", "page", "cite", "scenes", "layout", "truth"} <= set(body)
    assert {"left", "right", "truth"} <= set(body["layout"])
    assert body["truth"]["kind"] in ("pfm", "png")
    if body["truth"]["kind"] == "png":
        assert body["truth"]["divisor"] > 0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[SetDescription, Path]]:
    """A set of one scene, served from this machine."""
    source = tmp_path / "www"
    write_scene(source / "A")
    with zipfile.ZipFile(source / "A.zip", "w") as pack:
        for path in (source / "A").iterdir():
            pack.write(path, f"A-perfect/{path.name}")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a, **k: Quiet(*a, directory=str(source), **k))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body = descriptions()["middlebury2014"].body
    address = f"http://127.0.0.1:{server.server_address[1]}/{{scene}}.zip"
    yield SetDescription("mine", {**body, "download": address, "scenes": ["A", "B"]}), tmp_path / "sets"
    server.shutdown()
    server.server_close()


def test_a_pulled_scene_can_be_read_and_is_not_fetched_twice(served: tuple[SetDescription, Path]) -> None:
    description, folder = served
    pull_set(description, folder, ("A",))
    assert [s.name for s in load_scenes(str(folder))] == ["A"]
    assert pull_set(
        SetDescription("mine", {**description.body, "download": "http://127.0.0.1:9/{scene}"}), folder, ("A",)
    )


def test_a_scene_that_cannot_be_fetched_says_what_to_do(served: tuple[SetDescription, Path]) -> None:
    description, folder = served
    with pytest.raises(DatasetError, match="unpack it into"):
        pull_set(description, folder, ("B",))


def test_an_archive_that_climbs_out_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as pack:
        pack.writestr("a/../../evil.txt", "x")
    with pytest.raises(DatasetError, match="climbs out"):
        unpack(tmp_path / "bad.zip", tmp_path / "target")
    assert not (tmp_path / "evil.txt").exists()
