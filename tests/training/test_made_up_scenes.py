"""The scenes that networks learn from are exact, seeded, and spoiled only where a camera would spoil them."""

import cv2
import numpy as np
import pytest

from stereo_portrait.training.camera_effects import photographed
from stereo_portrait.training.layered_scenes import ExactScene, LayeredScenes
from stereo_portrait.training.room_scenes import RoomScenes, open3d
from stereo_portrait.training.sensor_effects import sensed

try:
    open3d()
except ImportError as missing:
    pytest.skip(f"Open3D does not load here: {missing}", allow_module_level=True)

MAKERS = {"layered": lambda: LayeredScenes([], [], 224, 160), "rooms": lambda: RoomScenes([], 224, 160)}


@pytest.fixture(scope="module", params=MAKERS)
def scene(request: pytest.FixtureRequest) -> ExactScene:
    return MAKERS[request.param]().draw(np.random.default_rng(4))


def test_the_right_view_shows_what_the_truth_says(scene: ExactScene) -> None:
    height, width = scene.disparity_px.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    there = cv2.remap(scene.right, x - scene.disparity_px, y, cv2.INTER_CUBIC)
    near_edge = cv2.dilate(scene.disparity_px, np.ones((5, 5))) - cv2.erode(scene.disparity_px, np.ones((5, 5))) > 1
    surface = scene.seen & ~near_edge
    wrong = np.abs(there.astype(np.float32) - scene.left)[surface].mean()
    shuffled = np.abs(np.roll(there, 3, axis=1).astype(np.float32) - scene.left)[surface].mean()
    assert surface.mean() > 0.4
    assert wrong < 1.5
    assert wrong < 0.5 * shuffled


def test_disparity_is_positive_and_inside_the_stated_range(scene: ExactScene) -> None:
    assert scene.disparity_px.min() > 0
    assert scene.disparity_px.max() < scene.max_disparity_px


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_draws_the_same_scene(name: str) -> None:
    first, second = (MAKERS[name]().draw(np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first.left, second.left)
    assert np.array_equal(first.disparity_px, second.disparity_px)


def test_the_camera_changes_pictures_but_not_their_size(scene: ExactScene) -> None:
    left, right = photographed(scene.left, scene.right, np.random.default_rng(1))
    assert left.shape == right.shape == scene.left.shape
    assert not np.array_equal(left, scene.left)
    assert np.abs(left.astype(int) - scene.left).mean() < 25


def test_a_sensor_has_holes_and_is_otherwise_near_the_truth(scene: ExactScene) -> None:
    shown = sensed(scene, np.random.default_rng(2))
    holes = np.isnan(shown)
    assert 0.01 < holes.mean() < 0.8
    assert np.nanmedian(np.abs(shown - scene.disparity_px)) < 0.05 * scene.disparity_px.max()
