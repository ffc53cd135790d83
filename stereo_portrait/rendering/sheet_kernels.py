"""Compiled loops that make a layer's picture ("sheet"): premultiplied light and coverage, filled, halved, summed.

All work is done in the cells that are needed; what lies in others is left from before and is never read.
"""

import numpy as np

from stereo_portrait.rendering.cell_kernels import BLOCK_PX, BLOCKS, CELL_PX
from stereo_portrait.rendering.compiled import compiled

HIDDEN = np.float32(-1)  # coverage of pixels where something nearer hides the layer
MOSTLY_HIDDEN = 0.6  # coverage above which a pixel says too little about what is behind it


@compiled
def least_and_most(depth, cy, cx):  # type: ignore[no-untyped-def]
    """The least and the largest blur radius of a cell."""
    least, most = np.float32(1e9), np.float32(0)
    for y in range(cy * CELL_PX, min((cy + 1) * CELL_PX, depth.shape[0])):
        for x in range(cx * CELL_PX, min((cx + 1) * CELL_PX, depth.shape[1])):
            size = abs(depth[y, x])
            least = min(least, size)
            most = max(most, size)
    return least, most


@compiled
def start_sheet(  # type: ignore[no-untyped-def]
    first,
    last,
    own,
    linear,
    radius,
    index,
    slot,
    values,
    near_index,
    far_index,
    limit,
    blocks,
    present,
    needed,
    sheet,
    depth,
    ranges,
    holes,
):
    """Light, coverage and blur radius of one layer; coverage HIDDEN where something nearer hides it.

    Pixels of nearer layers up to radius `limit`, away from depth edges (`slot` == 0), are the same surface going on:
    they count as this layer too. Nothing shows through the farthest layer (own == 0), so where it is not seen it is
    hidden. `ranges`: the least and the largest blur radius of every cell; `holes`: cells with hidden pixels.
    """
    height, width = radius.shape
    rows, columns = blocks.shape[0], blocks.shape[1]
    one = np.int64(1) << own
    around = np.zeros(BLOCKS + 2, np.float32)
    for cy in range(first, last):
        bottom = min((cy + 1) * CELL_PX, height)
        for cx in range(needed.shape[1]):
            holes[cy, cx] = np.uint8(0)
            if not needed[cy, cx]:
                continue
            left, right = cx * CELL_PX, min((cx + 1) * CELL_PX, width)
            here = present[cy, cx]
            alone = here == one
            if not alone:
                for y in range(cy * CELL_PX, bottom):
                    v = np.float32((y + 0.5) / BLOCK_PX - 0.5)
                    j = int(np.floor(v))
                    b = v - np.float32(j)
                    j0, j1 = max(j, 0), min(j + 1, rows - 1)
                    for i in range(BLOCKS + 2):
                        u = min(max(cx * BLOCKS + i - 1, 0), columns - 1)
                        around[i] = blocks[j0, u, 0] + b * (blocks[j1, u, 0] - blocks[j0, u, 0])
                    for i in range(right - left):
                        k = (i + BLOCK_PX // 2) // BLOCK_PX
                        a = (np.float32((i + BLOCK_PX // 2) % BLOCK_PX) + np.float32(0.5)) * np.float32(1 / BLOCK_PX)
                        depth[y, left + i] = around[k] + a * (around[k + 1] - around[k])
            if here & one == 0 and (here < one or here & (one - 1) == 0):
                # nothing of the layer: all is farther than it, or all nearer
                alpha = HIDDEN if here > one or own == 0 else np.float32(0)
                for y in range(cy * CELL_PX, bottom):
                    for x in range(left, right):
                        sheet[y, x, 0] = sheet[y, x, 1] = sheet[y, x, 2] = np.float32(0)
                        sheet[y, x, 3] = alpha
                holes[cy, cx] = np.uint8(alpha < 0)
                ranges[cy, cx, 0], ranges[cy, cx, 1] = least_and_most(depth, cy, cx)
                continue
            hole = np.uint8(0)
            for y in range(cy * CELL_PX, bottom):
                if alone:
                    for x in range(left, right):
                        sheet[y, x, 0] = linear[y, x, 0]
                        sheet[y, x, 1] = linear[y, x, 1]
                        sheet[y, x, 2] = linear[y, x, 2]
                        sheet[y, x, 3] = np.float32(1)
                        depth[y, x] = radius[y, x]
                    continue
                for x in range(left, right):
                    n = slot[y, x]
                    alpha = np.float32(0)
                    red, green, blue = linear[y, x, 0], linear[y, x, 1], linear[y, x, 2]
                    if n == 0:
                        there = index[y, x]
                        if there == own or (there > own and radius[y, x] < limit):
                            alpha, depth[y, x] = np.float32(1), radius[y, x]
                        elif there > own:
                            alpha = HIDDEN
                    elif near_index[n - 1] == own:
                        alpha, depth[y, x] = values[n - 1, 0], values[n - 1, 1]
                        red, green, blue = values[n - 1, 3], values[n - 1, 4], values[n - 1, 5]
                    elif far_index[n - 1] == own:
                        alpha, depth[y, x] = np.float32(1), values[n - 1, 2]
                        if values[n - 1, 0] > MOSTLY_HIDDEN:
                            alpha = HIDDEN
                        red, green, blue = values[n - 1, 6], values[n - 1, 7], values[n - 1, 8]
                    elif far_index[n - 1] > own:
                        alpha = HIDDEN
                    if own == 0 and alpha <= 0:
                        alpha = HIDDEN
                    if alpha < 0:
                        hole = np.uint8(1)
                    sheet[y, x, 0] = alpha * red
                    sheet[y, x, 1] = alpha * green
                    sheet[y, x, 2] = alpha * blue
                    sheet[y, x, 3] = alpha
            holes[cy, cx] = hole
            ranges[cy, cx, 0], ranges[cy, cx, 1] = least_and_most(depth, cy, cx)


@compiled
def pull_sheet(first, last, sheet, needed, limit, whole, coarse, coarse_weight):  # type: ignore[no-untyped-def]
    """The first halving of a sheet: means of what is not hidden, each value at most `limit`, and its weight.

    Where nothing is hidden `limit` holds only if the `whole` sheet will be filled from this.
    """
    height, width = sheet.shape[0], sheet.shape[1]
    side = CELL_PX // 2
    for cy in range(first, last):
        for cx in range(needed.shape[1]):
            for y in range(cy * side, min((cy + 1) * side, coarse.shape[0])):
                j, j1 = 2 * y, min(2 * y + 1, height - 1)
                for x in range(cx * side, min((cx + 1) * side, coarse.shape[1])):
                    i, i1 = 2 * x, min(2 * x + 1, width - 1)
                    if not needed[cy, cx]:
                        coarse_weight[y, x] = np.float32(0)
                        for c in range(4):
                            coarse[y, x, c] = np.float32(0)
                        continue
                    # a last odd row or column counts twice, which changes no mean
                    w00 = np.float32(1) if sheet[j, i, 3] >= 0 else np.float32(0)
                    w01 = np.float32(1) if sheet[j, i1, 3] >= 0 else np.float32(0)
                    w10 = np.float32(1) if sheet[j1, i, 3] >= 0 else np.float32(0)
                    w11 = np.float32(1) if sheet[j1, i1, 3] >= 0 else np.float32(0)
                    total = (w00 + w01) + (w10 + w11)
                    share = np.float32(1) / max(total, np.float32(1))
                    most = limit if whole or total < 4 else np.float32(np.inf)
                    for c in range(4):
                        coarse[y, x, c] = share * (
                            (w00 * min(sheet[j, i, c], most) + w01 * min(sheet[j, i1, c], most))
                            + (w10 * min(sheet[j1, i, c], most) + w11 * min(sheet[j1, i1, c], most))
                        )
                    coarse_weight[y, x] = min(total, np.float32(1))


@compiled
def push_sheet(first, last, coarse, holes, solid, sheet):  # type: ignore[no-untyped-def]
    """Fill hidden pixels bilinearly from the first halving; with `solid`, coverage becomes 1."""
    height, width = sheet.shape[0], sheet.shape[1]
    rows, columns = coarse.shape[0], coarse.shape[1]
    for cy in range(first, last):
        for cx in range(holes.shape[1]):
            if not holes[cy, cx]:
                continue
            for y in range(cy * CELL_PX, min((cy + 1) * CELL_PX, height)):
                j = max((y - 1) // 2, 0)
                j1 = min((y - 1) // 2 + 1, rows - 1)
                b = np.float32(0.25 if y % 2 else 0.75)
                for x in range(cx * CELL_PX, min((cx + 1) * CELL_PX, width)):
                    if sheet[y, x, 3] >= 0:
                        continue
                    i = max((x - 1) // 2, 0)
                    i1 = min((x - 1) // 2 + 1, columns - 1)
                    a = np.float32(0.25 if x % 2 else 0.75)
                    for c in range(4):
                        above = coarse[j, i, c] + a * (coarse[j, i1, c] - coarse[j, i, c])
                        below = coarse[j1, i, c] + a * (coarse[j1, i1, c] - coarse[j1, i, c])
                        sheet[y, x, c] = above + b * (below - above)
                    if solid:
                        sheet[y, x, 3] = np.float32(1)


@compiled
def halve(first, last, fine, needed, side, coarse):  # type: ignore[no-untyped-def]
    """Means of 2 x 2 values (h, w, 4); a last odd row or column stands for itself. `side`: of a coarse cell."""
    for y in range(first, last):
        j, j1 = 2 * y, min(2 * y + 1, fine.shape[0] - 1)
        for cx in range(needed.shape[1]):
            if not needed[y // side, cx]:
                continue
            for x in range(cx * side, min((cx + 1) * side, coarse.shape[1])):
                i, i1 = 2 * x, min(2 * x + 1, fine.shape[1] - 1)
                for c in range(4):
                    coarse[y, x, c] = np.float32(0.25) * (
                        fine[j, i, c] + fine[j, i1, c] + fine[j1, i, c] + fine[j1, i1, c]
                    )


@compiled
def row_sums(first, last, values, needed, side, sums):  # type: ignore[no-untyped-def]
    """Within every run of needed cells, sums[y, x] = values[y, :x] added up from the run's start; (h, w + 1, 4)."""
    for y in range(first, last):
        red, green, blue, alpha = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        running = False
        for cx in range(needed.shape[1]):
            if not needed[y // side, cx]:
                running = False
                continue
            start = cx * side
            if not running and start <= values.shape[1]:
                red, green, blue, alpha = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                sums[y, start, 0] = sums[y, start, 1] = sums[y, start, 2] = sums[y, start, 3] = np.float32(0)
                running = True
            for x in range(start, min(start + side, values.shape[1])):
                red += values[y, x, 0]
                green += values[y, x, 1]
                blue += values[y, x, 2]
                alpha += values[y, x, 3]
                sums[y, x + 1, 0] = red
                sums[y, x + 1, 1] = green
                sums[y, x + 1, 2] = blue
                sums[y, x + 1, 3] = alpha


@compiled
def cover_of(first, last, sheet, needed, cover):  # type: ignore[no-untyped-def]
    """Coverage in 1/255."""
    for cy in range(first, last):
        for cx in range(needed.shape[1]):
            if needed[cy, cx]:
                for y in range(cy * CELL_PX, min((cy + 1) * CELL_PX, cover.shape[0])):
                    for x in range(cx * CELL_PX, min((cx + 1) * CELL_PX, cover.shape[1])):
                        cover[y, x] = np.uint8(sheet[y, x, 3] * np.float32(255) + np.float32(0.5))
