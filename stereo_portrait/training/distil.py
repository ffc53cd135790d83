"""Teach the monocular student what its teacher said about the photographs.

python -m stereo_portrait.training.distil --pool DIR --imagenet FILE.pth --out DIR [--resume]

`--pool` is the folder that `teach` wrote. Every random choice follows from the seed and the step number, so a run that
was stopped and resumed draws the same batches as one that was not. Losses: L1 to the answer standardised by its median
and mean absolute deviation, once as it is and once after standardising the student's picture too (Ranftl et al.,
"Towards Robust Monocular Depth Estimation", TPAMI 2022, eq. 5), with differences of neighbours at three scales.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stereo_portrait.training.checkpoint import Checkpoint, stop_requests
from stereo_portrait.training.scores import rank_correlation
from stereo_portrait.training.students import Student


@dataclass(frozen=True)
class Recipe:
    """(steps, long side, short side) of each phase, batch, learning rates."""

    phases: tuple[tuple[int, int, int], ...]
    batch: int = 16
    encoder_rate: float = 3e-4
    decoder_rate: float = 2e-3
    weight_decay: float = 1e-2
    warm_up: int = 200
    average: float = 0.998  # exponential average of the weights, which is what ships
    seed: int = 7

    def size_at(self, step: int) -> tuple[int, int]:
        """(long side, short side) of the phase that the step belongs to."""
        done = 0
        for count, long_px, short_px in self.phases:
            done += count
            if step < done:
                return long_px, short_px
        return self.phases[-1][1:]


HALF_PAYS = torch.backends.cpu.get_cpu_capability() == "AVX512"  # elsewhere bfloat16 is emulated, ten times slower
RECIPE = Recipe(phases=((2000, 256, 192), (1200, 384, 288)))


class Pool:
    """Pictures and answers of one part ("train", "near", "far"), grouped by shape."""

    def __init__(self, folder: Path, part: str) -> None:
        self.groups: list[tuple[np.ndarray, np.ndarray]] = []
        for path in sorted(folder.glob(f"monocular_{part}_*_images.npy")):
            answers = Path(str(path).replace("_images", "_answers"))
            self.groups.append((np.load(path, mmap_mode="r"), np.load(answers, mmap_mode="r")))
        if not self.groups:
            raise FileNotFoundError(f"no monocular_{part}_*_images.npy in {folder}: run teach first")
        self.counts = np.array([len(images) for images, _ in self.groups])

    def batch(self, size: int, long_px: int, short_px: int, draw: np.random.Generator) -> tuple[Tensor, Tensor]:
        """f32 (N, 3, H, W) 0..255 with colours shaken, and the teacher's answer f32 (N, 1, H/2, W/2)."""
        shape = tuple(self.groups[draw.choice(len(self.groups), p=self.counts / self.counts.sum())][0].shape[1:3])
        same = [g for g in self.groups if g[0].shape[1:3] == shape]
        sizes = np.array([len(g[0]) for g in same])
        width, height = (long_px, short_px) if shape[1] >= shape[0] else (short_px, long_px)
        pictures, answers = [], []
        for _ in range(size):
            images, said = same[draw.choice(len(same), p=sizes / sizes.sum())]
            index = int(draw.integers(len(images)))
            picture, answer = resized(images[index], said[index], width, height)
            if draw.random() < 0.5:
                picture, answer = picture[:, ::-1], answer[:, ::-1]
            pictures.append(picture.astype(np.float32).transpose(2, 0, 1))
            answers.append(answer[None])
        return shaken(torch.from_numpy(np.stack(pictures)), draw), torch.from_numpy(np.stack(answers).copy())


def resized(picture: np.ndarray, answer: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture at width x height, the answer at half of that."""
    answer = cv2.resize(answer.astype(np.float32), (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    if picture.shape[:2] != (height, width):
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(picture), answer


def shaken(pictures: Tensor, draw: np.random.Generator) -> Tensor:
    """Exposure, contrast, gamma, saturation, white balance and a little noise: no camera's mood may matter."""
    n = len(pictures)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(draw.uniform(low, high, (n, *shape)).astype(np.float32))

    x = pictures / 255
    x = x.clamp_min(1e-4) ** torch.exp(uniform(-0.25, 0.25, 1, 1, 1))
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * uniform(0.5, 1.3, 1, 1, 1)
    x = torch.where(uniform(0, 1, 1, 1, 1) < 0.05, grey, x)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * uniform(0.75, 1.25, 1, 1, 1)
    x = x * uniform(0.85, 1.15, 1, 1, 1) * uniform(0.95, 1.05, 3, 1, 1)
    noise = torch.from_numpy(draw.standard_normal(x.shape, dtype=np.float32))
    return (x + noise * uniform(0, 0.02, 1, 1, 1)).clamp(0, 1) * 255


def standardised(x: Tensor) -> Tensor:
    """(N, 1, H, W) minus its median, over its mean absolute deviation."""
    flat = x.flatten(1)
    middle = flat.median(1).values[:, None]
    spread = (flat - middle).abs().mean(1, keepdim=True).clamp_min(1e-3)
    return ((flat - middle) / spread).view_as(x)


def depth_loss(said: Tensor, answer: Tensor) -> Tensor:
    wanted, relative = standardised(answer), standardised(said)
    total = 0.5 * (said - wanted).abs().mean() + 0.5 * (relative - wanted).abs().mean()
    wrong = relative - wanted
    for _ in range(3):
        total = total + 0.5 * (wrong[..., 1:] - wrong[..., :-1]).abs().mean()
        total = total + 0.5 * (wrong[..., 1:, :] - wrong[..., :-1, :]).abs().mean()
        wrong = F.avg_pool2d(wrong, 2)
    return total


def score(student: Student, pool: Pool, long_px: int, short_px: int) -> float:
    """Mean rank correlation with the teacher over the part's photographs."""
    found = []
    with torch.no_grad():
        for images, answers in pool.groups:
            for picture, answer in zip(images, answers, strict=True):
                wide = picture.shape[1] >= picture.shape[0]
                width, height = (long_px, short_px) if wide else (short_px, long_px)
                small, _ = resized(picture, answer, width, height)
                x = torch.from_numpy(small.astype(np.float32).transpose(2, 0, 1)[None])
                with torch.autocast("cpu", torch.bfloat16, enabled=HALF_PAYS):
                    said = student(x.contiguous(memory_format=torch.channels_last))
                full = F.interpolate(said.float(), answer.shape, mode="bilinear")[0, 0].numpy()
                found.append(rank_correlation(full, answer.astype(np.float32)))
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--imagenet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from OUT/TASK.pt where it exists")
    parser.add_argument("--every", type=int, default=200, help="steps between scores and checkpoints")
    options = parser.parse_args()
    recipe = RECIPE
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(recipe.seed)
    options.out.mkdir(parents=True, exist_ok=True)

    student = Student()
    student.encoder.load_imagenet(options.imagenet)
    student.encoder.freeze()
    student = student.to(memory_format=torch.channels_last)
    average = Student().to(memory_format=torch.channels_last)
    average.load_state_dict(student.state_dict())
    inside = [p for p in student.encoder.parameters() if p.requires_grad]
    outside = [p for n, p in student.named_parameters() if not n.startswith("encoder")]
    groups = [{"params": inside, "peak": recipe.encoder_rate}, {"params": outside, "peak": recipe.decoder_rate}]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, weight_decay=recipe.weight_decay)
    checkpoint = Checkpoint(options.out / "monocular.pt", student=student, average=average, optimiser=optimiser)
    first, spent_s = checkpoint.restored() if options.resume else (0, 0.0)
    parts = {part: Pool(options.pool, part) for part in ("train", "near", "far")}
    steps = sum(phase[0] for phase in recipe.phases)
    began, running = time.time() - spent_s, 0.0
    stopped = stop_requests()
    for step in range(first, steps):
        long_px, short_px = recipe.size_at(step)
        draw = np.random.default_rng((recipe.seed, step))
        pictures, answers = parts["train"].batch(recipe.batch, long_px, short_px, draw)
        share = min(1.0, (step + 1) / recipe.warm_up) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * max(share, 1e-3)
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF_PAYS):
            said = student(pictures.contiguous(memory_format=torch.channels_last))
        loss = depth_loss(said.float(), answers)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*inside, *outside], 1.0)
        optimiser.step()
        keep = min(recipe.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), student.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        running = loss.item() if step == first else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"step {step}/{steps} loss {running:.4f} {time.time() - began:.0f} s", flush=True)
        if (step + 1) % options.every == 0 or step + 1 == steps:
            largest = recipe.phases[-1][1:]
            said_scores = {part: score(average, parts[part], *largest) for part in ("near", "far")}
            print(f"after {step + 1}: " + ", ".join(f"{k} {v:.4f}" for k, v in said_scores.items()), flush=True)
            checkpoint.keep(step + 1, time.time() - began)
        elif stopped:
            checkpoint.keep(step + 1, time.time() - began)
            print(f"stopped after {step + 1}; --resume goes on", flush=True)
            return


if __name__ == "__main__":
    main()
