"""Train the guided network on a pool of scenes.

python -m stereo_portrait.training.train_refiner stereo|sensor --pool DIR --out DIR [--steps N] [--resume] [--wide]
    [--teacher FILE.pt ...] [--seed N]

The last shard is kept aside. Every random choice follows from the seed and the step, so a resumed run draws the same
crops, as long as the pool holds the same shards. Loss: the expected bounded error over the network's own choice,
counted more at true edges, the log loss against a choice with hindsight, and that of the confidence. With teachers
(wide networks from several seeds) that counts a half, and how far the answers are from the mean of theirs is added
(Hinton et al., "Distilling the Knowledge in a Neural Network", 2015): what a small network cannot know it need not
try, the teachers err in different places, and how sure they are in doubt is told more plainly than by one pixel's
truth. Muon teaches all layers but the last.
"""

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stereo_portrait.training.checkpoint import Checkpoint, averaged_weights, stop_requests
from stereo_portrait.training.curves import log_line
from stereo_portrait.training.muon import muon_and_adamw
from stereo_portrait.training.refiner_crops import SEED, Pool
from stereo_portrait.training.refiner_loss import apart, edge_weight, loss_of
from stereo_portrait.training.refiner_network import SHIPPED, WIDE, GuidedNetwork, with_weights

HALF_PAYS = torch.backends.cpu.get_cpu_capability() == "AVX512"  # elsewhere bfloat16 is emulated, ten times slower
BATCH = 4
RATE = 0.02  # Muon's
SMALL_RATE = 1e-3  # AdamW's: of the last layer and of what is added; twice as much diverges
WILD = 20.0  # times the usual length of the gradient: such a step is not made
WARM_UP = 300
AVERAGE = 0.999
PANELS = {
    f"share of pixels off by more than {limit} px": {
        "trained on": f"bad{name}",
        "kept aside": f"aside_bad{name}",
        "matcher, trained on": f"base{name}",
        "matcher, kept aside": f"aside_base{name}",
    }
    for name, limit in (("2", "2"), ("05", "0.5"))
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("stereo", "sensor"))
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=1000, help="steps between scores and checkpoints")
    parser.add_argument("--wide", action="store_true", help="a network that teaches the shipped one")
    parser.add_argument("--teacher", type=Path, nargs="*", default=[], help="checkpoints; the mean of answers teaches")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed, another teacher")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/refiner_KIND.pt where it exists")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"refiner_{options.kind}"
    log = options.out / f"{name}.jsonl"

    widths = WIDE if options.wide else SHIPPED
    network, average = (GuidedNetwork(widths).to(memory_format=torch.channels_last) for _ in range(2))
    average.load_state_dict(network.state_dict())
    teachers = [with_weights(averaged_weights(path)) for path in options.teacher]
    large, small = muon_and_adamw(network, RATE, SMALL_RATE, but=network.verdict)
    parts = {"network": network, "average": average, "large": large, "small": small}
    checkpoint = Checkpoint(options.out / f"{name}.pt", **parts)
    first, spent_s = checkpoint.restored() if options.resume else (0, 0.0)
    stopped = stop_requests()
    began = time.time()
    shards = sorted(p for p in options.pool.glob(f"{options.kind}_*") if p.is_dir() and not p.suffix)
    train, aside = Pool(shards[:-1]), Pool(shards[-1:])
    running: dict[str, float] = {}
    usual = 0.0  # length of the gradient

    def drawn(step: int) -> tuple[Tensor, Tensor, Tensor]:
        return train.batch(BATCH, np.random.default_rng((options.seed, step)))

    ahead = ThreadPoolExecutor(1)
    coming = ahead.submit(drawn, first)
    for step in range(first, options.steps):
        if step % 500 == 0:
            now = sorted(p for p in options.pool.glob(f"{options.kind}_*") if p.is_dir() and not p.suffix)
            train = Pool([p for p in now if p != shards[-1]])  # the pool may still be growing
        features, offsets, target = coming.result()
        coming = ahead.submit(drawn, step + 1)
        share = min(1.0, (step + 1) / WARM_UP) * (1 - step / options.steps)
        for optimiser, rate in ((large, RATE), (small, SMALL_RATE)):
            for group in optimiser.param_groups:
                group["lr"] = rate * max(share, 1e-3)
        weight = edge_weight(features, target)
        planes = features.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF_PAYS):
            answers = network(planes)
            with torch.no_grad():
                taught = [teacher(planes).float() for teacher in teachers]
        loss, told = loss_of(answers.float(), offsets, target, weight)
        if taught:
            gap = apart(answers.float(), torch.stack(taught).mean(0), weight)
            loss = loss / 2 + gap
            told["apart"] = gap.item()
        network.zero_grad(set_to_none=True)
        loss.backward()
        length = float(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0))
        if math.isfinite(length) and (step - first < WARM_UP or length < WILD * usual):
            large.step()
            small.step()
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
