"""Relative depth on its nominal scale."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stereo_portrait.core.depth import on_nominal_scale


def test_the_percentiles_land_on_the_two_distances_and_all_between_is_linear() -> None:
    inverse = np.linspace(3, 11, 1001, dtype=np.float32).reshape(7, 143)
    found = on_nominal_scale(inverse, 1.0, 20.0)
    assert np.allclose(np.percentile(found, (2, 98)), (1 / 20, 1), atol=1e-3)
    between = (found > 1 / 20) & (found < 1)
    slope = np.diff(found[between]) / np.diff(inverse[between])
    assert np.allclose(slope, slope[0], rtol=1e-2)


@given(arrays.arrays(np.float32, (6, 9), elements=st.floats(-1000, 1000, width=32)))
def test_no_pixel_becomes_infinite_and_the_order_stays(inverse: np.ndarray) -> None:
    found = on_nominal_scale(inverse, 1.0, 20.0)
    assert (found > 1 / 201).all()
    order = np.argsort(inverse.ravel(), kind="stable")
    assert (np.diff(found.ravel()[order]) >= -1e-6).all()


def test_unknown_stays_unknown() -> None:
    inverse = np.float32([[np.nan, 1.0], [2.0, 3.0]])
    assert np.isnan(on_nominal_scale(inverse, 1.0, 20.0)).tolist() == [[True, False], [False, False]]
