"""The lessons of the subject network as tensors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stereo_portrait.training.subject_lessons import STAGES
from stereo_portrait.training.subject_student import Stages


class Lessons:
    """The whole shards of a folder whose names begin with `part`, mapped into memory; stages in units of `spread`."""

    def __init__(self, folder: Path, part: str, spread: Stages | None = None) -> None:
        names = ("image", "mask", *STAGES, *(f"{name}_range" for name in STAGES))
        shards = sorted(p for p in folder.glob(f"{part}_*") if not p.suffix)
        if not shards:
            raise FileNotFoundError(f"no {part}_* in {folder}: run subject_lessons first")
        self.spread = spread or {name: torch.ones(()) for name in STAGES}
        self.shards = [{name: np.load(s / f"{name}.npy", mmap_mode="r") for name in names} for s in shards]
        self.places = [(s, i) for s, shard in enumerate(self.shards) for i in range(len(shard["image"]))]
        self.kinds = [line.split("\t")[0] for s in shards for line in (s / "files.txt").read_text().splitlines()]

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, chosen: Sequence[int], names: Sequence[str]) -> Stages:
        """`image` 0..255 f32 (N, 3, 320, 320), `mask` f32 (N, 1, 160, 160), and the teacher's stages by name."""
        rows = [(self.shards[self.places[c][0]], self.places[c][1]) for c in chosen]

        def read(name: str) -> Tensor:
            return torch.from_numpy(np.stack([shard[name][i] for shard, i in rows]))

        found: Stages = {}
        for name in names:
            values = read(name).float()
            if name == "image":
                found[name] = values.permute(0, 3, 1, 2)
            elif name == "mask":
                found[name] = stretched(values[:, None])
            else:
                low, step = read(f"{name}_range").unbind(-1)
                values = values.mul_(step[..., None, None]).add_(low[..., None, None]).div_(self.spread[name])
                found[name] = values.contiguous(memory_format=torch.channels_last)
        return found


def stretched(mask: Tensor) -> Tensor:
    """The teacher's mask over its own maximum, as its users take it, unless it saw nothing at all."""
    peak = mask.amax((1, 2, 3), keepdim=True)
    return (mask / peak.clamp_min(0.3)).clamp(0, 1)


def spreads(folder: Path, count: int = 64) -> Stages:
    """(1, C, 1, 1) standard deviation of every channel of every stage; dead channels count little, not infinitely."""
    lessons = Lessons(folder, "train_0")
    found: Stages = {}
    for name, stage in lessons.batch(range(min(count, len(lessons))), STAGES).items():
        deviation = stage.std((0, 2, 3), keepdim=True)
        found[name] = deviation.clamp_min(0.2 * float(deviation.mean()))
    return found
