"""ONNX Runtime behind one small door: which provider really runs, how many threads, padding, cached sessions.

ONNX Runtime only warns when a provider is absent and runs on the CPU instead; here a provider is asked for only where
it is there, and `Session.provider` says which one the session got.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import WeightsError

PREFERRED = ("CUDAExecutionProvider", "CoreMLExecutionProvider", "DmlExecutionProvider")
DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """An opened network; safe to call from several threads."""

    path: Path
    provider: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, tuple[int | None, ...]]  # of the inputs; None where any size fits
    _dtypes: Mapping[str, type]
    _runtime: Any

    def run(self, values: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """All outputs as float32, in the file's order.

        Raises:
            WeightsError: the network refuses the input (its contract does not fit the file).
        """
        try:
            return [np.asarray(value, dtype=np.float32) for value in self.said(values)]
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{self.path.name} answers with lists or words; expected arrays of numbers") from error

    def said(self, values: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The same as the network gives them, bytes as bytes."""
        cast: dict[str, NDArray[Any]] = {
            name: np.ascontiguousarray(value, dtype=self._dtypes[name]) for name, value in values.items()
        }
        try:
            found: list[NDArray[Any]] = self._runtime.run(None, cast)
        except Exception as error:  # the runtime raises its own C++ types, all of them derived from Exception only
            raise WeightsError(f"{self.path.name} refuses its input: {_first_line(error)}") from error
        return found


def open_session(path: Path, threads: int = 0, cpu_only: bool = False) -> Session:
    """The session for a file, opened once per file version and thread count.

    `threads`: 0 lets the runtime take every core.

    Raises:
        WeightsError: the file is missing or is no network that the runtime can read.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise WeightsError(f"cannot read the network {path}: {error.strerror}") from error
    with _LOCK:
        return _opened(path.resolve(), stat.st_mtime_ns, stat.st_size, threads, cpu_only)


_LOCK = threading.Lock()


@lru_cache(maxsize=8)
def _opened(path: Path, modified_ns: int, size: int, threads: int, cpu_only: bool) -> Session:
    import onnxruntime

    there = onnxruntime.get_available_providers()
    wanted = [p for p in PREFERRED if p in there and not cpu_only]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads must not eat a core
    try:
        runtime = onnxruntime.InferenceSession(str(path), options, providers=[*wanted, "CPUExecutionProvider"])
    except Exception as error:  # as above: C++ types derived from Exception only
        raise WeightsError(f"{path} is not a network that ONNX Runtime can open: {_first_line(error)}") from error
    entries = runtime.get_inputs()
    return Session(
        path=path,
        provider=runtime.get_providers()[0],
        inputs=tuple(entry.name for entry in entries),
        outputs=tuple(entry.name for entry in runtime.get_outputs()),
        shapes={e.name: tuple(n if isinstance(n, int) else None for n in e.shape) for e in entries},
        _dtypes={e.name: DTYPES.get(e.type, np.float32) for e in entries},
        _runtime=runtime,
    )


def padded(array: NDArray[Any], multiple: int) -> NDArray[Any]:
    """(H, W[, C]) grown at the right and at the bottom by repeating the last pixels, to multiples of `multiple`.

    The answer's first H rows and W columns are those of `array`.
    """
    down, across = -array.shape[0] % multiple, -array.shape[1] % multiple
    if not down and not across:
        return array
    return np.pad(array, [(0, down), (0, across), *[(0, 0)] * (array.ndim - 2)], mode="edge")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
