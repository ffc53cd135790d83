"""Find a network by name or file, fetch it when asked to, and check its hash before anyone opens it.

Nothing is downloaded unless `pull` is called. Files live in $STEREO_PORTRAIT_MODELS, else in the user's cache folder; a
file put there by hand counts when its hash is right, whatever it is called.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from stereo_portrait.core.errors import WeightsError
from stereo_portrait.networks.contract import Contract, contract_from, read_contract
from stereo_portrait.networks.session import Session, open_session

HERE = Path(__file__).parent
BUILT_IN_FOR = {
    "monocular": "monocular-small",
    "subject": "subject-small",
    "refiner": "guided-stereo",
}


@dataclass(frozen=True)
class Weights:
    """One entry of weights.yaml."""

    name: str
    purpose: str
    file: str
    sha256: str
    size_bytes: int | None  # None where the publisher's size is not known to us
    licence: str
    address: str | None  # None for networks that come with the package
    contract: Contract | None  # None for networks that a stage of its own feeds
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def built_in(self) -> bool:
        """True where the file is part of the package."""
        return self.address is None


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Weights]:
    """Every network in weights.yaml by name."""
    found: dict[str, Weights] = {}
    for name, entry in yaml.safe_load((HERE / "weights.yaml").read_text(encoding="utf-8")).items():
        contract = entry.get("contract")
        found[name] = Weights(
            name=name,
            purpose=entry["purpose"],
            file=entry["file"],
            sha256=entry["sha256"],
            size_bytes=entry.get("bytes"),
            licence=entry["licence"],
            address=entry.get("address"),
            contract=contract_from(contract, f"weights.yaml, {name}") if contract else None,
            recipe=entry.get("recipe", {}),
        )
    return found


def named(name: str) -> Weights:
    """The entry called so.

    Raises:
        WeightsError: no such network; the known names are given.
    """
    if name not in catalogue():
        raise WeightsError(f"no network is called '{name}'; known: {', '.join(catalogue())}")
    return catalogue()[name]


def models_folder() -> Path:
    """Where fetched networks live on this machine; the folder need not exist yet."""
    chosen = os.environ.get("STEREO_PORTRAIT_MODELS")
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("stereo-portrait")) / "models"


def located(weights: Weights) -> Path | None:
    """The verified file on this machine, or None.

    Raises:
        WeightsError: a file of the package has another hash than it was shipped with.
    """
    if weights.built_in:
        path = HERE / weights.file
        if not path.exists():
            return None
        if not has_hash(path, weights.sha256):
            raise WeightsError(f"{path} is damaged: its sha256 is not {weights.sha256}; install the package again")
        return path
    folder = models_folder()
    if not folder.is_dir():
        return None
    usual = folder / weights.file
    others = sorted(p for p in folder.iterdir() if p.is_file() and p != usual and not p.name.endswith(".part"))
    for path in (usual, *others):
        right_size = path.is_file() and weights.size_bytes in (None, path.stat().st_size)
        if right_size and has_hash(path, weights.sha256):
            return path
    return None


def find(name: str) -> Path:
    """The verified file of a network.

    Raises:
        WeightsError: unknown, damaged, or not on this machine: what to put where is said.
    """
    weights = named(name)
    path = located(weights)
    if path is None:
        raise WeightsError(
            f"network '{name}' is not on this machine: run `stereo-portrait models pull {name}`, or {by_hand(weights)}"
        )
    return path


def by_hand(weights: Weights) -> str:
    """What to put where, for a machine without a network."""
    size = f"{weights.size_bytes} bytes, " if weights.size_bytes else ""
    source = f"fetch {weights.address} elsewhere and put it" if weights.address else "put it"
    return f"{source} into {models_folder()} as {weights.file} ({size}sha256 {weights.sha256})"


def pull(name: str, offline: bool = False, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The verified file of a network, downloaded where it is not on this machine yet.

    `offline` never touches the network. `progress(bytes so far, bytes in all or None)` is called while fetching.

    Raises:
        WeightsError: unknown name, no connection, a wrong hash; what to put where by hand is said.
    """
    weights = named(name)
    path = located(weights)
    if path is not None:
        return path
    if weights.address is None:
        raise WeightsError(f"{HERE / weights.file} is missing from the package; install the package again")
    if offline or os.environ.get("STEREO_PORTRAIT_OFFLINE", "") not in ("", "0"):
        raise WeightsError(
            f"network '{name}' is not on this machine and --offline forbids fetching it: {by_hand(weights)}"
        )
    from stereo_portrait.networks.download import fetch

    return fetch(weights.address, weights.sha256, models_folder() / weights.file, by_hand(weights), progress)


def purpose_of(choice: str) -> str:
    """What a name of the catalogue or an .onnx file with its contract is for; "" for a name that nobody knows.

    Raises:
        WeightsError: a file whose contract is missing or no contract.
    """
    if choice.endswith(".onnx"):
        return "subject" if read_contract(Path(choice).with_suffix(".yaml")).is_mask else "monocular"
    return catalogue()[choice].purpose if choice in catalogue() else ""


def open_network(choice: str, purpose: str, threads: int = 0) -> tuple[Session, Contract]:
    """Session and contract for "built-in", a name of the catalogue, or an .onnx file with NAME.yaml beside it.

    Raises:
        WeightsError: not there, damaged, or made for another purpose.
    """
    if choice.endswith(".onnx"):
        path = Path(choice)
        contract = read_contract(path.with_suffix(".yaml"))
        fits = contract.is_mask == (purpose == "subject")
        if not fits:
            raise WeightsError(f"{path}: its contract answers '{contract.answer}', which is no use for {purpose}")
        return open_session(path, threads), contract
    name = BUILT_IN_FOR[purpose] if choice == "built-in" else choice
    weights = named(name)
    if weights.purpose != purpose or weights.contract is None:
        fitting = [w.name for w in catalogue().values() if w.purpose == purpose]
        raise WeightsError(f"network '{name}' is for {weights.purpose}, not {purpose}; try {', '.join(fitting)}")
    return open_session(find(name), threads), weights.contract


def open_weights(choice: str, purpose: str, threads: int = 0) -> Session:
    """Session for "built-in", a name of the catalogue, or an .onnx file, for a stage that feeds its network itself.

    Raises:
        WeightsError: not there, damaged, or made for another purpose.
    """
    if choice.endswith(".onnx"):
        return open_session(Path(choice), threads)
    name = BUILT_IN_FOR[purpose] if choice == "built-in" else choice
    weights = named(name)
    if weights.purpose != purpose:
        fitting = [w.name for w in catalogue().values() if w.purpose == purpose]
        raise WeightsError(f"network '{name}' is for {weights.purpose}, not {purpose}; try {', '.join(fitting)}")
    return open_session(find(name), threads)


def has_hash(path: Path, sha256: str) -> bool:
    """True where the file's SHA-256 is the expected one; remembered until the file changes."""
    try:
        stat = path.stat()
        return _digest(path, stat.st_mtime_ns, stat.st_size) == sha256
    except OSError:
        return False


@lru_cache(maxsize=64)
def _digest(path: Path, modified_ns: int, size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
