"""A training run on disk: kept whole or not at all, taken up again where it was, stopped when asked."""

import signal
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class Checkpoint:
    """The networks and the optimiser of a run under their names, with its step and the seconds spent."""

    def __init__(self, path: Path, **parts: Any) -> None:
        self.path, self.parts = path, parts

    def restored(self) -> tuple[int, float]:
        """(step, seconds spent) of the file, its state loaded into the parts; (0, 0) where there is none."""
        if not self.path.exists():
            return 0, 0.0
        saved = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        return saved["step"], saved["spent_s"]

    def keep(self, step: int, spent_s: float) -> None:
        """Write the parts' state; a reader never sees half of it."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        making = self.path.with_suffix(".part")
        torch.save(state | {"step": step, "spent_s": spent_s}, making)
        making.replace(self.path)


def averaged_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The running average of the weights that a run kept as `average`."""
    found: dict[str, Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    return found


def stop_requests() -> list[int]:
    """A list that grows when SIGTERM or SIGINT (Ctrl-C) arrives: the run ends after its step, checkpoint kept."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: asked.append(got))
    return asked
