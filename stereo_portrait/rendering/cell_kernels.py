"""Compiled loops over cells of the picture: where a layer is, how far it is blurred, and which cells it needs."""

import numpy as np

from stereo_portrait.rendering.compiled import compiled

CELL_PX = 16
BLOCK_PX = 4
BLOCKS = CELL_PX // BLOCK_PX


@compiled
def layers_here(first, last, radius, index, slot, near_index, far_index, goes_on, highest, present):  # type: ignore[no-untyped-def]
    """Which layers every cell holds, one bit each; `goes_on`, `highest`: see `Cuts`."""
    height, width = radius.shape
    for cy in range(first, last):
        for cx in range(present.shape[1]):
            bits = np.int64(0)
            for y in range(cy * CELL_PX, min((cy + 1) * CELL_PX, height)):
                for x in range(cx * CELL_PX, min((cx + 1) * CELL_PX, width)):
                    n = slot[y, x]
                    if n > 0:
                        bits |= (np.int64(1) << near_index[n - 1]) | (np.int64(1) << far_index[n - 1])
                        continue
                    own = index[y, x]
                    bits |= np.int64(1) << own
                    if radius[y, x] < highest[own]:
                        for below in range(own):
                            if radius[y, x] < goes_on[below]:
                                bits |= np.int64(1) << below
            present[cy, cx] = bits


@compiled
def depth_blocks(  # type: ignore[no-untyped-def]
    first, last, own, radius, index, slot, values, near_index, far_index, limit, present, blocks, known, widest
):
    """Mean blur radius of one layer in every block of every cell, whether it has any there, and the cell's widest."""
    height, width = radius.shape
    for cy in range(first, last):
        for cx in range(present.shape[1]):
            here = (present[cy, cx] >> own) & 1
            alone = present[cy, cx] == np.int64(1) << own
            most = np.float32(0)
            for by in range(cy * BLOCKS, min((cy + 1) * BLOCKS, blocks.shape[0])):
                for bx in range(cx * BLOCKS, min((cx + 1) * BLOCKS, blocks.shape[1])):
                    total, count = np.float32(0), np.float32(0)
                    if here:
                        for y in range(by * BLOCK_PX, min((by + 1) * BLOCK_PX, height)):
                            for x in range(bx * BLOCK_PX, min((bx + 1) * BLOCK_PX, width)):
                                n = 0 if alone else slot[y, x]
                                if alone:
                                    size = radius[y, x]
                                elif n > 0:
                                    if near_index[n - 1] == own:
                                        size = values[n - 1, 1]
                                    elif far_index[n - 1] == own:
                                        size = values[n - 1, 2]
                                    else:
                                        continue
                                elif index[y, x] == own or (index[y, x] > own and radius[y, x] < limit):
                                    size = radius[y, x]
                                else:
                                    continue
                                total += size
                                count += np.float32(1)
                                most = max(most, abs(size))
                    blocks[by, bx, 0] = total / count if count > 0 else np.float32(0)
                    known[by, bx] = np.float32(1) if count > 0 else np.float32(0)
            widest[cy, cx] = most


@compiled
def plan(own, present, seen, blocks, widest, spread, active, needed):  # type: ignore[no-untyped-def]
    """Which cells the layer is drawn in, and which cells of its own picture that takes.

    `seen`: cells that nearer layers leave open. A cell is active if it is open and the layer, blurred as widely as it
    is there, reaches it. `spread`: the aperture's largest reach for radius 1.
    """
    rows, columns = present.shape
    holds = np.zeros((rows + 1, columns + 1), np.int32)
    reach = np.zeros((rows, columns), np.float32)
    for j in range(rows):
        for i in range(columns):
            holds[j + 1, i + 1] = holds[j, i + 1] + holds[j + 1, i] - holds[j, i] + ((present[j, i] >> own) & 1)
            most = widest[j, i]
            for v in range(max(0, j * BLOCKS - 1), min(blocks.shape[0], (j + 1) * BLOCKS + 1)):
                for u in range(max(0, i * BLOCKS - 1), min(blocks.shape[1], (i + 1) * BLOCKS + 1)):
                    most = max(most, abs(blocks[v, u, 0]))
            reach[j, i] = most
    paint = np.zeros((rows + 1, columns + 1), np.int32)
    count = 0
    for j in range(rows):
        for i in range(columns):
            active[j, i] = np.uint8(0)
            if not seen[j, i]:
                continue
            most = np.float32(0)  # nodes of the grid lie up to a cell away
            for v in range(max(0, j - 1), min(rows, j + 2)):
                for u in range(max(0, i - 1), min(columns, i + 2)):
                    most = max(most, reach[v, u])
            space = int(most * spread + 2) // CELL_PX + 1
            top, bottom = max(0, j - space), min(rows, j + space + 1)
            left, right = max(0, i - space), min(columns, i + space + 1)
            if own > 0 and holds[bottom, right] - holds[top, right] - holds[bottom, left] + holds[top, left] == 0:
                continue
            active[j, i] = np.uint8(1)
            count += 1
            # two pixels of the pyramid level, whose discs have radius 2 at least, and the bilinear ends
            space = int(most * (spread + 1) + 12) // CELL_PX + 1
            top, bottom = max(0, j - space), min(rows, j + space + 1)
            left, right = max(0, i - space), min(columns, i + space + 1)
            paint[top, left] += 1
            paint[bottom, left] -= 1
            paint[top, right] -= 1
            paint[bottom, right] += 1
    for j in range(rows):
        for i in range(columns):
            if j > 0:
                paint[j, i] += paint[j - 1, i]
        running = 0
        for i in range(columns):
            running += paint[j, i]
            needed[j, i] = np.uint8(1 if running > 0 else 0)
    return count
