"""The ray-traced truth is itself checked against what is known exactly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stereo_portrait.evaluation.blur_scores import edge_band, psnr, score
from stereo_portrait.evaluation.optics import Layer, LayeredScene, trace
from stereo_portrait.evaluation.optics_scenes import SCENES, focus_settings

Map = NDArray[np.float32]
SIZE = (64, 80)


def layer(colour: float, disparity: float, alpha: Map | None = None) -> Layer:
    light = np.full((*SIZE, 3), colour, np.float32)
    return Layer(light, np.ones(SIZE, np.float32) if alpha is None else alpha, (disparity, 0.0, 0.0))


def half_plane() -> Map:
    alpha = np.zeros(SIZE, np.float32)
    alpha[:, 40:] = 1
    return alpha


def test_what_is_in_focus_is_the_pinhole_picture() -> None:
    texture = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)
    scene = LayeredScene("flat", (Layer(texture, np.ones(SIZE, np.float32), (5.0, 0.0, 0.0)),))
    assert np.abs(trace(scene, 5.0, 2.0, 64).light - texture).max() < 1e-5


def test_a_blurred_edge_is_the_share_of_the_disc_beyond_it() -> None:
    scene = LayeredScene("edge", (layer(0.0, 0.0), layer(1.0, 10.0, half_plane())))
    row = trace(scene, 0.0, 1.0, 1024).light[32, :, 0]
    beyond = (np.arange(80) - 39.5) / 10.0
    inside = np.clip(beyond, -1, 1)
    exact = 0.5 + (inside * np.sqrt(1 - inside**2) + np.arcsin(inside)) / np.pi
    assert np.abs(row - exact)[20:60].max() < 0.03


def test_a_sharp_occluder_hides_all_of_the_blur_behind_it() -> None:
    scene = LayeredScene("edge", (layer(1.0, 0.0), layer(0.2, 10.0, half_plane())))
    light = trace(scene, 10.0, 1.0, 256).light[..., 0]
    assert np.abs(light[:, 41:] - 0.2).max() < 1e-4
    assert np.abs(light[:, :39] - 1.0).max() < 1e-4


def test_lamps_keep_their_energy_and_are_cut_by_what_stands_before_them() -> None:
    light = np.zeros((*SIZE, 3), np.float32)
    light[32, 36] = 50
    far = Layer(light, np.ones(SIZE, np.float32), (0.0, 0.0, 0.0))
    alone = trace(LayeredScene("lamp", (far,)), 8.0, 1.0, 64)
    assert alone.light[..., 0].sum() == pytest.approx(50, rel=0.05)
    behind = trace(LayeredScene("lamp", (far, layer(0.0, 8.0, half_plane()))), 8.0, 1.0, 64)
    assert behind.light[:, 41:].max() < 1e-4


def test_the_two_halves_are_independent_and_the_noise_falls_with_samples() -> None:
    scene = SCENES["wires"](0)
    small = LayeredScene(
        "part", tuple(Layer(p.light[100:164, 100:180], p.alpha[100:164, 100:180], p.disparity_px) for p in scene.layers)
    )
    few, many = (trace(small, 46.0, 0.7, n).noise_floor_db for n in (64, 1024))
    assert 25 < few < many - 6


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_has_depth_edges_and_a_blur_of_at_most_32_px(name: str) -> None:
    scene = SCENES[name](0)
    linear, disparity = scene.pinhole()
    assert np.isfinite(linear).all()
    for at, per_px in focus_settings(scene).values():
        radius = (disparity - at) * per_px
        assert np.abs(radius).max() < 32.5
        assert edge_band(radius).any()


def test_scores_know_right_from_wrong() -> None:
    picture = np.random.default_rng(0).random((40, 40, 3)).astype(np.float32)
    radius = np.zeros((40, 40), np.float32)
    same = score(picture, picture, radius, radius)
    assert (same.psnr, same.ssim) == (99.0, pytest.approx(1.0))
    assert np.isnan(same.edge_psnr)
    assert psnr(picture, np.roll(picture, 1, 0)) < 15
