"""Text of an untrusted rig file -> plain numbers: never executes a tag, never follows an alias, bounded in size."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from stereo_portrait.core.errors import RigError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NUMBERS = 4096
_HEADER = re.compile(r"\A\ufeff?\s*%YAML[: ]\d+\.\d+[^\n]*\n")
_MATRIX_TAGS = ("tag:yaml.org,2002:opencv-matrix", "tag:yaml.org,2002:opencv-nd-matrix")

Document = dict[str, Any]


def read_text(path: Path) -> str:
    """The file's text, at most 1 MB of UTF-8.

    Raises:
        RigError: missing, a folder, empty, too large, or not text.
    """
    try:
        if path.is_dir():
            raise RigError(f"{path} is a folder; name the rig file in it")
        if path.stat().st_size > MAX_BYTES:
            raise RigError(f"{path}: {path.stat().st_size} bytes is too large for a rig file (limit {MAX_BYTES})")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise RigError(f"{path}: not a text file; a rig is YAML, XML or a calib.txt") from error
        raise RigError(f"cannot read the rig file {path}: {getattr(error, 'strerror', None) or error}") from error
    if not text.strip():
        raise RigError(f"{path}: the rig file is empty; recalibrate or fetch it again")
    return text


class _Loader(yaml.SafeLoader):
    """SafeLoader that knows OpenCV's matrices and refuses aliases, repeated keys and deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed in a rig file")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value.__hash__ is None or not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key that is not a word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"'{key.value}' appears twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _matrix_node(loader: _Loader, node: yaml.Node) -> Any:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.MarkedYAMLError(problem="an opencv-matrix without rows, cols, data", problem_mark=node.start_mark)
    return loader.construct_mapping(node, deep=True)


for _tag in _MATRIX_TAGS:
    _Loader.add_constructor(_tag, _matrix_node)


def parse_yaml(text: str, path: Path) -> Document:
    """A mapping from YAML, OpenCV's headers and matrix tag included.

    Raises:
        RigError: not YAML, a tag that would build an object, aliases, repeated keys, or no mapping at the top.
    """
    try:
        document = yaml.load(_HEADER.sub("", text, count=1), Loader=_Loader)
    except yaml.constructor.ConstructorError as error:
        found = (error.problem or "").splitlines()[0] if error.problem else "an unknown tag"
        raise RigError(f"{path}: refused, {found}{_line(error)}; a rig file holds plain numbers only") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError, AttributeError, KeyError, IndexError) as error:
        problem = getattr(error, "problem", None) or "not readable as YAML"
        raise RigError(f"{path}: {problem}{_line(error)}; the rig file is damaged, fetch or write it again") from error
    if not isinstance(document, dict):
        raise RigError(f"{path}: expected named values (YAML), found {type(document).__name__}")
    return {str(key): value for key, value in document.items()}


def _line(error: BaseException) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" at line {mark.line + 1}" if mark else ""


def parse_xml(text: str, path: Path) -> Document:
    """A mapping from OpenCV's XML storage; matrices become {rows, cols, data}.

    Raises:
        RigError: not XML, entities or external references, or another root.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(text.encode(), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        raise RigError(f"{path}: not readable as XML ({error}); write the rig again") from error
    if root.tag != "opencv_storage":
        raise RigError(f"{path}: expected <opencv_storage>, found <{root.tag}>")
    document: Document = {}
    for child in root:
        if child.tag in document:
            raise RigError(f"{path}: <{child.tag}> appears twice; keep one")
        parts = {part.tag: (part.text or "").strip() for part in child}
        document[child.tag] = (
            {**parts, "data": parts["data"].split()} if "data" in parts else (child.text or "").strip()
        )
    return document


def numbers(value: Any, what: str, path: Path) -> NDArray[np.float64]:
    """(n,) finite numbers from a list, nested lists, or {rows, cols, data}.

    Raises:
        RigError: something that is not a number, NaN or infinity, or a count that contradicts rows x cols.
    """
    wanted: int | None = None
    if isinstance(value, Mapping):
        if "data" not in value:
            raise RigError(f"{path}: {what} has no data; the file is truncated or of another kind")
        if "rows" in value and "cols" in value:
            wanted = int(_number(value["rows"], what, path) * _number(value["cols"], what, path))
        value = value["data"]
    flat: list[float] = []
    _flatten(value, flat, what, path)
    if wanted is not None and wanted != len(flat):
        raise RigError(f"{path}: {what} promises {wanted} numbers and holds {len(flat)}; the file is damaged")
    return np.array(flat, np.float64)


def _flatten(value: Any, into: list[float], what: str, path: Path) -> None:
    if isinstance(value, list):
        for item in value:
            _flatten(item, into, what, path)
    else:
        into.append(_number(value, what, path))
    if len(into) > MAX_NUMBERS:
        raise RigError(f"{path}: {what} holds over {MAX_NUMBERS} numbers; that is no rig")


def _number(value: Any, what: str, path: Path) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError) as error:
        shown = repr(value)
        shown = shown if len(shown) < 40 else shown[:37] + "..."
        raise RigError(f"{path}: {what} must be a number, found {shown}") from error
    if not math.isfinite(found):
        raise RigError(f"{path}: {what} holds {found}; recalibrate or mend the rig file")
    return found


def matrix(value: Any, shape: tuple[int, ...], what: str, path: Path) -> NDArray[np.float64]:
    """`numbers` in a fixed shape.

    Raises:
        RigError: another count.
    """
    flat = numbers(value, what, path)
    if flat.size != math.prod(shape):
        wanted = "x".join(map(str, shape))
        raise RigError(f"{path}: {what} must be {wanted} numbers, found {flat.size}")
    return flat.reshape(shape)


def number(value: Any, what: str, path: Path) -> float:
    """One finite number.

    Raises:
        RigError: not a number.
    """
    return _number(value, what, path)


def size(value: Any, what: str, path: Path) -> tuple[int, int]:
    """(width, height) in pixels, between 1 and 100000, whole.

    Raises:
        RigError: anything else.
    """
    width, height = matrix(value, (2,), what, path)
    if width != round(width) or height != round(height) or not (1 <= width <= 1e5 and 1 <= height <= 1e5):
        raise RigError(f"{path}: {what} {width:g}x{height:g} is no image size")
    return int(width), int(height)


def first(document: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value under the first of several usual names, else None."""
    lowered = {str(key).lower(): value for key, value in document.items()}
    return next((lowered[name.lower()] for name in names if name.lower() in lowered), None)


def pose(rotation: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """The rotation as it is if it rotates to 1e-3, which rounding in a text file may have cost.

    Raises:
        RigError: not a rotation.
    """
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise RigError(
            f"{path}: the rotation between the cameras is not a rotation matrix; recalibrate or mend the file"
        )
    return np.ascontiguousarray(rotation, dtype=np.float64)
