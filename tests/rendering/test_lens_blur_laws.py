"""Laws that hold for any photo, depth and aperture."""

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stereo_portrait.core import bands
from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering import RENDERERS, bokeh_layers, make_renderer
from stereo_portrait.rendering.bokeh import BokehRenderer, BokehSettings

Map = NDArray[np.float32]
CIRCLE = Aperture()
quick = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
apertures = st.builds(
    Aperture,
    blades=st.sampled_from((0, 3, 5, 6, 9)),
    roundness=st.floats(0, 1),
    rotation_deg=st.floats(-90, 90),
    cats_eye=st.floats(0, 1),
    anamorphic=st.floats(0.5, 2),
    ring=st.floats(0, 0.7),
    edge=st.floats(-1, 1),
)


def photo(seed: int, height: int = 96, width: int = 128) -> Map:
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 8, width // 8, 3)).astype(np.float32)
    return np.kron(coarse, np.ones((8, 8, 1), np.float32))


def depth(seed: int, widest: float, height: int = 96, width: int = 128) -> Map:
    """A slanted ground with boxes before it."""
    rng = np.random.default_rng(seed)
    radius = np.linspace(-widest, 0, height, dtype=np.float32)[:, None] * np.ones((1, width), np.float32)
    for _ in range(4):
        y, x = int(rng.integers(0, height - 20)), int(rng.integers(0, width - 20))
        radius[y : y + int(rng.integers(4, 40)), x : x + int(rng.integers(4, 40))] = rng.uniform(-widest, widest)
    return radius


@pytest.mark.parametrize("name", RENDERERS)
def test_a_flat_grey_photo_stays_that_grey_by_every_method(name: str) -> None:
    grey = np.full((60, 80, 3), 0.4, np.float32)
    assert np.abs(make_renderer(name).render(grey, depth(1, 8, 60, 80), CIRCLE) - 0.4).max() < 2e-4


@quick
@given(st.integers(0, 999), st.floats(0, 40), apertures)
def test_a_flat_grey_photo_stays_that_grey_for_any_depth_and_aperture(
    seed: int, widest: float, aperture: Aperture
) -> None:
    grey = np.full((96, 128, 3), 0.4, np.float32)
    for quality in ("full", "preview", "draft"):
        result = BokehRenderer(BokehSettings(quality=quality)).render(grey, depth(seed, widest), aperture)  # type: ignore[arg-type]
        assert np.abs(result - 0.4).max() < 1e-3


@pytest.mark.parametrize("name", RENDERERS)
def test_zero_aperture_returns_the_photo(name: str) -> None:
    picture = photo(0)
    assert np.array_equal(make_renderer(name).render(picture, np.zeros((96, 128), np.float32), CIRCLE), picture)


@quick
@given(st.integers(0, 999), st.floats(0.5, 24))
def test_flipping_photo_and_depth_flips_the_result(seed: int, widest: float) -> None:
    picture, radius, renderer = photo(seed), depth(seed, widest), BokehRenderer()
    result = renderer.render(picture, radius, CIRCLE)
    for axes in (0, 1):
        flipped = renderer.render(
            np.ascontiguousarray(np.flip(picture, axes)), np.ascontiguousarray(np.flip(radius, axes)), CIRCLE
        )
        difference = np.abs(np.flip(flipped, axes) - result)
        assert difference.mean() < 3e-3
        assert np.quantile(difference, 0.99) < 0.03


@quick
@given(st.floats(1.5, 40), st.floats(2, 50), apertures)
def test_the_energy_of_an_isolated_highlight_is_conserved(radius: float, power: float, aperture: Aperture) -> None:
    dark = np.zeros((256, 256, 3), np.float32)
    dark[127:129, 127:129] = power
    for sign in (-1, 1):
        result = BokehRenderer().render(dark, np.full((256, 256), sign * radius, np.float32), aperture)
        if aperture.cats_eye == 0:
            assert result.sum() == pytest.approx(dark.sum(), rel=0.03)
        assert result.min() >= -1e-4


def test_blur_grows_with_distance_from_focus_on_both_sides() -> None:
    for sign in (-1, 1):
        spreads = []
        for size in (1, 3, 6, 12, 24):
            dark = np.zeros((128, 128, 3), np.float32)
            dark[64, 64] = 20
            light = BokehRenderer().render(dark, np.full((128, 128), sign * size, np.float32), CIRCLE)[..., 0]
            y, x = np.mgrid[:128, :128] - 64
            spreads.append(float((light * (x * x + y * y)).sum() / light.sum()))
        assert np.all(np.diff(spreads) > 0)
        assert spreads[-1] == pytest.approx(24**2 / 2, rel=0.05)  # an even disc's mean square radius


@quick
@given(st.integers(0, 999), st.floats(1, 30))
def test_a_sharp_subject_is_unchanged_bit_for_bit(seed: int, behind: float) -> None:
    picture = np.random.default_rng(seed).random((96, 128, 3)).astype(np.float32)
    radius = np.full((96, 128), -behind, np.float32)
    radius[20:70, 30:90] = 0.2
    result = BokehRenderer().render(picture, radius, CIRCLE)
    assert np.array_equal(result[20:70, 30:90], picture[20:70, 30:90])


@quick
@example(1, 2.0, CIRCLE)  # a soft edge once came out two per cent brighter than anything around it
@given(st.integers(0, 999), st.floats(0, 40), apertures)
def test_the_result_stays_within_the_colours_of_the_photo(seed: int, widest: float, aperture: Aperture) -> None:
    picture = photo(seed)
    result = BokehRenderer().render(picture, depth(seed, widest), aperture)
    if aperture.edge <= 0 and aperture.ring == 0:
        assert result.min() >= picture.min() - 2e-3
        assert result.max() <= picture.max() + 2e-3


@pytest.mark.parametrize("power", [1e6, 3e38])
@pytest.mark.parametrize("steady", [True, False])
def test_a_glaring_lamp_in_or_near_focus_leaves_no_streak_beside_it(power: float, steady: bool) -> None:
    grey = np.full((96, 128, 3), 0.2, np.float32)
    grey[48, 64] = power
    radius = np.full((96, 128), 0.8, np.float32) if steady else np.linspace(-16.125, 15.875, 128, dtype=np.float32)
    result = BokehRenderer().render(grey, np.broadcast_to(radius, (96, 128)), CIRCLE)
    around = np.ones((96, 128), np.bool_)
    around[46:51, 60:69] = False
    assert np.abs(result[around] - 0.2).max() < 1e-4
    assert result[48, 64, 0] > 0.1 * min(power, 1e12)  # no light counts for more


@pytest.mark.parametrize("quality", ["full", "preview"])
def test_a_ring_wider_than_the_picture_gives_no_negative_light(quality: str) -> None:
    picture = np.random.default_rng(0).random((26, 35, 3)).astype(np.float32)
    radius = np.random.default_rng(1).uniform(-100, 100, (26, 35)).astype(np.float32)
    result = BokehRenderer(BokehSettings(quality=quality)).render(  # type: ignore[arg-type]
        picture, radius, Aperture(blades=7, anamorphic=0.25, ring=0.5)
    )
    assert result.min() >= 0
    assert result.max() <= picture.max() + 1e-4


def test_background_does_not_bleed_onto_a_sharp_subject_nor_the_subject_into_the_background() -> None:
    picture = np.zeros((96, 128, 3), np.float32)
    picture[..., 0] = 1.0
    picture[30:66, 40:88] = (0, 1, 0)
    radius = np.full((96, 128), -12.0, np.float32)
    radius[30:66, 40:88] = 0
    result = BokehRenderer().render(picture, radius, CIRCLE)
    assert result[32:64, 42:86, 0].max() < 1e-6
    assert result[:26, :, 1].max() < 0.02


def test_a_blurred_foreground_spreads_softly_over_a_sharp_subject() -> None:
    picture = np.zeros((96, 128, 3), np.float32)
    picture[..., 0] = 1.0
    picture[:, 64:] = (0, 1, 0)
    radius = np.zeros((96, 128), np.float32)
    radius[:, 64:] = 10
    green = BokehRenderer().render(picture, radius, CIRCLE)[48, :, 1]
    assert green[50] < 0.02
    assert 0.35 < green[63] < 0.65
    assert green[80] > 0.98
    assert np.all(np.diff(green[50:80]) > -0.02)


@pytest.mark.parametrize("quality", ["full", "preview", "draft"])
def test_the_result_does_not_depend_on_the_number_of_threads(quality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    picture, radius = rng.random((300, 400, 3)).astype(np.float32), depth(3, 20, 300, 400)
    picture[100, 100] = 30
    results = []
    for count in (1, 2, 3):
        monkeypatch.setattr(bands, "threads", lambda count=count: count)
        results.append(BokehRenderer(BokehSettings(quality=quality)).render(picture, radius, Aperture(blades=5)))  # type: ignore[arg-type]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_holes_in_the_depth_degrade_gracefully(bad: float) -> None:
    picture, whole = photo(5), depth(5, 6)
    holed = whole.copy()
    holed[np.random.default_rng(0).random(holed.shape) < 0.1] = bad
    result = BokehRenderer().render(picture, holed, CIRCLE)
    assert np.isfinite(result).all()
    assert np.abs(result - BokehRenderer().render(picture, whole, CIRCLE)).mean() < 0.03
    empty = np.full(whole.shape, bad, np.float32)
    assert np.array_equal(BokehRenderer().render(picture, empty, CIRCLE), picture)


@pytest.mark.parametrize(("wrong", "share"), [("soft", 0.01), ("shrunk", 0.85)])
def test_soft_and_shifted_depth_edges_are_snapped_to_the_edges_of_colour(wrong: str, share: float) -> None:
    picture = np.zeros((96, 128, 3), np.float32)
    picture[..., 0] = 0.8
    picture[24:72, 32:96] = (0.1, 0.7, 0.2)
    exact = np.full((96, 128), -12.0, np.float32)
    exact[24:72, 32:96] = 0
    truth = BokehRenderer().render(picture, exact, CIRCLE)
    found = cv2.GaussianBlur(exact, (0, 0), 1.5) if wrong == "soft" else cv2.erode(exact, np.ones((5, 5), np.uint8))
    careful, careless = (
        float(np.square(BokehRenderer(how).render(picture, found, CIRCLE) - truth).mean())
        for how in (BokehSettings(), BokehSettings(snap_edges=False, soft_edges=False))
    )
    assert careful < share * careless


@pytest.mark.parametrize("size", [(8, 8), (9, 33), (33, 9), (31, 65), (1, 40)])
def test_small_and_odd_sizes_are_rendered(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).random((*size, 3)).astype(np.float32)
    radius = np.random.default_rng(2).uniform(-30, 30, size).astype(np.float32)
    result = BokehRenderer().render(picture, radius, CIRCLE)
    assert result.shape == picture.shape
    assert np.isfinite(result).all()


@pytest.mark.parametrize("quality", ["full", "preview"])
@pytest.mark.parametrize("seed", range(8))
def test_memory_that_layers_share_is_never_read_before_it_is_written(
    seed: int, quality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, radius = photo(seed, 320, 480), depth(seed, 5 * seed + 2, 320, 480)
    renderer = BokehRenderer(BokehSettings(quality=quality))  # type: ignore[arg-type]
    expected = renderer.render(picture, radius, CIRCLE)

    class Soiled(bokeh_layers.Scratch):
        def __init__(self, height: int, width: int) -> None:
            super().__init__(height, width)
            for array in (*self.sheets, self.all_sums, self.depth, self.half_weight, self.blocks, self.ranges):
                array.fill(np.nan)

    monkeypatch.setattr(bokeh_layers, "Scratch", Soiled)
    assert np.array_equal(renderer.render(picture, radius, CIRCLE), expected)


@pytest.mark.parametrize("quality", ["full", "draft"])
@pytest.mark.parametrize("widest", [1e7, 1e25, 3e38])
def test_blur_wider_than_any_picture_is_only_very_wide(quality: str, widest: float) -> None:
    picture = photo(6)
    radius = (np.random.default_rng(1).uniform(-1, 1, picture.shape[:2]) * widest).astype(np.float32)
    result = BokehRenderer(BokehSettings(quality=quality)).render(picture, radius, CIRCLE)  # type: ignore[arg-type]
    assert np.isfinite(result).all()
    assert result.max() <= picture.max() + 1e-4


def test_a_picture_does_not_show_what_the_last_one_left_in_memory() -> None:
    renderer, first, second = BokehRenderer(), (photo(1), depth(1, 20)), (photo(2), depth(2, 3))
    alone = renderer.render(*second, CIRCLE)
    renderer.render(*first, CIRCLE)
    assert np.array_equal(renderer.render(*second, CIRCLE), alone)


def test_a_steep_slant_is_not_taken_for_a_soft_edge() -> None:
    picture = photo(4)
    slant = (np.linspace(-22, 22, 96, dtype=np.float32)[:, None] * np.ones((1, 128))).astype(np.float32)
    snapped, plain = (
        BokehRenderer(BokehSettings(snap_edges=snap)).render(picture, slant, CIRCLE) for snap in (True, False)
    )
    assert np.array_equal(snapped, plain)
