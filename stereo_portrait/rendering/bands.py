"""Compiled loops on all cores: each thread takes bands of rows, and every row is written by one band alone.

Plain threads around kernels that release the GIL: no thread pool of numba's, so that calls from several threads are
safe, compilation is quick, and a busy machine costs no barriers.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

BANDS_A_THREAD = 4
SMALLEST_WORK = 60_000  # values; below this one thread is faster


def threads() -> int:
    """$NUMBA_NUM_THREADS, else the cores this process may use; at most 16."""
    named = os.environ.get("NUMBA_NUM_THREADS", "")
    if named.isdigit() and int(named) > 0:
        return min(int(named), 16)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, 16))


def in_bands(kernel: Callable[..., None], rows: int, work: int, *arguments: Any) -> None:
    """Call kernel(first, last, *arguments) for bands that cover range(rows); `work` is the number of values in all."""
    count = threads()
    if count == 1 or work < SMALLEST_WORK or rows < 2:
        kernel(0, rows, *arguments)
        return
    bands = min(rows, count * BANDS_A_THREAD)
    limits = [rows * i // bands for i in range(bands + 1)]
    futures = [_pool(count).submit(kernel, first, last, *arguments) for first, last in pairwise(limits)]
    for future in futures:
        future.result()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return; they run beside each other where there are threads, and must release the GIL to gain."""
    count = threads()
    if count == 1:
        return [call() for call in calls]
    futures = [_pool(count).submit(call) for call in calls]
    return [future.result() for future in futures]


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="lens-blur")
