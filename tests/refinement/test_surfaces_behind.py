"""What lies behind: found in four directions, strays left out."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stereo_portrait.refinement.surfaces_behind import BEYOND, FARTHER_PX, surfaces_behind


def test_inside_a_rim_the_background_beyond_it_is_offered() -> None:
    disparity = np.full((60, 60), 10, np.float32)
    y, x = np.mgrid[:60, :60]
    disparity[(y - 30) ** 2 + (x - 30) ** 2 < 20**2] = 40  # a wheel whose gaps the matcher closed
    assert (surfaces_behind(disparity).px == 10).all()


def test_a_stray_in_one_direction_is_not_offered() -> None:
    disparity = np.full((40, 40), 30, np.float32)
    disparity[:, :5] = disparity[:5] = disparity[-5:] = 12
    disparity[20, 34:39] = 1
    assert surfaces_behind(disparity).px[20, 20] == 12


def test_where_nothing_lies_behind_the_pixel_is_its_own_source() -> None:
    disparity = np.full((8, 12), 7, np.float32)
    own = np.arange(96).reshape(8, 12)
    found = surfaces_behind(disparity)
    assert (found.source == own).all()
    assert (found.away_px == 0).all()
    assert (found.px == 7).all()


@settings(max_examples=40)
@given(
    values=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.integers(0, 9))
)
def test_a_plain_search_finds_the_same(values: np.ndarray) -> None:
    height, width = values.shape
    found = surfaces_behind(values)
    assert np.array_equal(found.px, values.ravel()[found.source])
    for y in range(height):
        for x in range(width):
            offered = []
            for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
                v, u = y + dy, x + dx
                while 0 <= v < height and 0 <= u < width and values[v, u] >= values[y, x] - FARTHER_PX:
                    v, u = v + dy, u + dx
                if 0 <= v < height and 0 <= u < width:
                    v, u = np.clip(v + BEYOND * dy, 0, height - 1), np.clip(u + BEYOND * dx, 0, width - 1)
                    offered.append(values[v, u])
                else:
                    offered.append(values[y, x])
            assert found.px[y, x] == sorted(offered)[1]
            at = found.source[y, x]
            assert found.away_px[y, x] == abs(at // width - y) + abs(at % width - x)
