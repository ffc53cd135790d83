"""The networks that come with the package, through the stages that use them."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from stereo_portrait.fallback.monocular import MonocularDepth
from stereo_portrait.fallback.subject import SubjectFinder
from stereo_portrait.networks.contract import ask
from stereo_portrait.networks.weights import open_network
from stereo_portrait.training.scores import intersection_over_union, order_accuracy, rank_correlation


def photo(sample_data: Path, name: str) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(sample_data / "photos" / name))[..., ::-1])


def test_a_person_stands_before_the_wall(sample_data: Path) -> None:
    picture = photo(sample_data, "skimage_astronaut/astronaut.png")
    depth = MonocularDepth().estimate(picture)
    face, suit, wall = depth.depth_m[120, 220], depth.depth_m[400, 200], depth.depth_m[60, 330]
    assert face < 0.6 * wall
    assert suit < 0.6 * wall
    assert depth.known.all()


def test_depth_agrees_with_the_teacher_s(sample_data: Path) -> None:
    teacher = sample_data.parent / "models" / "tcmonodepth_small_dyn.onnx"
    if not teacher.exists():
        pytest.skip("the teacher is not among the samples")
    from stereo_portrait.networks.contract import Contract
    from stereo_portrait.networks.session import open_session

    contract = Contract("inverse_depth", short_side_px=288)
    session, ours = open_network("built-in", "monocular", 1)
    found = []
    for name in ("skimage_astronaut/astronaut.png", "skimage_coffee/coffee.png", "opencv_messi5/messi5.jpg"):
        picture = photo(sample_data, name)
        found.append(rank_correlation(ask(session, ours, picture), ask(open_session(teacher, 1), contract, picture)))
    assert np.mean(found) > 0.9


def test_order_agrees_with_measured_depth(sample_data: Path) -> None:
    picture = np.ascontiguousarray(cv2.imread(str(sample_data / "middlebury2003/cones/im2.png"))[..., ::-1])
    truth = cv2.imread(str(sample_data / "middlebury2003/cones/disp2.png"), cv2.IMREAD_GRAYSCALE).astype(np.float32)
    truth[truth == 0] = np.nan
    inverse, _ = MonocularDepth().relative(picture)
    assert order_accuracy(inverse, truth) > 0.82


@pytest.mark.parametrize("size", [(16, 16), (17, 900), (900, 17), (333, 500)])
def test_any_size_and_shape_has_an_answer(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    depth = MonocularDepth().estimate(picture)
    assert depth.depth_m.shape == size
    assert not np.isnan(depth.depth_m).any()


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_white_photo_is_no_failure(level: int) -> None:
    depth = MonocularDepth().estimate(np.full((120, 160, 3), level, np.uint8))
    assert not np.isnan(depth.depth_m).any()


def test_threads_do_not_change_the_answer() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (288, 384, 3), dtype=np.uint8)
    one, two = (ask(*open_network("built-in", "monocular", n), picture) for n in (1, 2))
    assert np.abs(one - two).max() < 1e-3 * np.ptp(one)


def test_the_same_photo_has_the_same_depth_every_time() -> None:
    picture = skimage.data.astronaut()
    first, again = (MonocularDepth().relative(picture)[0] for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("purpose", ["monocular", "subject"])
def test_a_built_in_network_answers_within_sixty_milliseconds(purpose: str) -> None:
    """Of two threads' time, whatever else the machine is doing."""
    session, contract = open_network("built-in", purpose, 2)
    picture = np.random.default_rng(0).integers(0, 255, (288, 384, 3), dtype=np.uint8)
    took = []
    for _ in range(8):
        began = time.process_time()
        ask(session, contract, picture)
        took.append(time.process_time() - began)
    assert min(took) < 2 * 0.06


def test_the_subject_is_found_with_its_hair_and_nothing_is_printed(
    sample_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = SubjectFinder().find(photo(sample_data, "skimage_astronaut/astronaut.png"))
    assert found.found
    assert found.alpha[120, 220] > 0.95
    assert found.alpha[400, 200] > 0.95
    assert found.alpha[40, 330] < 0.05
    assert capsys.readouterr().out == ""


def test_the_subject_agrees_with_published_alpha(sample_data: Path) -> None:
    truth = cv2.imread(str(sample_data / "photos/pymatting_lemur/lemur_alpha.png"), cv2.IMREAD_GRAYSCALE)
    found = SubjectFinder().find(photo(sample_data, "pymatting_lemur/lemur.png"))
    assert intersection_over_union(found.alpha > 0.5, truth > 127) > 0.85
