"""What a picture network wants and gives, in fixed numbers, and how to ask it."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image
from stereo_portrait.core.errors import WeightsError
from stereo_portrait.networks.session import Session

Answer = Literal["inverse_depth", "depth", "mask", "mask_logit"]
MAX_CONTRACT_BYTES = 100_000


@dataclass(frozen=True)
class Contract:
    """Input: (pixel * scale - mean) / deviation, RGB. Normalisation never looks at the picture's own range.

    The picture is resized to `short_side_px` with sides rounded to `multiple_px`, or to a fixed `width_px` x
    `height_px`. The answer has one value a pixel at any resolution; `output` is its place among the outputs.
    """

    answer: Answer
    layout: Literal["nchw", "nhwc"] = "nchw"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    short_side_px: int = 0
    multiple_px: int = 32
    width_px: int = 0
    height_px: int = 0
    output: int = 0

    def __post_init__(self) -> None:
        if self.answer not in ("inverse_depth", "depth", "mask", "mask_logit"):
            raise WeightsError(
                f"a contract's answer must be inverse_depth, depth, mask or mask_logit, found '{self.answer}'"
            )
        if self.layout not in ("nchw", "nhwc"):
            raise WeightsError(f"a contract's layout must be nchw or nhwc, found '{self.layout}'")
        fixed = self.width_px > 0 and self.height_px > 0
        if fixed == (self.short_side_px > 0):
            raise WeightsError("a contract names either short_side_px, or width_px and height_px")
        if not 1 <= self.multiple_px <= 256 or max(self.short_side_px, self.width_px, self.height_px) > 4096:
            raise WeightsError("a contract's multiple_px must be 1 to 256 and its sides at most 4096 px")
        if min(self.deviation) <= 0 or self.scale <= 0:
            raise WeightsError("a contract's scale and deviation must be positive")

    @property
    def is_mask(self) -> bool:
        """True for subject networks, False for depth."""
        return self.answer in ("mask", "mask_logit")

    def input_size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """(width, height) at which a picture of this size is shown to the network."""
        if self.width_px:
            return self.width_px, self.height_px
        grow = self.short_side_px / min(width_px, height_px)
        longest = 4 * self.short_side_px  # a panorama is squeezed rather than refused
        sides = (min(longest, width_px * grow), min(longest, height_px * grow))
        width, height = (max(self.multiple_px, round(s / self.multiple_px) * self.multiple_px) for s in sides)
        return width, height


def ask(session: Session, contract: Contract, photo: Image) -> NDArray[np.float32]:
    """The network's answer on its own grid, (h, w): near is large for depth, 0..1 for masks.

    Raises:
        WeightsError: the file does not answer as the contract says.
    """
    height, width = photo.shape[:2]
    size = contract.input_size(width, height)
    shrinks = size[0] * size[1] < width * height
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    mean, deviation = np.array(contract.mean, np.float32), np.array(contract.deviation, np.float32)
    value = (small.astype(np.float32) * np.float32(contract.scale) - mean) / deviation
    value = value[None] if contract.layout == "nhwc" else value.transpose(2, 0, 1)[None]
    if len(session.inputs) != 1:
        raise WeightsError(
            f"{session.path.name} wants {len(session.inputs)} inputs; one picture is all it can be given"
        )
    outputs = session.run({session.inputs[0]: value})
    if contract.output >= len(outputs):
        raise WeightsError(f"{session.path.name} has {len(outputs)} outputs, its contract asks for {contract.output}")
    found: NDArray[np.floating] = np.squeeze(outputs[contract.output])
    if found.ndim != 2 or min(found.shape) < 2:
        shape = outputs[contract.output].shape
        raise WeightsError(f"{session.path.name} answered with shape {shape}; expected one value a pixel")
    if not np.isfinite(found).all():
        raise WeightsError(f"{session.path.name} answered with NaN or infinity; its contract does not fit the file")
    if contract.answer == "mask_logit":
        found = 1.0 / (1.0 + np.exp(-np.clip(found, -30, 30)))
    elif contract.answer == "mask":
        found = np.clip(found, 0.0, 1.0)
    elif contract.answer == "depth":
        found = 1.0 / np.maximum(found, np.float32(1e-3) * max(float(np.abs(found).max()), 1e-6))
    return np.ascontiguousarray(found, dtype=np.float32)


def contract_from(document: Any, where: str) -> Contract:
    """A contract out of YAML's plain dictionaries.

    Raises:
        WeightsError: an unknown key or a value of the wrong type.
    """
    if not isinstance(document, dict):
        raise WeightsError(f"{where}: a contract is a list of keys and values, found {type(document).__name__}")
    known = {f.name: f.type for f in fields(Contract)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in known:
            raise WeightsError(f"{where}: no contract key '{key}'; known: {', '.join(known)}")
        triple = key in ("mean", "deviation")
        if triple and (not isinstance(value, list) or len(value) != 3 or not all(map(_is_number, value))):
            raise WeightsError(f"{where}: {key} must be three numbers, found {value!r}")
        if key in ("short_side_px", "multiple_px", "width_px", "height_px", "output") and not _is_whole(value):
            raise WeightsError(f"{where}: {key} must be a whole number from 0 up, found {value!r}")
        if key == "scale" and not _is_number(value):
            raise WeightsError(f"{where}: scale must be a number, found {value!r}")
        values[str(key)] = tuple(float(v) for v in value) if triple else value
    if "answer" not in values:
        raise WeightsError(f"{where}: a contract must name its answer (inverse_depth, depth, mask or mask_logit)")
    return Contract(**values)


def read_contract(path: Path) -> Contract:
    """The contract file of a network from elsewhere.

    Raises:
        WeightsError: unreadable, or not a contract.
    """
    try:
        if path.stat().st_size > MAX_CONTRACT_BYTES:
            raise WeightsError(f"{path}: a contract file of over {MAX_CONTRACT_BYTES} bytes is not one of ours")
        return contract_from(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise WeightsError(
            f"{path} is missing: a network file needs its contract beside it, for example "
            "{answer: inverse_depth, short_side_px: 288, scale: 0.00392157} (docs/networks.md lists every key)"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError(f"{path}: not readable as YAML; docs/networks.md shows a contract") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
