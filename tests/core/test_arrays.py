"""The gate."""

import numpy as np
import pytest

from stereo_portrait.core.arrays import checked


def test_a_checked_array_is_read_only_and_shares_memory() -> None:
    array = np.zeros((3, 4), np.float32)
    view = checked(array, "map", ("H", "W"), np.float32)
    assert np.shares_memory(array, view)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1


@pytest.mark.parametrize(
    ("array", "kind", "complaint"),
    [
        ([1.0], TypeError, "must be a numpy array, found list"),
        (np.zeros((3, 4)), TypeError, "must have dtype float32, found float64"),
        (np.zeros((3, 4, 3), np.float32), ValueError, r"must have shape"),
    ],
)
def test_a_wrong_array_is_named_with_what_was_found(array: object, kind: type[Exception], complaint: str) -> None:
    with pytest.raises(kind, match=complaint):
        checked(array, "map", ("H", "W"), np.float32)


def test_letters_agree_across_arrays() -> None:
    sizes: dict[str, int] = {}
    checked(np.zeros((3, 4), np.uint8), "a", ("H", "W"), np.uint8, sizes)
    with pytest.raises(ValueError, match=r"b must have shape \(3, 4\), found \(4, 3\)"):
        checked(np.zeros((4, 3), np.uint8), "b", ("H", "W"), np.uint8, sizes)
