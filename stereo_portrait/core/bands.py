"""Compiled loops on all cores: each thread takes bands of rows, and every row is written by one band alone.

Plain threads around kernels that release the GIL: no thread pool of numba's, so that calls from several threads are
safe, compilation is quick, and a busy machine costs no barriers.
"""

import os
from collections import deque
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
    return max(1, min(_usable_cores(), 16))


@cache
def _usable_cores() -> int:
    """Asked once: the system's answer takes longer than many a small step."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_bands(kernel: Callable[..., None], rows: int, work: int, *arguments: Any) -> None:
    """Call kernel(first, last, *arguments) for bands that cover range(rows); `work` is the number of values in all."""
    count = threads()
    if count == 1 or work < SMALLEST_WORK or rows < 2:
        kernel(0, rows, *arguments)
        return
    bands = min(rows, count * BANDS_A_THREAD)
    limits = [rows * i // bands for i in range(bands + 1)]
    waiting = deque(pairwise(limits))

    def take_bands() -> None:
        while True:
            try:
                first, last = waiting.popleft()
            except IndexError:
                return
            kernel(first, last, *arguments)

    at_once(*[take_bands] * count)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return; they run beside each other where there are threads, and must release the GIL to gain.

    The caller's own thread takes its share, so a call costs one hand-over for each further core, and never waits for a
    pool that others keep busy.
    """
    count = threads()
    if count == 1:
        return [call() for call in calls]
    futures = [_pool(count).submit(call) for call in calls[1:]]
    results = [calls[0]()]
    for call, future in zip(calls[1:], futures, strict=True):
        results.append(call() if future.cancel() else future.result())
    return results


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="bands")
