"""Matching at a bounded size brings sharp edges back."""

from dataclasses import replace

import numpy as np

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.matching.working_size import at_working_size, chosen_neighbour, enlarged
from stereo_portrait.sources import synthetic


def test_a_pair_below_the_bound_is_matched_as_it_is() -> None:
    scene = synthetic.plane(5, 100, 50)

    def match(pair: RectifiedPair, scale: float) -> DisparityMap:
        assert pair is scene.pair
        assert scale == 1.0
        blank = np.zeros((50, 100), np.float32)
        return DisparityMap(blank, blank, blank.astype(np.uint8), pair.rig)

    at_working_size(scene.pair, 1.0, match)


def test_no_value_between_two_surfaces_is_invented() -> None:
    near = np.zeros((40, 60), np.bool_)
    near[10:30, 20:41] = True
    disparity_px = np.where(near, np.float32(30), np.float32(5))
    small = np.where(near[..., None], np.uint8(200), np.uint8(40)).repeat(3, axis=2)
    large = small.repeat(3, axis=0).repeat(3, axis=1)
    grown = enlarged(disparity_px, chosen_neighbour(small, large))
    assert set(np.unique(grown)) == {5, 30}
    assert np.array_equal(grown == 30, near.repeat(3, axis=0).repeat(3, axis=1))  # the photo says where the edge is


def test_a_slant_grows_without_steps() -> None:
    slant = np.tile(np.linspace(10, 14, 60, dtype=np.float32), (20, 1))
    grey = np.full((20, 60, 3), 90, np.uint8)
    grown = enlarged(slant, chosen_neighbour(grey, grey.repeat(3, axis=0).repeat(3, axis=1)))
    assert np.abs(np.diff(grown[:, 6:-6], axis=1)).max() < 0.03


def test_unknown_stays_unknown_when_it_grows() -> None:
    hole = np.full((20, 20), 7, np.float32)
    hole[5:10, 5:10] = np.nan
    grey = np.full((20, 20, 3), 90, np.uint8)
    grown = enlarged(hole, chosen_neighbour(grey, grey.repeat(2, axis=0).repeat(2, axis=1)))
    assert np.isnan(grown[12:18, 12:18]).all()
    assert np.isnan(grown).sum() <= 12 * 12


def test_disparity_is_given_in_pixels_of_the_full_picture() -> None:
    scene = synthetic.plane(24, 640, 160, seed=2)
    found = SgbmMatcher(replace(SgbmSettings(), working_megapixels=0.03)).match(scene.pair)
    assert found.disparity_px.shape == (160, 640)
    assert abs(np.median(found.disparity_px[found.measured]) - 24) < 0.2
