"""Train the guided network on a pool of scenes.

python -m stereo_portrait.training.train_refiner stereo|sensor --pool DIR --out DIR [--steps N] [--resume]

The last shard is kept aside. Every random choice follows from the seed and the step, so a resumed run draws the same
crops, as long as the pool holds the same shards. Loss: the expected bounded error over the network's own choice,
counted more at true edges, the log loss against a choice with hindsight, and that of the confidence.
"""

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stereo_portrait.refinement.evidence_layout import COSTS, SHAPE, SIDE_COSTS, STEPS, SUPPORTS, TEXTURE, as_numbers
from stereo_portrait.training.checkpoint import Checkpoint, stop_requests
from stereo_portrait.training.curves import log_line
from stereo_portrait.training.refiner_network import GuidedNetwork, unfolded

SEED = 5
HALF_PAYS = torch.backends.cpu.get_cpu_capability() == "AVX512"  # elsewhere bfloat16 is emulated, ten times slower
BATCH = 4
CROP = (192, 256)
RATE = 1e-3  # twice as much diverges
WILD = 20.0  # times the usual length of the gradient: such a step is not made
DECAY = 1e-3
WARM_UP = 300
AVERAGE = 0.999
KEPT = (0.3, 0.7)  # parts of the run after which the weights are kept as well: the export averages them with the last
EDGE_JUMP_PX = 2.0
EDGE_WEIGHT = 1.5
SELECTIVITY = 0.08
TELLING_PX = 0.5  # a candidate this much nearer to the truth is not worth a choice
VENTURE = (0.0, 0.0, 0.1, 0.06, 0.08)
"""What leaving the base and its median must gain at least: a choice that helps little is not made."""
PANELS = {
    f"share of pixels off by more than {limit} px": {
        "trained on": f"bad{name}",
        "kept aside": f"aside_bad{name}",
        "matcher, trained on": f"base{name}",
        "matcher, kept aside": f"aside_base{name}",
    }
    for name, limit in (("2", "2"), ("05", "0.5"))
}
PARTS = ("features", "offsets", "target", "seen")


class Pool:
    """The shards of a folder, mapped into memory."""

    def __init__(self, shards: list[Path]) -> None:
        self.shards = [{k: np.load(s / f"{k}.npy", mmap_mode="r") for k in PARTS} for s in shards]
        self.counts = np.array([len(s["target"]) for s in self.shards])

    def batch(self, size: int, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Folded features, candidate offsets and truth minus base of random crops, colours shaken."""
        found = []
        for _ in range(size):
            shard = self.shards[draw.choice(len(self.shards), p=self.counts / self.counts.sum())]
            index = int(draw.integers(len(shard["target"])))
            height, width = shard["target"].shape[1:]
            y = 16 * int(draw.integers((height - CROP[0]) // 16 + 1))
            x = 16 * int(draw.integers((width - CROP[1]) // 16 + 1))
            rows, columns = slice(y, y + CROP[0]), slice(x, x + CROP[1])
            half = (slice(y // 2, (y + CROP[0]) // 2), slice(x // 2, (x + CROP[1]) // 2))
            features = as_numbers(shard["features"][index, :, *half])
            offsets = shard["offsets"][index, :, rows, columns].astype(np.float32)
            target = shard["target"][index, rows, columns].astype(np.float32)[None]
            if draw.random() < 0.5:
                features = upside_down(features)
                offsets, target = (np.ascontiguousarray(m[:, ::-1]) for m in (offsets, target))
            shaken(features, draw)
            found.append((features, offsets, target))
        return tuple(torch.from_numpy(np.stack(parts)) for parts in zip(*found, strict=True))  # type: ignore[return-value]


def upside_down(features: np.ndarray) -> np.ndarray:
    """What the network would be told of the picture turned upside down; the last row's step is not known."""
    count, height, width = features.shape
    turned = features.reshape(count // 4, 2, 2, height, width)[:, ::-1, :, ::-1].copy()
    downwards = turned[SHAPE + 2]  # from each row to the next, where it was from the next to it
    steps = -downwards.transpose(2, 0, 1, 3).reshape(2 * height, 2, width)
    steps = np.concatenate([steps[1:], np.zeros_like(steps[:1])])
    turned[SHAPE + 2] = steps.reshape(height, 2, 2, width).transpose(1, 2, 0, 3)
    return turned.reshape(features.shape)


def shaken(features: np.ndarray, draw: np.random.Generator) -> None:
    """In place: other colours and contrast, and matching evidence as unreliable as real cameras make it.

    Real pairs agree less well than drawn ones: reflections, unequal lenses, radiometric differences. Costs are
    stretched, all candidates of a pixel share an offset, and each has a little noise of its own.
    """
    planes = features.shape[1:]
    order, contrast = draw.permutation(3), float(np.exp(draw.uniform(np.log(0.6), np.log(1.8))))
    rgb = features[:12].reshape(3, 4, *planes)[order]
    features[:12] = np.clip(rgb * contrast + draw.uniform(-0.2, 0.2), -1, 1).reshape(12, *planes)
    costs, beside = features[4 * COSTS : 4 * SUPPORTS], features[4 * SIDE_COSTS : 4 * STEPS]
    supports = features[4 * SUPPORTS : 4 * SIDE_COSTS]
    stretch = np.float32(np.exp(draw.uniform(-0.2, 1.2)))
    features[4 * TEXTURE : 4 * TEXTURE + 4] *= np.float32(np.sqrt(stretch))
    if not costs.any():  # a depth camera has none
        return
    shared = np.abs(noise_like(features[:4], draw)) * np.float32(draw.uniform(0, 0.35))
    shared *= draw.random((1, *planes), dtype=np.float32) ** 2
    own = np.float32(draw.uniform(0, 0.12))
    for part, by, common, grain, most in (
        (costs, stretch, shared, own, 3),
        (supports, np.float32(stretch**0.4), shared / 2, own / 4, 4),
    ):
        part *= by
        part.reshape(-1, 4, *planes)[:] += common
        part += grain * noise_like(part, draw)
        np.clip(part, 0, most, out=part)
    beside *= stretch
    beside += own * noise_like(beside, draw)


@lru_cache(maxsize=1)
def noise_bank() -> np.ndarray:
    """Standard normal numbers; slices of them are as good as fresh ones and far cheaper."""
    return np.random.default_rng(SEED).standard_normal(1 << 22, dtype=np.float32)


def noise_like(array: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    first = int(draw.integers(noise_bank().size - array.size))
    return noise_bank()[first : first + array.size].reshape(array.shape)


def edge_weight(features: Tensor, target: Tensor) -> Tensor:
    """(N, 1, H, W): more near jumps of the true disparity."""
    shape = F.pixel_shuffle(features[:, 4 * (SHAPE + 1) : 4 * (SHAPE + 3)].float(), 2)
    steps = 4 * shape / (2 - shape.abs()).clamp_min(1e-3)  # the inverse of the features' squeeze
    across = steps[:, :1, :, :-1] + target[..., 1:] - target[..., :-1]
    down = steps[:, 1:, :-1] + target[..., 1:, :] - target[..., :-1, :]
    jump = F.pad(across.abs() > EDGE_JUMP_PX, (0, 1)) | F.pad(down.abs() > EDGE_JUMP_PX, (0, 0, 0, 1))
    return 1 + EDGE_WEIGHT * F.max_pool2d(jump.float(), 11, 1, 5)


def bounded(error_px: Tensor) -> Tensor:
    """Grows fastest below a pixel, hardly beyond a few: what bad-pixel counts see."""
    return error_px / (error_px + 1) + 0.02 * error_px.clamp_max(16)


def loss_of(answers: Tensor, offsets: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
    logits, step, sure = unfolded(answers)
    proposals = torch.cat([torch.zeros_like(target), offsets], 1) + step
    venture = torch.tensor(VENTURE).view(1, -1, 1, 1)
    cost = bounded((proposals - target).abs()) + venture
    share = torch.softmax(logits, 1)
    expected = (share * cost).sum(1, keepdim=True)
    plainly = bounded((proposals.detach() - target).abs().sub(TELLING_PX).clamp_min(0)) + venture
    wanted = torch.softmax(-plainly / SELECTIVITY, 1)  # what a choice with hindsight would be
    missed = -(wanted * torch.log_softmax(logits, 1).clamp_min(-8)).sum(1, keepdim=True)
    chosen = logits.detach().argmax(1, keepdim=True)
    error = (proposals.gather(1, chosen) - target).abs().detach()
    right = (error < 1).float()
    doubt = F.binary_cross_entropy_with_logits(sure, right, reduction="none")
    total = (weight * (expected + 0.2 * missed + 0.15 * doubt.clamp_max(6))).mean()
    told = {
        "bad2": float((error > 2).float().mean()),
        "bad05": float((error > 0.5).float().mean()),
        "base2": float((target.abs() > 2).float().mean()),
        "base05": float((target.abs() > 0.5).float().mean()),
        "doubt": doubt.mean().item(),
    }
    return total, told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("stereo", "sensor"))
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=1000, help="steps between scores and checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/refiner_KIND.pt where it exists")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(SEED)
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"refiner_{options.kind}"
    log = options.out / f"{name}.jsonl"

    network = GuidedNetwork().to(memory_format=torch.channels_last)
    average = GuidedNetwork().to(memory_format=torch.channels_last)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    checkpoint = Checkpoint(options.out / f"{name}.pt", network=network, average=average, optimiser=optimiser)
    first, spent_s = checkpoint.restored() if options.resume else (0, 0.0)
    stopped = stop_requests()
    began = time.time()
    shards = sorted(p for p in options.pool.glob(f"{options.kind}_*") if p.is_dir() and not p.suffix)
    train, aside = Pool(shards[:-1]), Pool(shards[-1:])
    running: dict[str, float] = {}
    usual = 0.0  # length of the gradient

    def drawn(step: int) -> tuple[Tensor, Tensor, Tensor]:
        return train.batch(BATCH, np.random.default_rng((SEED, step)))

    ahead = ThreadPoolExecutor(1)
    coming = ahead.submit(drawn, first)
    for step in range(first, options.steps):
        if step % 500 == 0:
            now = sorted(p for p in options.pool.glob(f"{options.kind}_*") if p.is_dir() and not p.suffix)
            train = Pool([p for p in now if p != shards[-1]])  # the pool may still be growing
        features, offsets, target = coming.result()
        coming = ahead.submit(drawn, step + 1)
        share = min(1.0, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / options.steps))
        for group in optimiser.param_groups:
            group["lr"] = RATE * max(share, 1e-3)
        weight = edge_weight(features, target)
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF_PAYS):
            answers = network(features.contiguous(memory_format=torch.channels_last))
        loss, told = loss_of(answers.float(), offsets, target, weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        length = float(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0))
        if math.isfinite(length) and (step - first < WARM_UP or length < WILD * usual):
            optimiser.step()
        if math.isfinite(length):
            usual = length if usual == 0 else 0.98 * usual + 0.02 * min(length, 3 * usual)
        keep = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        told["loss"] = loss.item()
        running = {k: v if k not in running else 0.99 * running[k] + 0.01 * v for k, v in told.items()}
        last = step + 1 == options.steps or bool(stopped)
        if (step + 1) % options.every == 0 or last:
            spent = spent_s + time.time() - began
            kept_aside = measured(average, aside)
            line = {"step": step + 1, "s": round(spent), **{k: round(v, 4) for k, v in running.items()}, **kept_aside}
            checkpoint.keep(step + 1, spent)
            log_line(log, line, PANELS)
        if step + 1 in {round(part * options.steps) for part in KEPT}:
            Checkpoint(options.out / f"{name}_{step + 1:06d}.pt", average=average).keep(step + 1, spent_s)
        if stopped:
            return


def measured(network: GuidedNetwork, aside: Pool) -> dict[str, float]:
    """The same figures on crops of the shard kept aside."""
    found: list[dict[str, float]] = []
    with torch.no_grad():
        for number in range(8):
            features, offsets, target = aside.batch(BATCH, np.random.default_rng((SEED, 1 << 40, number)))
            answers = network(features.contiguous(memory_format=torch.channels_last))
            found.append(loss_of(answers, offsets, target, edge_weight(features, target))[1])
    return {f"aside_{k}": round(float(np.mean([f[k] for f in found])), 4) for k in found[0]}


if __name__ == "__main__":
    main()
