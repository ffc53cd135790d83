"""Compiled loops of the lens blur: pyramids, hole filling, discs by row sums, lamps.

Every output row (tile, lamp band) is written by one call alone, so results do not depend on the number of threads.
"""

import numba
import numpy as np

numba.config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]  # four channels in one register: 0.6 of the time

TILE_PX = 32
CELL_PX = 16
BLOCK_PX = 4
MOST_LEVELS = 9
DEPTH_STEP = 8  # px between kept blur radii of a layer
BAND_PX = 8


@numba.njit(nogil=True, cache=True)
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


@numba.njit(nogil=True, cache=True)
def push(first, last, coarse, fine, fine_weight):  # type: ignore[no-untyped-def]
    """Fill what has no weight at the fine level bilinearly from the coarse one."""
    _, width, channels = fine.shape
    rows, columns = coarse.shape[0], coarse.shape[1]
    for y in range(first, last):
        v = min(max((y + 0.5) / 2 - 0.5, 0.0), rows - 1.0)
        j = min(int(v), max(rows - 2, 0))
        b = np.float32(v - j)
        j1 = min(j + 1, rows - 1)
        for x in range(width):
            if fine_weight[y, x] > 0:
                continue
            u = min(max((x + 0.5) / 2 - 0.5, 0.0), columns - 1.0)
            i = min(int(u), max(columns - 2, 0))
            a = np.float32(u - i)
            i1 = min(i + 1, columns - 1)
            for c in range(channels):
                above = coarse[j, i, c] + a * (coarse[j, i1, c] - coarse[j, i, c])
                below = coarse[j1, i, c] + a * (coarse[j1, i1, c] - coarse[j1, i, c])
                fine[y, x, c] = above + b * (below - above)


@numba.njit(nogil=True, cache=True)
def halve(first, last, fine, coarse):  # type: ignore[no-untyped-def]
    """Means of 2 x 2 values (h, w, 4); a last odd row or column stands for itself."""
    for y in range(first, last):
        j, j1 = 2 * y, min(2 * y + 1, fine.shape[0] - 1)
        for x in range(coarse.shape[1]):
            i, i1 = 2 * x, min(2 * x + 1, fine.shape[1] - 1)
            for c in range(4):
                coarse[y, x, c] = np.float32(0.25) * (fine[j, i, c] + fine[j, i1, c] + fine[j1, i, c] + fine[j1, i1, c])


@numba.njit(nogil=True, cache=True)
def row_sums(first, last, values, sums):  # type: ignore[no-untyped-def]
    """sums[y, x] = values[y, :x] added up; (h, w, 4) -> (h, w + 1, 4)."""
    for y in range(first, last):
        red, green, blue, alpha = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        sums[y, 0, 0] = sums[y, 0, 1] = sums[y, 0, 2] = sums[y, 0, 3] = np.float32(0)
        for x in range(values.shape[1]):
            red += values[y, x, 0]
            green += values[y, x, 1]
            blue += values[y, x, 2]
            alpha += values[y, x, 3]
            sums[y, x + 1, 0] = red
            sums[y, x + 1, 1] = green
            sums[y, x + 1, 2] = blue
            sums[y, x + 1, 3] = alpha


@numba.njit(nogil=True, cache=True)
def shape_mean(sums, at_x, at_y, radius, reach, high, scales, weights, eye_x, eye_y, mean):  # type: ignore[no-untyped-def]
    """Mean of a level over the aperture's shape around (at_x, at_y), in edge coordinates of that level.

    Only what lies inside the picture counts. (eye_x, eye_y): displacement of the second pupil, in radii.
    """
    rows, columns = sums.shape[0], sums.shape[1] - 1
    steps = reach.shape[0] - 1
    red, green, blue, alpha, area = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for part in range(scales.shape[0]):
        size = radius * scales[part]
        tall = size * high
        above, below = at_y - tall, at_y + tall
        first_row, end_row = max(0, int(np.floor(above))), min(rows, int(np.ceil(below)))
        per_px = np.float32(steps) / (np.float32(2) * tall)
        square = size * size
        place = max(np.float32(0), (np.float32(first_row) - above) * per_px)
        slot = min(int(place), steps - 1)
        rest = place - slot
        left_before = reach[slot, 0] + rest * (reach[slot + 1, 0] - reach[slot, 0])
        right_before = reach[slot, 1] + rest * (reach[slot + 1, 1] - reach[slot, 1])
        for row in range(first_row, end_row):
            top, bottom = max(np.float32(row), above), min(np.float32(row + 1), below)
            slice_px = bottom - top
            if slice_px <= np.float32(1e-6):
                continue
            place = min((bottom - above) * per_px, np.float32(steps))
            slot = min(int(place), steps - 1)
            rest = place - slot
            left_sum = reach[slot, 0] + rest * (reach[slot + 1, 0] - reach[slot, 0])
            right_sum = reach[slot, 1] + rest * (reach[slot + 1, 1] - reach[slot, 1])
            widen = square if slice_px > np.float32(0.9999) else square / slice_px
            left = (left_sum - left_before) * widen
            right = (right_sum - right_before) * widen
            left_before, right_before = left_sum, right_sum
            share = slice_px * weights[part]
            start, end = at_x - left, at_x + right
            if eye_x != 0 or eye_y != 0:
                v = (np.float32(0.5) * (top + bottom) - at_y) / size - eye_y
                if v * v >= 1:
                    continue
                half = np.sqrt(1 - v * v)
                start = max(start, at_x + size * (eye_x - half))
                end = min(end, at_x + size * (eye_x + half))
            start, end = max(start, np.float32(0)), min(end, np.float32(columns))
            if end <= start:
                continue
            i0, i1 = min(int(start), columns - 1), min(int(end), columns - 1)
            f0, f1 = start - i0, end - i1
            area += share * (end - start)
            red += share * (
                sums[row, i1, 0]
                - sums[row, i0, 0]
                + f1 * (sums[row, i1 + 1, 0] - sums[row, i1, 0])
                - f0 * (sums[row, i0 + 1, 0] - sums[row, i0, 0])
            )
            green += share * (
                sums[row, i1, 1]
                - sums[row, i0, 1]
                + f1 * (sums[row, i1 + 1, 1] - sums[row, i1, 1])
                - f0 * (sums[row, i0 + 1, 1] - sums[row, i0, 1])
            )
            blue += share * (
                sums[row, i1, 2]
                - sums[row, i0, 2]
                + f1 * (sums[row, i1 + 1, 2] - sums[row, i1, 2])
                - f0 * (sums[row, i0 + 1, 2] - sums[row, i0, 2])
            )
            alpha += share * (
                sums[row, i1, 3]
                - sums[row, i0, 3]
                + f1 * (sums[row, i1 + 1, 3] - sums[row, i1, 3])
                - f0 * (sums[row, i0 + 1, 3] - sums[row, i0, 3])
            )
    if area > 1e-6:
        mean[0], mean[1], mean[2], mean[3] = red / area, green / area, blue / area, alpha / area
    else:
        mean[0] = mean[1] = mean[2] = mean[3] = np.float32(0)


@numba.njit(nogil=True, cache=True)
def gather_over(  # type: ignore[no-untyped-def]
    first,
    last,
    light,
    covered,
    linear,
    index,
    mixed,
    own,
    left,
    top,
    radius,
    busy,
    hides,
    sheet,
    levels,
    level_count,
    reach,
    high,
    scales,
    weights,
    eye,
    spacing,
    least_radius,
):
    """Blur one layer and lay it over `light`.

    `radius` (h, w): the layer's signed blur radius, (left, top) its place in the picture; `sheet` (h, w, 4): its light
    and coverage; `levels`: row sums of the sheet and its halvings; `busy` (cells): where anything is covered.
    Pixels of the layer itself with a radius under half a pixel are copied from `linear` bit for bit.
    """
    height, width = radius.shape
    across = (width + TILE_PX - 1) // TILE_PX
    full_height, full_width = light.shape[0], light.shape[1]
    corner = np.sqrt(full_width * full_width + full_height * full_height) / 2
    for tile in range(first, last):
        y0, x0 = (tile // across) * TILE_PX, (tile % across) * TILE_PX
        y1, x1 = min(y0 + TILE_PX, height), min(x0 + TILE_PX, width)
        if hides[(y0 + top) // TILE_PX, (x0 + left) // TILE_PX] > own:
            continue
        least, most = np.float32(1e9), np.float32(0)
        for y in range(y0, y1):
            for x in range(x0, x1):
                size = abs(radius[y, x])
                least = min(least, size)
                most = max(most, size)
        space = int(most * max(high, 1.6)) + 1
        found = False
        for j in range(max(0, (y0 - space) // CELL_PX), min(busy.shape[0], (y1 + space) // CELL_PX + 1)):
            for i in range(max(0, (x0 - space) // CELL_PX), min(busy.shape[1], (x1 + space) // CELL_PX + 1)):
                if busy[j, i]:
                    found = True
        if not found:
            continue
        level = 0
        while level < level_count - 1 and least >= least_radius * 2 * (1 << level):
            level += 1
        step = 1
        if level == 0 and least >= 4:
            step = 2
        elif level >= 1 and most - least < 0.35 * least:
            step = max(2, 1 << (level - 1))
        step = min(max(step, spacing if least > 2 * spacing else 1), TILE_PX // 2)
        nodes = TILE_PX // step + 1
        grid = np.zeros((nodes, nodes, 4), np.float32)
        mean = np.zeros(4, np.float32)
        scale = np.float32(1.0 / (1 << level))
        sums = levels[level]
        for j in range(nodes):
            for i in range(nodes):
                y, x = min(y0 + j * step, height - 1), min(x0 + i * step, width - 1)
                own_radius = radius[y, x]
                at_x, at_y = np.float32(x0 + i + 0.5), np.float32(y0 + j + 0.5)
                if step == 1:
                    if y0 + j >= y1 or x0 + i >= x1:
                        continue
                    if abs(own_radius) < 0.5:
                        for c in range(4):
                            grid[j, i, c] = sheet[y, x, c]
                        continue
                else:
                    # nodes lie on the corners of pixels, so that a mirrored picture has mirrored nodes
                    at_x, at_y = np.float32(x0 + i * step), np.float32(y0 + j * step)
                    above, before = max(y0 + j * step - 1, 0), max(x0 + i * step - 1, 0)
                    above, before = min(above, height - 1), min(before, width - 1)
                    own_radius = np.float32(0.25) * (
                        (own_radius + radius[above, before]) + (radius[above, x] + radius[y, before])
                    )
                size = abs(own_radius)
                eye_x, eye_y = np.float32(0), np.float32(0)
                if eye > 0:
                    side = np.float32(eye if own_radius > 0 else -eye)
                    eye_x = np.float32(side * (at_x + left - full_width / 2) / corner)
                    eye_y = np.float32(side * (at_y + top - full_height / 2) / corner)
                shape_mean(
                    sums,
                    at_x * scale,
                    at_y * scale,
                    np.float32(size * scale),
                    reach,
                    high,
                    scales,
                    weights,
                    eye_x,
                    eye_y,
                    mean,
                )
                for c in range(4):
                    grid[j, i, c] = mean[c]
        for y in range(y0, y1):
            j = (y - y0) // step
            b = (np.float32((y - y0) - j * step) + np.float32(0.5)) / np.float32(step)
            for x in range(x0, x1):
                i = (x - x0) // step
                if step == 1:
                    red, green, blue, alpha = grid[j, i, 0], grid[j, i, 1], grid[j, i, 2], grid[j, i, 3]
                else:
                    a = (np.float32((x - x0) - i * step) + np.float32(0.5)) / np.float32(step)
                    w00, w01, w10, w11 = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
                    red = (
                        w00 * grid[j, i, 0]
                        + w01 * grid[j, i + 1, 0]
                        + w10 * grid[j + 1, i, 0]
                        + w11 * grid[j + 1, i + 1, 0]
                    )
                    green = (
                        w00 * grid[j, i, 1]
                        + w01 * grid[j, i + 1, 1]
                        + w10 * grid[j + 1, i, 1]
                        + w11 * grid[j + 1, i + 1, 1]
                    )
                    blue = (
                        w00 * grid[j, i, 2]
                        + w01 * grid[j, i + 1, 2]
                        + w10 * grid[j + 1, i, 2]
                        + w11 * grid[j + 1, i + 1, 2]
                    )
                    alpha = (
                        w00 * grid[j, i, 3]
                        + w01 * grid[j, i + 1, 3]
                        + w10 * grid[j + 1, i, 3]
                        + w11 * grid[j + 1, i + 1, 3]
                    )
                v, u = y + top, x + left
                if index[v, u] == own and not mixed[v, u] and abs(radius[y, x]) < 0.5:
                    light[v, u, 0], light[v, u, 1], light[v, u, 2] = linear[v, u, 0], linear[v, u, 1], linear[v, u, 2]
                    covered[v, u] = np.float32(1)
                    continue
                if alpha < 1e-3:
                    continue
                rest = max(np.float32(0), 1 - alpha)
                light[v, u, 0] = light[v, u, 0] * rest + red
                light[v, u, 1] = light[v, u, 1] * rest + green
                light[v, u, 2] = light[v, u, 2] * rest + blue
                covered[v, u] = covered[v, u] * rest + alpha


@numba.njit(nogil=True, cache=True)
def even_out(first, last, light, covered):  # type: ignore[no-untyped-def]
    """Divide by the coverage of all layers together, which rounding leaves a little beside 1."""
    for y in range(first, last):
        for x in range(covered.shape[1]):
            if covered[y, x] != 1 and covered[y, x] > 1e-3:
                for c in range(3):
                    light[y, x, c] /= covered[y, x]


@numba.njit(nogil=True, cache=True)
def lamp_density(dx, dy, size, outline, is_round, scales, weights):  # type: ignore[no-untyped-def]
    """How bright a lamp's disc of radius `size` is at (dx, dy) from its centre; its rim is one pixel wide."""
    distance = np.sqrt(dx * dx + dy * dy)
    rim = size
    if not is_round:
        turns = outline.shape[0]
        turn = np.arctan2(dy, dx) * np.float32(turns / (2 * np.pi))
        slot = int(turn) if turn >= 0 else int(turn + turns)
        rim = size * outline[min(slot, turns - 1)]
    density = np.float32(0)
    for part in range(scales.shape[0]):
        inside = rim * scales[part] - distance + np.float32(0.5)
        density += weights[part] * min(np.float32(1), max(np.float32(0), inside))
    return max(density, np.float32(0))


@numba.njit(nogil=True, cache=True)
def draw_lamps(first, last, light, at, power, radius, index, covers, depths, outline, scales, weights, widest, eye):  # type: ignore[no-untyped-def]
    """Every lamp as a disc with a rim of one pixel; each of its pixels is dimmed by the nearer layers in its ray.

    The ray from lamp q to pixel p passes the aperture at u = (q - p) / r_q and a layer of blur radius r at p + u r.
    Lamps are sorted by row; each iteration owns a band of rows.
    """
    height, width = light.shape[0], light.shape[1]
    is_round = outline.min() > 0.9999
    filled = np.float32(0)
    for part in range(scales.shape[0]):
        filled += weights[part] * scales[part] * scales[part]
    corner = np.sqrt(width * width + height * height) / 2
    for band in range(first, last):
        start, end = band * BAND_PX, min((band + 1) * BAND_PX, height)
        for n in range(at.shape[0]):
            size = abs(radius[n])
            space = size * widest + 1
            if at[n, 1] + space < start or at[n, 1] - space > end:
                continue
            inverse = np.float32(1) / radius[n]
            if size > 16:
                share = np.float32(1) / (np.float32(np.pi) * (size * size + np.float32(1 / 12)) * filled)
            else:
                total = np.float32(0)
                for y in range(int(np.floor(at[n, 1] - space)), int(at[n, 1] + space) + 2):
                    for x in range(int(np.floor(at[n, 0] - space)), int(at[n, 0] + space) + 2):
                        total += lamp_density(at[n, 0] - x, at[n, 1] - y, size, outline, is_round, scales, weights)
                share = np.float32(1) / max(total, np.float32(1e-3))
            for y in range(max(start, int(np.ceil(at[n, 1] - space))), min(end, int(at[n, 1] + space) + 1)):
                dy = at[n, 1] - y
                for x in range(max(0, int(np.ceil(at[n, 0] - space))), min(width, int(at[n, 0] + space) + 1)):
                    dx = at[n, 0] - x
                    weight = lamp_density(dx, dy, size, outline, is_round, scales, weights)
                    if weight <= 0:
                        continue
                    ux, uy = dx * inverse, dy * inverse
                    if eye > 0:
                        side = eye if radius[n] > 0 else -eye
                        ex = dx / size - side * (x - width / 2) / corner
                        ey = dy / size - side * (y - height / 2) / corner
                        weight *= min(1.0, max(0.0, (1 - np.sqrt(ex * ex + ey * ey)) * size + 0.5))
                    weight *= share
                    for layer in range(index[n] + 1, covers.shape[0]):
                        nearer = depths[layer, y // DEPTH_STEP, x // DEPTH_STEP]
                        if abs(nearer) < 0.5:
                            nearer = np.float32(0)
                        px = min(max(x + ux * nearer, 0.0), width - 1.0)
                        py = min(max(y + uy * nearer, 0.0), height - 1.0)
                        x0, y0 = min(int(px), width - 2), min(int(py), height - 2)
                        fx, fy = px - x0, py - y0
                        above = (1 - fx) * covers[layer, y0, x0] + fx * covers[layer, y0, x0 + 1]
                        below = (1 - fx) * covers[layer, y0 + 1, x0] + fx * covers[layer, y0 + 1, x0 + 1]
                        weight *= 1 - ((1 - fy) * above + fy * below) * (1.0 / 255.0)
                    if weight > 0:
                        light[y, x, 0] += weight * power[n, 0]
                        light[y, x, 1] += weight * power[n, 1]
                        light[y, x, 2] += weight * power[n, 2]


@numba.njit(nogil=True, cache=True)
def depth_blocks(first, last, depth, known, blocks, block_known):  # type: ignore[no-untyped-def]
    """Mean of the known depths of every BLOCK_PX x BLOCK_PX block."""
    for y in range(first, last):
        for x in range(blocks.shape[1]):
            total, count = np.float32(0), np.float32(0)
            for j in range(y * BLOCK_PX, min((y + 1) * BLOCK_PX, depth.shape[0])):
                for i in range(x * BLOCK_PX, min((x + 1) * BLOCK_PX, depth.shape[1])):
                    if known[j, i]:
                        total += depth[j, i]
                        count += 1
            blocks[y, x, 0] = total / count if count > 0 else np.float32(0)
            block_known[y, x] = np.float32(1) if count > 0 else np.float32(0)


@numba.njit(nogil=True, cache=True)
def spread_depth(first, last, blocks, known, depth):  # type: ignore[no-untyped-def]
    """Unknown depths read bilinearly from filled blocks."""
    rows, columns = blocks.shape[0], blocks.shape[1]
    for y in range(first, last):
        v = min(max((y + 0.5) / BLOCK_PX - 0.5, 0.0), rows - 1.0)
        j = min(int(v), max(rows - 2, 0))
        b = np.float32(v - j)
        j1 = min(j + 1, rows - 1)
        for x in range(depth.shape[1]):
            if known[y, x]:
                continue
            u = min(max((x + 0.5) / BLOCK_PX - 0.5, 0.0), columns - 1.0)
            i = min(int(u), max(columns - 2, 0))
            a = np.float32(u - i)
            i1 = min(i + 1, columns - 1)
            above = blocks[j, i, 0] + a * (blocks[j, i1, 0] - blocks[j, i, 0])
            below = blocks[j1, i, 0] + a * (blocks[j1, i1, 0] - blocks[j1, i, 0])
            depth[y, x] = above + b * (below - above)


@numba.njit(nogil=True, cache=True)
def tile_layers(first, last, index, flags, radius, least, widest):  # type: ignore[no-untyped-def]
    """Farthest layer seen in every tile (of a mixed pixel: flags - 1) and the tile's widest blur."""
    height, width = index.shape
    for j in range(first, last):
        for i in range(least.shape[1]):
            low, size = np.uint8(255), np.float32(0)
            for y in range(j * TILE_PX, min((j + 1) * TILE_PX, height)):
                for x in range(i * TILE_PX, min((i + 1) * TILE_PX, width)):
                    low = min(low, index[y, x])
                    size = max(size, abs(radius[y, x]))
                    if flags[y, x] > 0:
                        low = min(low, np.uint8(flags[y, x] - 1))
            least[j, i], widest[j, i] = low, size


@numba.njit(nogil=True, cache=True)
def hiding(first, last, least, reach, result):  # type: ignore[no-untyped-def]
    """The farthest layer within every tile's reach: layers behind it are hidden there, however all is blurred."""
    rows, columns = least.shape
    for j in range(first, last):
        for i in range(columns):
            space = int(reach[j, i]) // TILE_PX + 1
            low = least[j, i]
            for v in range(max(0, j - space), min(rows, j + space + 1)):
                for u in range(max(0, i - space), min(columns, i + space + 1)):
                    low = min(low, least[v, u])
            result[j, i] = low
