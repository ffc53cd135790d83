"""PFM in every dialect."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereo_portrait.core.errors import InputError
from stereo_portrait.core.pfm import pfm_bytes, read_pfm

MAP = np.array([[1.5, np.inf, -3.0], [0.0, 2.25, 7.0]], np.float32)


@pytest.mark.parametrize("scale", ["-1", "1", "-0.003922", "1e0"])
@pytest.mark.parametrize("separator", [b"\n", b" "])
def test_both_byte_orders_and_headers_are_read(tmp_path: Path, scale: str, separator: bytes) -> None:
    order = "<f4" if scale.startswith("-") else ">f4"
    path = tmp_path / "map.pfm"
    header = b"Pf" + separator + b"3 2" + separator + scale.encode() + b"\n"
    path.write_bytes(header + MAP[::-1].astype(order).tobytes())
    np.testing.assert_array_equal(read_pfm(path), MAP)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "map.pfm"
    path.write_bytes(pfm_bytes(MAP))
    np.testing.assert_array_equal(read_pfm(path), MAP)


@pytest.mark.parametrize("keep", [0, 5, 20])
def test_a_truncated_map_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "map.pfm"
    path.write_bytes(pfm_bytes(MAP)[:keep])
    with pytest.raises(InputError, match=r"map\.pfm"):
        read_pfm(path)


@given(st.binary(max_size=80))
def test_random_bytes_never_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.pfm"
    path.write_bytes(b"Pf\n" + noise)
    try:
        read_pfm(path)
    except InputError as error:
        assert "noise.pfm" in str(error)
