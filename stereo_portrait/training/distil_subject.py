"""Teach the subject network its teacher's stages and its mask.

python -m stereo_portrait.training.distil_subject --lessons DIR --out DIR [--steps N] [--resume]

`--lessons` is the folder that `subject_lessons` wrote; it may still be growing. For the first TOLD of the steps every
stage starts from what the teacher's stage before it gave, from then on from what the student's gave, but each still
learns for itself alone: all get there at once and none is pulled about by the others. The student's stages are in units
of their channels' spread: asked for the teacher's own units it learns at a third of the pace. Every random choice
follows from the seed and the step.
"""

import argparse
import json
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stereo_portrait.training.checkpoint import Checkpoint, stop_requests
from stereo_portrait.training.curves import draw_curves
from stereo_portrait.training.muon import muon_and_adamw
from stereo_portrait.training.scores import intersection_over_union
from stereo_portrait.training.subject_lessons import STAGES
from stereo_portrait.training.subject_student import Stages, SubjectStudent

SEED = 7
BATCH = 4
RATE, SMALL_RATE = 0.3, 5e-3  # of convolutions (Muon) and of everything else (AdamW)
WARM_UP = 30
TOLD = 0.25  # of the steps
AVERAGE = 0.995
PANELS = {
    "intersection over union with the teacher": {"its sets were trained on": "aside_near", "other sets": "aside_far"},
    "share of each stage left unexplained": {name: name for name in STAGES},
}


class Lessons:
    """The whole shards of a folder whose names begin with `part`, mapped into memory; stages in units of `spread`."""

    def __init__(self, folder: Path, part: str, spread: dict[str, Tensor] | None = None) -> None:
        names = ("image", "mask", *STAGES, *(f"{name}_range" for name in STAGES))
        shards = sorted(p for p in folder.glob(f"{part}_*") if not p.suffix)
        if not shards:
            raise FileNotFoundError(f"no {part}_* in {folder}: run subject_lessons first")
        self.spread = spread or {name: torch.ones(()) for name in STAGES}
        self.shards = [{name: np.load(s / f"{name}.npy", mmap_mode="r") for name in names} for s in shards]
        self.places = [(s, i) for s, shard in enumerate(self.shards) for i in range(len(shard["image"]))]
        self.kinds = [line.split("\t")[0] for s in shards for line in (s / "files.txt").read_text().splitlines()]

    def batch(self, chosen: list[int]) -> tuple[Tensor, Tensor, Stages]:
        """Pictures 0..255 f32 (N, 3, 320, 320), masks f32 (N, 1, 160, 160), and the teacher's stages."""
        rows = [(self.shards[self.places[c][0]], self.places[c][1]) for c in chosen]
        images = np.stack([shard["image"][i] for shard, i in rows]).astype(np.float32).transpose(0, 3, 1, 2)
        masks = np.stack([shard["mask"][i] for shard, i in rows]).astype(np.float32)[:, None]
        stages = {}
        for name in STAGES:
            codes = torch.from_numpy(np.stack([shard[name][i] for shard, i in rows]))
            low, step = torch.from_numpy(np.stack([shard[f"{name}_range"][i] for shard, i in rows])).unbind(-1)
            stage = codes.float().mul_(step[..., None, None]).add_(low[..., None, None])
            stages[name] = stage.div_(self.spread[name]).contiguous(memory_format=torch.channels_last)
        pictures = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
        return pictures, stretched(torch.from_numpy(masks)), stages


def stretched(mask: Tensor) -> Tensor:
    """The teacher's mask over its own maximum, as its users take it, unless it saw nothing at all."""
    peak = mask.amax((1, 2, 3), keepdim=True)
    return (mask / peak.clamp_min(0.3)).clamp(0, 1)


def spreads(folder: Path, count: int = 64) -> dict[str, Tensor]:
    """(1, C, 1, 1) standard deviation of every channel of every stage; dead channels count little, not infinitely."""
    found = {}
    for name, stage in Lessons(folder, "train_0").batch(list(range(count)))[2].items():
        deviation = stage.std((0, 2, 3), keepdim=True)
        found[name] = deviation.clamp_min(0.2 * float(deviation.mean()))
    return found


def hint_loss(made: Stages, told: Stages) -> tuple[Tensor, dict[str, float]]:
    """Mean squared difference of the stages, and each stage's alone: the share left unexplained."""
    total = torch.zeros(())
    left = {}
    for name in STAGES:
        wrong = (made[name] - told[name]).square().mean()
        left[name] = float(wrong.detach())
        total = total + wrong
    return total, left


def mask_loss(said: Tensor, wanted: Tensor) -> Tensor:
    mask = torch.sigmoid(said)
    both = (mask * wanted).sum((1, 2, 3))
    either = (mask + wanted - mask * wanted).sum((1, 2, 3))
    return F.binary_cross_entropy_with_logits(said, wanted) + 0.5 * (1 - (both + 1) / (either + 1)).mean()


def scored(student: SubjectStudent, lessons: Lessons) -> dict[str, float]:
    """Mean intersection over union with the teacher at one half, over the photographs of each part kept aside."""
    student.eval()
    found: dict[str, list[float]] = {}
    with torch.no_grad():
        for first in range(0, len(lessons.places), BATCH):
            chosen = list(range(first, min(first + BATCH, len(lessons.places))))
            pictures, wanted, _ = lessons.batch(chosen)
            said = student(pictures)
            for at, mask, truth in zip(chosen, said[:, 0] > 0, wanted[:, 0] > 0.5, strict=True):
                value = intersection_over_union(mask.numpy(), truth.numpy())
                found.setdefault(lessons.kinds[at], []).append(value)
    return {kind: round(float(np.mean(values)), 4) for kind, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lessons", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=200, help="steps between scores and checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/subject.pt where it exists")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(SEED)
    options.out.mkdir(parents=True, exist_ok=True)
    log = options.out / "subject.jsonl"
    student, average = (SubjectStudent().to(memory_format=torch.channels_last) for _ in range(2))
    average.load_state_dict(student.state_dict())
    large, small = muon_and_adamw(student, RATE, SMALL_RATE)
    checkpoint = Checkpoint(options.out / "subject.pt", student=student, average=average, large=large, small=small)
    first, spent_s = checkpoint.restored() if options.resume else (0, 0.0)
    stopped = stop_requests()
    began = time.time()
    spread = spreads(options.lessons)
    lessons, aside = Lessons(options.lessons, "train", spread), Lessons(options.lessons, "aside")
    running: dict[str, float] = {}
    for step in range(first, options.steps):
        if step % 100 == 0:
            lessons = Lessons(options.lessons, "train", spread)
        draw = np.random.default_rng((SEED, step))
        pictures, wanted, told = lessons.batch([int(i) for i in draw.integers(0, len(lessons.places), BATCH)])
        share = min(1.0, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / options.steps))
        large.param_groups[0]["lr"], small.param_groups[0]["lr"] = RATE * share, SMALL_RATE * share
        student.train()
        said, made = student.stages(pictures, told if step < TOLD * options.steps else None, apart=True)
        hints, left = hint_loss(made, told)
        mask = mask_loss(said, wanted)
        loss = hints + mask
        student.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        large.step()
        small.step()
        keep = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            mine = average.state_dict()
            for name, value in student.state_dict().items():
                if value.is_floating_point():
                    mine[name].lerp_(value, 1 - keep)
        told_now = {"loss": loss.item(), "mask": mask.item(), **left}
        running = {k: v if k not in running else 0.97 * running[k] + 0.03 * v for k, v in told_now.items()}
        last = step + 1 == options.steps or bool(stopped)
        if step % 20 == 0:
            print(step, {k: round(v, 3) for k, v in running.items()}, f"{time.time() - began:.0f} s", flush=True)
        if (step + 1) % options.every == 0 or last:
            spent = spent_s + time.time() - began
            line = {"step": step + 1, "s": round(spent), **{k: round(v, 4) for k, v in running.items()}}
            line |= {f"aside_{k}": v for k, v in scored(average, aside).items()}
            print(json.dumps(line), flush=True)
            with log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
            checkpoint.keep(step + 1, spent)
            draw_curves(log, log.with_suffix(".png"), PANELS)
        if stopped:
            return


if __name__ == "__main__":
    main()
