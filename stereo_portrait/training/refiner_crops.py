"""Random crops of the pool's scenes, turned and shaken: what the guided network learns from."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stereo_portrait.refinement.evidence_layout import COSTS, SHAPE, SIDE_COSTS, STEPS, SUPPORTS, TEXTURE, as_numbers

SEED = 5
CROP = (192, 256)
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
