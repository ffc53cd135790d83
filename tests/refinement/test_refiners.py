"""Every refiner keeps the contract; each improves what it is for."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stereo_portrait.core.capture import Scene
from stereo_portrait.core.depth import DisparityMap, Flaw
from stereo_portrait.core.errors import ConfigError
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.refinement.median_kernels import IN_REACH
from stereo_portrait.refinement.unrefined import NoRefiner
from stereo_portrait.refinement.weighted_median import WeightedMedianRefiner, WeightedMedianSettings
from stereo_portrait.refinement.wls import WlsRefiner, WlsSettings
from stereo_portrait.sources import synthetic

CLASSICAL = {"none": NoRefiner, "wls": WlsRefiner, "median": WeightedMedianRefiner}


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Painted plainly, so that the guide's edges are the depth's edges."""
    made = synthetic.square_in_front(30, 6, 320, 160, seed=2)
    near = made.truth_disparity_px > 15
    plain = np.where(near[..., None], np.uint8(180), np.uint8(60)).repeat(3, axis=2)
    left = np.clip(plain.astype(int) + (made.pair.left.astype(int) - 128) // 8, 0, 255).astype(np.uint8)
    return replace(made, pair=replace(made.pair, left=left))


@pytest.fixture(scope="module")
def measured() -> DisparityMap:
    pair = synthetic.square_in_front(30, 6, 320, 160, seed=2).pair
    return SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=64)).match(pair)


def bad_share(found: DisparityMap, scene: Scene) -> float:
    return float((np.abs(found.disparity_px - scene.truth_disparity_px) > 2).mean())


@pytest.mark.parametrize("name", CLASSICAL)
def test_unknown_stays_unknown_and_flaws_stay(name: str, scene: Scene, measured: DisparityMap) -> None:
    holes: NDArray[np.bool_] = (measured.flaws & Flaw.FILLED) > 0
    open_map = replace(measured, disparity_px=np.where(holes, np.float32(np.nan), measured.disparity_px))
    refined = CLASSICAL[name]().refine(open_map, scene.pair)
    assert np.array_equal(refined.known, open_map.known)
    assert np.array_equal(refined.flaws, open_map.flaws)
    assert refined.rig == open_map.rig


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_map_without_any_answer_passes(name: str, scene: Scene, measured: DisparityMap) -> None:
    nothing = np.full_like(measured.disparity_px, np.nan)
    empty = replace(measured, disparity_px=nothing, confidence=np.zeros_like(measured.confidence))
    assert not CLASSICAL[name]().refine(empty, scene.pair).known.any()


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_smooth_slant_is_not_bent(name: str, measured: DisparityMap, scene: Scene) -> None:
    slant = np.tile(np.linspace(10, 30, 320, dtype=np.float32), (160, 1))
    flat = replace(measured, disparity_px=slant, flaws=np.zeros_like(measured.flaws))
    refined = CLASSICAL[name]().refine(flat, scene.pair)
    assert np.abs(refined.disparity_px - slant)[20:-20, 20:-20].max() < 0.5


def test_the_median_snaps_edges_to_the_picture(scene: Scene, measured: DisparityMap) -> None:
    refined = WeightedMedianRefiner().refine(measured, scene.pair)
    assert bad_share(refined, scene) < 0.7 * bad_share(measured, scene)


def plain_votes(
    found: NDArray, trust: NDArray, guide: NDArray, s: WeightedMedianSettings, stride: int = 1
) -> Iterator[tuple[tuple[int, int], NDArray, NDArray]]:
    """Each known pixel, what every `stride`th pixel of its window says, and its weight's share of all."""
    guide = cv2.medianBlur(guide, 3).astype(np.float64)
    steps = np.arange(-s.radius_px, s.radius_px + 1, stride)
    for y, x in np.argwhere(~np.isnan(found)):
        rows, columns = (
            at[(at >= 0) & (at < size)] for at, size in zip((y + steps, x + steps), found.shape, strict=True)
        )
        window = np.ix_(rows, columns)
        told, vote = found[window].ravel(), np.nan_to_num(trust[window].ravel() * ~np.isnan(found[window].ravel()))
        unlike = np.abs(guide[window] - guide[y, x]).sum(axis=2).ravel()
        weight = vote * np.clip(1 - (unlike / (3 * s.colour_sigma)) ** 2 / 32, 0, None) ** 16
        yield (y, x), told, weight / weight.sum()


def plain_median(
    found: NDArray, trust: NDArray, filled: NDArray, guide: NDArray, s: WeightedMedianSettings
) -> tuple[NDArray, NDArray]:
    """The definition, pixel by pixel, and where it is no tie, which may fall either way."""
    out, clear = found.copy(), np.ones(found.shape, np.bool_)
    for at, told, share in plain_votes(found, trust, guide, s):
        order = np.argsort(told)
        reached = np.cumsum(share[order])
        median = told[order][np.searchsorted(reached, 0.5)]
        clear[at] = np.abs(reached - 0.5).min() > 1e-4
        if filled[at] or abs(median - found[at]) > s.least_change_px:
            out[at] = median
    return out, clear


@given(seed=st.integers(0, 2**32 - 1), radius=st.integers(1, 4), change=st.sampled_from([0.25, 1.0]))
def test_the_quick_median_is_the_weighted_median(seed: int, radius: int, change: float) -> None:
    draw = np.random.default_rng(seed)
    height, width = draw.integers(4, 14), draw.integers(4, 50)
    found = (draw.integers(0, 12, (height, width)) * 3.0).astype(np.float32)  # steps everywhere: no pixel is left out
    found[draw.random(found.shape) < 0.1] = np.nan
    trust = draw.uniform(0.1, 1, found.shape).astype(np.float32)
    filled = (draw.random(found.shape) < 0.3) & ~np.isnan(found)
    guide = draw.integers(0, 60, (height, width, 3), dtype=np.uint8)
    settings = WeightedMedianSettings(radius_px=radius, colour_sigma=20.0, edge_step_px=0.5, least_change_px=change)
    quick = WeightedMedianRefiner(settings).cleaned(found, trust, filled, guide)
    exact, clear = plain_median(found, trust, filled, guide, settings)
    assert np.array_equal(np.isnan(quick), np.isnan(exact))
    assert not np.any(np.abs(quick - exact)[clear] > 0.25)


def blocks(seed: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Blocks of one disparity each with specks: found, trust, filled and guide."""
    draw = np.random.default_rng(seed)
    block = np.ones((int(draw.integers(4, 7)), int(draw.integers(4, 7))), np.float32)
    found = np.kron(draw.integers(0, 4, (3, 5)) * 3.0, block).astype(np.float32)
    found[draw.random(found.shape) < 0.05] += 9
    trust = draw.uniform(0.3, 1, found.shape).astype(np.float32)
    filled = np.kron(draw.random((3, 5)) < 0.2, block).astype(np.bool_)
    return found, trust, filled, cv2.blur(draw.integers(0, 256, (*found.shape, 3), dtype=np.uint8), (5, 5))


LARGE = WeightedMedianSettings(radius_px=6, colour_sigma=20.0, edge_step_px=0.5)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_large_window_counts_a_quarter_of_its_votes_first_and_decides_by_all(seed: int) -> None:
    found, trust, filled, guide = blocks(seed)
    against = np.zeros(found.shape)  # the larger share of the quarter's votes, below the value or above
    for at, told, share in plain_votes(found, trust, guide, LARGE, stride=2):
        against[at] = max(share[told < found[at] - 1].sum(), share[told > found[at] + 1].sum())
    exact, clear = plain_median(found, trust, filled, guide, LARGE)
    wanted = np.where(against > IN_REACH, exact, found)
    quick = WeightedMedianRefiner(LARGE).cleaned(found, trust, filled, guide)
    assert not np.any(np.abs(quick - wanted)[clear & (np.abs(against - IN_REACH) > 1e-4)] > 0.25)


def test_a_quarter_of_the_votes_seldom_misses_a_majority() -> None:
    missed = []
    for seed in range(40):
        quick = WeightedMedianRefiner(LARGE).cleaned(*blocks(seed))
        missed.append(np.mean(np.abs(quick - plain_median(*blocks(seed), LARGE)[0]) > 0.25))
    assert np.mean(missed) < 0.003


@pytest.mark.parametrize("odd", [np.inf, -np.inf, 1e7, 4194400.0, -3e38])
def test_the_median_of_anything_ends(odd: float) -> None:
    guide, nothing = np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3), np.bool_)
    for values in (np.full((3, 3), odd), np.full((3, 3), 5.0), np.array([[5, odd, 4194305.0]] * 3)):
        found = values.astype(np.float32)
        found[1, 1] = 5
        told = found.copy()
        cleaned = WeightedMedianRefiner().cleaned(told, np.ones((3, 3), np.float32), nothing, guide)
        assert np.array_equal(np.isinf(cleaned), np.isinf(found))
        assert np.array_equal(told, found)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_second_pass_is_the_first_one_again(seed: int) -> None:
    draw = np.random.default_rng(seed)
    found = np.repeat(draw.integers(0, 4, (20, 8)) * 2.0, 6, axis=1).astype(np.float32)
    trust, nothing = draw.uniform(0.1, 1, found.shape).astype(np.float32), np.zeros(found.shape, np.bool_)
    guide = draw.integers(0, 60, (*found.shape, 3), dtype=np.uint8)
    one, two = (WeightedMedianRefiner(WeightedMedianSettings(radius_px=2, passes=passes)) for passes in (1, 2))
    again = one.cleaned(one.cleaned(found, trust, nothing, guide), trust, nothing, guide)
    assert np.array_equal(two.cleaned(found, trust, nothing, guide), again)


def test_wls_takes_noise_out(scene: Scene) -> None:
    noise = np.random.default_rng(0).normal(0, 0.8, scene.truth_disparity_px.shape)
    trusted = np.ones(noise.shape, np.float32)
    noisy = DisparityMap(
        (scene.truth_disparity_px + noise).astype(np.float32), trusted, np.zeros(noise.shape, np.uint8), scene.pair.rig
    )
    error_px = [
        np.abs(m.disparity_px - scene.truth_disparity_px).mean()
        for m in (noisy, WlsRefiner(WlsSettings(colour_sigma=3.0)).refine(noisy, scene.pair))
    ]
    assert error_px[1] < 0.6 * error_px[0]


@pytest.mark.parametrize(
    "make",
    [lambda: WlsSettings(strength=0.0), lambda: WeightedMedianSettings(radius_px=0), lambda: WlsSettings(1.0, 0)],
)
def test_an_impossible_setting_is_refused(make: object) -> None:
    with pytest.raises(ConfigError, match="must be between"):
        make()  # type: ignore[operator]
