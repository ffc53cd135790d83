"""Rig files as text: read with limits, parsed without executing anything, numbers taken out one by one."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from stereo_portrait.core.errors import RigError

MAX_BYTES = 2_000_000
MAX_ABS = 1e9


def text_of(path: Path) -> str:
    """The file's text.

    Raises:
        RigError: missing, a folder, too large, or binary.
    """
    try:
        if path.is_dir():
            raise RigError(f"{path} is a folder; name a rig file")
        if path.stat().st_size > MAX_BYTES:
            raise RigError(f"{path}: over {MAX_BYTES} bytes is no rig description")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RigError(f"cannot read the rig file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RigError(f"{path}: binary content, expected a rig description in text") from error
    if not text.strip():
        raise RigError(f"{path} is empty; calibrate again or copy it again")
    return text


def document_of(text: str) -> Any:
    """YAML, OpenCV's dialect included: its %YAML:1.0 line and its matrix tag are translated, other tags are refused.

    Raises:
        RigError: not YAML, or a tag that would make an object.
    """
    text = re.sub(r"\A%YAML[^\n]*\n", "", text)
    text = re.sub(r"\A\s*---[ \t]*\n", "", text)
    text = re.sub(r"!!opencv-(matrix|nd-matrix)\b", "", text)
    try:
        return yaml.safe_load(text)
    except yaml.constructor.ConstructorError as error:
        raise RigError(f"holds a YAML tag that is not plain data ({error.problem}); refused") from error
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise RigError(f"cannot be read as YAML{where}; expected a rig description") from error


def fields_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A sub-section.

    Raises:
        RigError: absent or not a section.
    """
    body = document.get(name)
    if not isinstance(body, dict):
        raise RigError(f"section '{name}' is missing")
    return body


def numbers(document: dict[str, Any], name: str, count: int | None) -> NDArray[np.float64]:
    """The finite numbers under `name`, flattened: a scalar, nested lists, or OpenCV's {rows, cols, data}.

    Raises:
        RigError: absent, not numbers, not finite, or not `count` of them.
    """
    if name not in document:
        raise RigError(f"'{name}' is missing")
    value = document[name]
    if isinstance(value, dict):
        value = value.get("data")
    found: list[float] = []
    _flatten(value, name, found, 0)
    if count is not None and len(found) != count:
        raise RigError(f"'{name}' must hold {count} numbers, found {len(found)}")
    array = np.array(found, np.float64)
    if not np.isfinite(array).all():
        raise RigError(f"'{name}' holds NaN or infinity; calibrate again or mend the file")
    if array.size and np.abs(array).max() > MAX_ABS:
        raise RigError(f"'{name}' holds {np.abs(array).max():g}: not a number that a camera can have")
    return array


def _flatten(value: Any, name: str, found: list[float], depth: int) -> None:
    if isinstance(value, bool) or depth > 4 or len(found) > 64:
        raise RigError(f"'{name}' is not a small list of numbers")
    if isinstance(value, (int, float)):
        try:
            found.append(float(value))
        except OverflowError as error:
            raise RigError(f"'{name}' holds a number out of range") from error
    elif isinstance(value, list):
        for item in value:
            _flatten(item, name, found, depth + 1)
    elif isinstance(value, str):
        try:
            found.append(float(value))
        except ValueError as error:
            raise RigError(f"'{name}' holds '{value[:40]}' where a number is due") from error
    else:
        raise RigError(f"'{name}' is not a list of numbers")
