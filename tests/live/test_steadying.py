"""Steady where nothing moves, never late where something does."""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest

from stereo_portrait.config import load_settings
from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.portrait import Aperture, LensModel
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.core.stream import Frame
from stereo_portrait.live.controls import Wish
from stereo_portrait.live.depth import DepthStage, LiveDepth
from stereo_portrait.live.picture import RenderStage
from stereo_portrait.live.steadying import noise_sigma
from stereo_portrait.rendering.bokeh import BokehRenderer, BokehSettings
from stereo_portrait.rendering.light import linear_from_srgb, srgb_from_linear
from tests.live.streams import DISC_PX, WALL_PX, motorcycle, moving_disc, noisy

FRAME_BY_FRAME, STEADY = 0.0, 0.85


def depths(
    make: Callable[[int], StereoPair], count: int, rig: RectifiedRig, steadiness: float, width_px: int = 320
) -> list[LiveDepth]:
    stage = DepthStage(
        load_settings(None, (f"live.working_width_px={width_px}", f"live.steadiness={steadiness}")), lambda size: rig
    )
    try:
        return [stage.process(Frame(n, make(n), 0.0)) for n in range(count)]
    finally:
        stage.close()


@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_a_still_scene_flickers_at_most_half_as_much_as_frame_by_frame(sigma: float) -> None:
    pair, rig = motorcycle(480, 360)
    wish = Wish(0.7, "distance", distance_m=3.0)
    flicker: dict[float, float] = {}
    for steadiness in (FRAME_BY_FRAME, STEADY):
        render = RenderStage(load_settings(None, ("live.rack_s=0",)))
        seen = depths(lambda n: noisy(pair, sigma, n), 14, rig, steadiness, 256)
        pictures = [render.process(s, wish).image.astype(np.int16) for s in seen[6:]]
        render.close()
        if steadiness == FRAME_BY_FRAME:
            per_m = wish_radius_per_inverse_m(480)
            blurred = np.mean([np.abs(s.inverse_per_m - 1 / 3.0) for s in seen], axis=0) * per_m > 2
            assert 0.1 < blurred.mean() < 0.9
        flicker[steadiness] = float(np.mean([np.abs(b - a)[blurred].mean() for a, b in pairwise(pictures)]))
    assert flicker[STEADY] <= 0.5 * flicker[FRAME_BY_FRAME]


def wish_radius_per_inverse_m(width_px: int) -> float:
    return LensModel(f_number=0.7).blur_px_per_inverse_m(3.0, width_px) / 2


@pytest.mark.parametrize("step_px", [1.0, 4.0, 10.0])
def test_a_moving_disc_leaves_no_trail_in_depth_or_picture(step_px: float) -> None:
    made = [moving_disc(n, step_px) for n in range(13)]
    rig, masks = made[0][2], [m for _, m, _ in made]
    error: dict[float, list[float]] = {FRAME_BY_FRAME: [], STEADY: []}
    apart: dict[float, list[float]] = {FRAME_BY_FRAME: [], STEADY: []}
    exact = {s: depths(lambda n: made[n][0], 13, rig, s) for s in error}
    for n in (8, 10, 12):
        behind = np.any(masks[n - 6 : n], axis=0) & ~masks[n]  # where the disc has been a moment ago
        truth = np.where(masks[n], DISC_PX, WALL_PX)
        full = rendered(exact[FRAME_BY_FRAME][n], rig, "full")
        for s, seen in exact.items():
            found = seen[n].inverse_per_m * rig.focal_px * rig.baseline_m
            error[s].append(float((np.abs(found - truth) > 2)[behind].mean()))
            apart[s].append(float(np.abs(rendered(seen[n], rig, "preview") - full)[behind].mean()))
    assert np.mean(error[STEADY]) <= np.mean(error[FRAME_BY_FRAME]) + 0.02
    assert (
        np.mean(apart[STEADY]) <= np.mean(apart[FRAME_BY_FRAME]) + 0.6
    )  # grey levels: the noise that is averaged away


def rendered(seen: LiveDepth, rig: RectifiedRig, quality: str) -> np.ndarray:
    """Focus on the disc, wall blurred by 9 px."""
    disparity_px = seen.inverse_per_m * np.float32(rig.focal_px * rig.baseline_m)
    radius_px = ((disparity_px - DISC_PX) * np.float32(9 / (DISC_PX - WALL_PX))).astype(np.float32)
    light = linear_from_srgb(np.where((np.abs(radius_px) > 1)[..., None], seen.calm, seen.photo))
    renderer = BokehRenderer(BokehSettings(quality=quality))  # type: ignore[arg-type]
    return srgb_from_linear(renderer.render(light, radius_px, Aperture())).astype(np.int16)


def test_something_that_is_taken_away_is_gone_with_the_next_frame() -> None:
    with_disc = [moving_disc(0, 0)[0] for _ in range(8)]
    _, mask, rig = moving_disc(0, 0)
    without = moving_disc(1000, 10)[0]  # the disc is far out of the picture
    seen = depths(lambda n: [*with_disc, without][n], 9, rig, STEADY)
    found = seen[-1].inverse_per_m * rig.focal_px * rig.baseline_m
    assert np.abs(seen[-2].inverse_per_m[mask] * rig.focal_px * rig.baseline_m - DISC_PX).mean() < 2
    assert (np.abs(found - WALL_PX) < 2)[mask].mean() > 0.97


@pytest.mark.parametrize("sigma", [1.0, 3.0, 8.0])
def test_the_noise_of_a_textured_picture_is_estimated(sigma: float) -> None:
    pair, _ = motorcycle(320, 240)
    grey = cv2.cvtColor(pair.left, cv2.COLOR_RGB2GRAY)
    clean = noise_sigma(grey)
    noise = np.random.default_rng(1).normal(0, sigma, grey.shape)
    found = noise_sigma(np.clip(grey + noise, 0, 255).round().astype(np.uint8))
    assert np.hypot(sigma, clean) * 0.7 < found < np.hypot(sigma, clean) * 1.5
