"""Compiled loops of push-pull filling, for any number of channels, and quicker for four."""

import numpy as np

from stereo_portrait.rendering.compiled import compiled


@compiled
def pull(first, last, fine, fine_weight, limit, coarse, coarse_weight):  # type: ignore[no-untyped-def]
    """Halve: weighted means of 2 x 2 values (h, w, C), each at most `limit`, and whether any had weight."""
    _, width, channels = coarse.shape
    for y in range(first, last):
        for x in range(width):
            total = np.float32(0)
            for c in range(channels):
                coarse[y, x, c] = 0
            for j in range(2 * y, min(2 * y + 2, fine.shape[0])):
                for i in range(2 * x, min(2 * x + 2, fine.shape[1])):
                    weight = fine_weight[j, i]
                    if weight > 0:
                        total += weight
                        for c in range(channels):
                            coarse[y, x, c] += weight * min(fine[j, i, c], limit)
            if total > 0:
                for c in range(channels):
                    coarse[y, x, c] /= total
            coarse_weight[y, x] = min(np.float32(1), total)


@compiled
def push(first, last, coarse, fine, fine_weight):  # type: ignore[no-untyped-def]
    """Fill what has no weight at the fine level bilinearly from the coarse one."""
    _, width, channels = fine.shape
    rows, columns = coarse.shape[0], coarse.shape[1]
    for y in range(first, last):
        j = max((y - 1) // 2, 0)
        j1 = min((y - 1) // 2 + 1, rows - 1)
        b = np.float32(0.25 if y % 2 else 0.75)
        for x in range(width):
            if fine_weight[y, x] > 0:
                continue
            i = max((x - 1) // 2, 0)
            i1 = min((x - 1) // 2 + 1, columns - 1)
            a = np.float32(0.25 if x % 2 else 0.75)
            for c in range(channels):
                above = coarse[j, i, c] + a * (coarse[j, i1, c] - coarse[j, i, c])
                below = coarse[j1, i, c] + a * (coarse[j1, i1, c] - coarse[j1, i, c])
                fine[y, x, c] = above + b * (below - above)


@compiled
def pull_four(first, last, fine, fine_weight, limit, coarse, coarse_weight):  # type: ignore[no-untyped-def]
    """`pull` for four channels: a last odd row or column counts as its own neighbour."""
    height, width = fine_weight.shape
    for y in range(first, last):
        j, j1 = 2 * y, min(2 * y + 1, height - 1)
        for x in range(coarse.shape[1]):
            i, i1 = 2 * x, min(2 * x + 1, width - 1)
            w00, w01, w10, w11 = fine_weight[j, i], fine_weight[j, i1], fine_weight[j1, i], fine_weight[j1, i1]
            total = (w00 + w01) + (w10 + w11)
            share = np.float32(1) / total if total > 0 else np.float32(0)
            for c in range(4):
                coarse[y, x, c] = share * (
                    (w00 * min(fine[j, i, c], limit) + w01 * min(fine[j, i1, c], limit))
                    + (w10 * min(fine[j1, i, c], limit) + w11 * min(fine[j1, i1, c], limit))
                )
            coarse_weight[y, x] = min(np.float32(1), total)


@compiled
def push_four(first, last, coarse, fine, fine_weight):  # type: ignore[no-untyped-def]
    """`push` for four channels."""
    rows, columns = coarse.shape[0], coarse.shape[1]
    for y in range(first, last):
        j = max((y - 1) // 2, 0)
        j1 = min((y - 1) // 2 + 1, rows - 1)
        b = np.float32(0.25 if y % 2 else 0.75)
        for x in range(fine.shape[1]):
            if fine_weight[y, x] > 0:
                continue
            i = max((x - 1) // 2, 0)
            i1 = min((x - 1) // 2 + 1, columns - 1)
            a = np.float32(0.25 if x % 2 else 0.75)
            for c in range(4):
                above = coarse[j, i, c] + a * (coarse[j, i1, c] - coarse[j, i, c])
                below = coarse[j1, i, c] + a * (coarse[j1, i1, c] - coarse[j1, i, c])
                fine[y, x, c] = above + b * (below - above)
