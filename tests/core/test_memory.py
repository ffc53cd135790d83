"""Memory that arrays give back is kept."""

import ctypes
import sys

import pytest

from stereo_portrait.core.memory import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_memory

GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(not GLIBC, reason="the C library has no settings of glibc's")
def test_the_c_library_takes_what_it_is_asked_to_keep() -> None:
    adjust = ctypes.CDLL(None).mallopt
    assert adjust(M_MMAP_THRESHOLD, 32 << 20) == 1
    assert adjust(M_TRIM_THRESHOLD, 256 << 20) == 1


def test_a_c_library_without_such_settings_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_memory()
