"""Teach the subject network its teacher's stages and its mask, a stage at a time.

python -m stereo_portrait.training.distil_subject --lessons DIR --out DIR [--share S] [--resume]

`--lessons` is the folder that `subject_lessons` wrote. First the beginning learns the teacher's second stage from the
pictures; then each inner stage learns from what the teacher's stages before it gave, which costs little, for they are
small; at last the head learns the mask from what the student's own stages gave. No gradient crosses from one part to
another. Stages are in units of their channels' spread: asked for the teacher's own units they learn at a third of the
pace. Every random choice follows from the seed, the leg and the step.
"""

import argparse
import copy
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stereo_portrait.training.checkpoint import Checkpoint, stop_requests
from stereo_portrait.training.curves import log_line
from stereo_portrait.training.lesson_files import Lessons, spreads
from stereo_portrait.training.muon import muon_and_adamw
from stereo_portrait.training.scores import intersection_over_union
from stereo_portrait.training.subject_lessons import STAGES
from stereo_portrait.training.subject_student import BEFORE, SubjectStudent

SEED = 7
WARM_UP = 30
AVERAGE = 0.98
SMALL = 1 / 60  # AdamW's rate, for everything but convolutions, over Muon's
PANELS = {
    "intersection over union with the teacher": {"its sets were trained on": "aside_near", "other sets": "aside_far"},
    "share of each stage left unexplained": {name: name for name in STAGES},
}


@dataclass(frozen=True)
class Leg:
    """A part of the network, the size of its batches, its steps and Muon's rate, which falls to 0 along the leg."""

    part: str
    batch: int
    steps: int
    rate: float


LEGS = (
    Leg("beginning", 4, 9000, 0.2),
    *(Leg(name, 8 if name in ("en3", "en4", "de4") else 16, 2500, 0.15) for name in BEFORE),
    Leg("head", 8, 2000, 0.1),
)


def mask_loss(said: Tensor, wanted: Tensor) -> Tensor:
    mask = torch.sigmoid(said)
    both = (mask * wanted).sum((1, 2, 3))
    either = (mask + wanted - mask * wanted).sum((1, 2, 3))
    return F.binary_cross_entropy_with_logits(said, wanted) + 0.5 * (1 - (both + 1) / (either + 1)).mean()


def scored(student: SubjectStudent, lessons: Lessons) -> dict[str, float]:
    """Mean intersection over union with the teacher at one half, over the photographs of each part kept aside."""
    found: dict[str, list[float]] = {}
    with torch.no_grad():
        for first in range(0, len(lessons), 4):
            chosen = range(first, min(first + 4, len(lessons)))
            given = lessons.batch(chosen, ("image", "mask"))
            said = student(given["image"])
            for at, mask, truth in zip(chosen, said[:, 0] > 0, given["mask"][:, 0] > 0.5, strict=True):
                value = intersection_over_union(mask.numpy(), truth.numpy())
                found.setdefault(lessons.kinds[at], []).append(value)
    return {f"aside_{kind}": round(float(np.mean(values)), 4) for kind, values in found.items()}


class Course:
    """What each leg learns, and from what."""

    def __init__(self, student: SubjectStudent, lessons: Path) -> None:
        spread = spreads(lessons)
        self.student = student.eval()
        self.lessons, self.aside = Lessons(lessons, "train", spread), Lessons(lessons, "aside", spread)

    def loss(self, name: str, chosen: list[int]) -> tuple[Tensor, dict[str, float]]:
        """Of the part on these lessons, and its figures."""
        if name == "head":
            told = self.lessons.batch(chosen, ("image", "mask"))
            with torch.no_grad():
                made = self.student.stages(told["image"])
            loss = mask_loss(self.student.head(made), told["mask"])
            return loss, {"mask": float(loss.detach())}
        shown = "en2" if name == "beginning" else name
        told = self.lessons.batch(chosen, (*BEFORE.get(name, ("image",)), shown))
        made = self.student.beginning(told["image"]) if name == "beginning" else self.student.stage(name, told)
        loss = (made[shown] - told[shown]).square().mean()
        return loss, {shown: float(loss.detach())}

    def score(self, head: nn.Module) -> dict[str, float]:
        """Mean intersection over union with the teacher at one half, of the student with this head."""
        trial = copy.deepcopy(self.student)
        trial.head.load_state_dict(head.state_dict())
        return scored(trial, self.aside)


def learn(leg: Leg, course: Course, options: argparse.Namespace, stopped: list[int]) -> tuple[int, float]:
    """Train the leg's part in place, to the mean of its last weights; steps and seconds spent."""
    part: nn.Module = getattr(course.student, leg.part)
    average = copy.deepcopy(part)
    large, small = muon_and_adamw(part, leg.rate, leg.rate * SMALL)
    path = options.out / f"subject_{leg.part}.pt"
    checkpoint = Checkpoint(path, student=part, average=average, large=large, small=small)
    first, spent_s = checkpoint.restored() if options.resume else (0, 0.0)
    steps, began, log = max(1, round(leg.steps * options.share)), time.time(), path.with_suffix(".jsonl")
    running: dict[str, float] = {}
    for step in range(first, steps):
        draw = np.random.default_rng((SEED, LEGS.index(leg), step))
        fall = min(1.0, (step + 1) / WARM_UP) * (1 - step / steps)
        large.param_groups[0]["lr"], small.param_groups[0]["lr"] = leg.rate * fall, leg.rate * SMALL * fall
        part.train()
        loss, left = course.loss(leg.part, [int(i) for i in draw.integers(0, len(course.lessons), leg.batch)])
        part.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(part.parameters(), 5.0)
        large.step()
        small.step()
        keep = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for mine, value in zip(average.state_dict().values(), part.state_dict().values(), strict=True):
                if value.is_floating_point():
                    mine.lerp_(value, 1 - keep)
        running = {k: v if k not in running else 0.97 * running[k] + 0.03 * v for k, v in left.items()}
        if (step + 1) % options.every == 0 or step + 1 == steps or stopped:
            spent = spent_s + time.time() - began
            line = {"step": step + 1, "s": round(spent), **{k: round(v, 4) for k, v in running.items()}}
            line |= course.score(average.eval()) if leg.part == "head" else {}
            checkpoint.keep(step + 1, spent)
            log_line(log, line, PANELS)
        if stopped:
            raise SystemExit(f"stopped; --resume goes on from {path}")
    part.load_state_dict(average.state_dict())
    part.eval()
    return steps, spent_s + time.time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lessons", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps; 0.01 shows that all of it runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=250, help="steps between scores and checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/subject_*.pt where they exist")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(SEED)
    options.out.mkdir(parents=True, exist_ok=True)
    student = SubjectStudent().to(memory_format=torch.channels_last)
    course, stopped = Course(student, options.lessons), stop_requests()
    steps, spent_s = (sum(v) for v in zip(*(learn(leg, course, options, stopped) for leg in LEGS), strict=True))
    Checkpoint(options.out / "subject.pt", average=student).keep(steps, spent_s)


if __name__ == "__main__":
    main()
