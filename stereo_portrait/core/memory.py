"""What the C library does with memory that arrays give back."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_memory() -> None:
    """Tell glibc, where it is there, to keep what arrays of up to 32 MB gave back; for the whole process.

    Otherwise every picture-sized array is fetched page by page from the system and returned: up to a third of the
    refinement's time where that is slow, as on a virtual machine.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if adjust is not None:
        adjust(M_MMAP_THRESHOLD, 32 << 20)
        adjust(M_TRIM_THRESHOLD, 256 << 20)
