"""What a second look says, on rows worked by hand."""

import numpy as np

from stereo_portrait.matching.consistency import left_right_difference, outside_overlap, texture

NAN = np.float32(np.nan)


def test_the_difference_is_taken_where_the_match_lies() -> None:
    left = np.array([[1, 1, 2, NAN, 0]], np.float32)
    right = np.array([[1, 4, NAN, 0, 0.25]], np.float32)
    #                x=0 leaves the picture; x=1 meets right[0]=1; x=2 meets right[0]=1; unknown; x=4 meets 0.25
    assert left_right_difference(left, right).tolist() == [[np.inf, 0, 1, np.inf, 0.25]]


def test_a_match_on_an_unknown_pixel_is_inconsistent() -> None:
    assert np.isinf(left_right_difference(np.zeros((1, 2), np.float32), np.full((1, 2), NAN))).all()


def test_outside_the_overlap_is_left_of_the_right_picture() -> None:
    seen = np.ones((1, 5), np.bool_)
    assert outside_overlap(np.full((1, 5), 2, np.float32), seen).tolist() == [[True, True, False, False, False]]
    seen[0, 1] = False  # x = 3 lands where rectification found no pixel
    assert outside_overlap(np.full((1, 5), 2, np.float32), seen).tolist() == [[True, True, False, True, False]]


def test_texture_is_the_slope_in_grey_levels_a_pixel() -> None:
    ramp = np.tile(np.arange(0, 120, 3, dtype=np.uint8), (20, 1))[..., None].repeat(3, axis=2)
    assert np.allclose(texture(ramp)[5:-5, 5:-5], 3, atol=0.05)
    assert not texture(np.full((20, 20, 3), 80, np.uint8)).any()
