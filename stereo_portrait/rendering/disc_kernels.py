"""Compiled loops that blur a layer: means over the aperture's shape on row sums, laid under what is nearer."""

import numpy as np

from stereo_portrait.rendering.aperture_shape import BINS_PER_PX, PHASES, TABLE_TO_PX
from stereo_portrait.rendering.cell_kernels import CELL_PX
from stereo_portrait.rendering.compiled import compiled

TILE_PX = 32
MOST_LEVELS = 9
CLOSED = np.float32(1 / 4096)  # light that still gets through, below which a cell is covered


@compiled
def level_of(size, least_radius, count):  # type: ignore[no-untyped-def]
    """The pyramid level on which a disc has between one and two least radii."""
    level = 0
    while level < count - 1 and size >= least_radius * np.float32(2 << level):
        level += 1
    return level


@compiled
def tile_ranges(first, last, depth, active, ranges):  # type: ignore[no-untyped-def]
    """Least and largest blur radius in every tile that has an active cell; (-1, -1) elsewhere."""
    height, width = depth.shape
    cells = TILE_PX // CELL_PX
    for tile_y in range(first, last):
        for tile_x in range(ranges.shape[1]):
            ranges[tile_y, tile_x, 0] = ranges[tile_y, tile_x, 1] = np.float32(-1)
            found = False
            for cy in range(tile_y * cells, min((tile_y + 1) * cells, active.shape[0])):
                for cx in range(tile_x * cells, min((tile_x + 1) * cells, active.shape[1])):
                    if active[cy, cx]:
                        found = True
            if not found:
                continue
            least, most = np.float32(1e9), np.float32(0)
            for y in range(tile_y * TILE_PX, min((tile_y + 1) * TILE_PX, height)):
                for x in range(tile_x * TILE_PX, min((tile_x + 1) * TILE_PX, width)):
                    size = abs(depth[y, x])
                    least = min(least, size)
                    most = max(most, size)
            ranges[tile_y, tile_x, 0], ranges[tile_y, tile_x, 1] = least, most


@compiled
def table_mean(sums, columns, at_x, at_y, radius, starts, counts, spans, scales, weights, mean):  # type: ignore[no-untyped-def]
    """`shape_mean` with the shape's rows from a table (`ApertureShape`): radius to 1/32, the row's phase to 1/8."""
    rows = np.int64(sums.shape[0])
    red, green, blue, alpha, area = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    wide = np.float32(columns)
    slot = int(np.floor(at_y * np.float32(PHASES) + np.float32(0.5)))
    centre, phase = slot // PHASES, slot % PHASES
    for part in range(scales.shape[0]):
        size = int(radius * scales[part] * np.float32(BINS_PER_PX) + np.float32(0.5))
        start_row = centre + starts[size, phase]
        count = np.int64(counts[size, phase])
        for k in range(max(0, -start_row), min(count, rows - start_row)):
            row = np.uint64(start_row + k)
            start = max(at_x - spans[size, phase, k, 0], np.float32(0))
            end = min(at_x + spans[size, phase, k, 1], wide)
            if end <= start:
                continue
            share = spans[size, phase, k, 2] * weights[part]
            i0: int = min(int(start), columns - 1)
            i1: int = min(int(end), columns - 1)
            f0, f1 = start - np.float32(i0), end - np.float32(i1)
            a, b = np.uint64(i0), np.uint64(i1)
            a1, b1 = np.uint64(i0 + 1), np.uint64(i1 + 1)
            area += share * (end - start)
            e0 = f1 * (sums[row, b1, 0] - sums[row, b, 0]) - f0 * (sums[row, a1, 0] - sums[row, a, 0])
            e1 = f1 * (sums[row, b1, 1] - sums[row, b, 1]) - f0 * (sums[row, a1, 1] - sums[row, a, 1])
            e2 = f1 * (sums[row, b1, 2] - sums[row, b, 2]) - f0 * (sums[row, a1, 2] - sums[row, a, 2])
            e3 = f1 * (sums[row, b1, 3] - sums[row, b, 3]) - f0 * (sums[row, a1, 3] - sums[row, a, 3])
            red += share * (sums[row, b, 0] - sums[row, a, 0] + e0)
            green += share * (sums[row, b, 1] - sums[row, a, 1] + e1)
            blue += share * (sums[row, b, 2] - sums[row, a, 2] + e2)
            alpha += share * (sums[row, b, 3] - sums[row, a, 3] + e3)
    if area > np.float32(1e-6):
        inverse = np.float32(1) / area
        mean[0], mean[1], mean[2], mean[3] = red * inverse, green * inverse, blue * inverse, alpha * inverse
    else:
        mean[0] = mean[1] = mean[2] = mean[3] = np.float32(0)


@compiled
def shape_mean(sums, columns, at_x, at_y, radius, reach, high, scales, weights, eye_x, eye_y, mean):  # type: ignore[no-untyped-def]
    """Mean of a level over the aperture's shape around (at_x, at_y), in edge coordinates of that level.

    Only what lies inside the picture counts. (eye_x, eye_y): displacement of the second pupil, in radii.
    """
    rows = sums.shape[0]
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


@compiled
def lay_under(  # type: ignore[no-untyped-def]
    first,
    last,
    own,
    light,
    through,
    seen,
    linear,
    radius,
    index,
    slot,
    sheet,
    depth,
    active,
    ranges,
    levels,
    level_count,
    outline,
    table,
    eye,
    spacing,
    least_radius,
):
    """Blur one layer and lay it under the nearer ones, which are drawn already; `first`, `last`: rows of tiles.

    `through` (H, W): the share of light that the nearer layers let through; `seen` (cells): where that is anything.
    `levels`: row sums of the layer's sheet and its halvings. `outline`: reach, high, scales, weights of the aperture
    for `shape_mean`; `table`: starts, counts, spans for `table_mean`.
    Pixels of the layer itself with a radius under half a pixel are copied from `linear` bit for bit.
    """
    height, width = depth.shape
    reach, high, scales, weights = outline
    starts, counts, spans = table
    corner = np.sqrt(width * width + height * height) / 2
    cells = TILE_PX // CELL_PX
    grid = np.zeros((TILE_PX + 1, TILE_PX + 1, 4), np.float32)
    line = np.zeros((CELL_PX + 1, 4), np.float32)
    row = np.zeros((CELL_PX, 4), np.float32)
    mean = np.zeros(4, np.float32)
    for tile_y in range(first, last):
        for tile_x in range(ranges.shape[1]):
            least, most = ranges[tile_y, tile_x, 0], ranges[tile_y, tile_x, 1]
            if least < 0:
                continue
            y0, x0 = tile_y * TILE_PX, tile_x * TILE_PX
            y1, x1 = min(y0 + TILE_PX, height), min(x0 + TILE_PX, width)
            level = level_of(least, least_radius, level_count)
            step = 1
            if level == 0 and least >= 4:
                step = 2
            elif level >= 1 and most - least < np.float32(0.35) * least:
                step = max(2, 1 << (level - 1))
            elif level >= 1:
                step = 2
            step = min(max(step, spacing if least > 2 * spacing else 1), CELL_PX)
            nodes = TILE_PX // step + 1 if step > 1 else TILE_PX
            for j in range(nodes):
                for i in range(nodes):
                    wanted = False
                    for cy in range(max(j * step - 1, 0) // CELL_PX, min(j * step // CELL_PX, cells - 1) + 1):
                        for cx in range(max(i * step - 1, 0) // CELL_PX, min(i * step // CELL_PX, cells - 1) + 1):
                            v, u = tile_y * cells + cy, tile_x * cells + cx
                            if v < active.shape[0] and u < active.shape[1] and active[v, u]:
                                wanted = True
                    if not wanted:
                        continue
                    y, x = min(y0 + j * step, height - 1), min(x0 + i * step, width - 1)
                    size = depth[y, x]
                    at_x, at_y = np.float32(x0 + i * step), np.float32(y0 + j * step)
                    if step == 1:
                        if y0 + j >= y1 or x0 + i >= x1:
                            continue
                        if abs(size) < np.float32(0.5):
                            for c in range(4):
                                grid[j, i, c] = sheet[y, x, c]
                            continue
                        at_x += np.float32(0.5)
                        at_y += np.float32(0.5)
                    else:
                        # nodes lie on the corners of pixels, so that a mirrored picture has mirrored nodes
                        above = min(max(y0 + j * step - 1, 0), height - 1)
                        before = min(max(x0 + i * step - 1, 0), width - 1)
                        size = np.float32(0.25) * ((size + depth[above, before]) + (depth[above, x] + depth[y, before]))
                    blur = abs(size)
                    own_level = level_of(blur, least_radius, level_count)
                    columns = (width + (1 << own_level) - 1) >> own_level
                    scale = np.float32(1) / np.float32(1 << own_level)
                    if eye == 0 and blur * scale < np.float32(TABLE_TO_PX):
                        table_mean(
                            levels[own_level],
                            columns,
                            at_x * scale,
                            at_y * scale,
                            blur * scale,
                            starts,
                            counts,
                            spans,
                            scales,
                            weights,
                            mean,
                        )
                    else:
                        side = eye if size > 0 else -eye
                        shape_mean(
                            levels[own_level],
                            columns,
                            at_x * scale,
                            at_y * scale,
                            blur * scale,
                            reach,
                            high,
                            scales,
                            weights,
                            np.float32(side * (at_x - width / 2) / corner),
                            np.float32(side * (at_y - height / 2) / corner),
                            mean,
                        )
                    for c in range(4):
                        grid[j, i, c] = mean[c]
            sharp = least < np.float32(0.5)
            shift = 0
            while 1 << shift < step:
                shift += 1
            per_step = np.float32(1) / np.float32(step)
            for cell in range(cells * cells):
                cy, cx = tile_y * cells + cell // cells, tile_x * cells + cell % cells
                if cy >= active.shape[0] or cx >= active.shape[1] or not active[cy, cx]:
                    continue
                left = cx * CELL_PX
                first_node = (left - x0) >> shift
                open_to = np.float32(0)
                for y in range(cy * CELL_PX, min((cy + 1) * CELL_PX, y1)):
                    j = (y - y0) >> shift
                    if step > 1:
                        b = (np.float32((y - y0) - (j << shift)) + np.float32(0.5)) * per_step
                        for i in range((CELL_PX >> shift) + 1):
                            for c in range(4):
                                here = grid[j, first_node + i, c]
                                line[i, c] = here + b * (grid[j + 1, first_node + i, c] - here)
                        for i in range(CELL_PX >> shift):
                            for k in range(step):
                                a = (np.float32(k) + np.float32(0.5)) * per_step
                                for c in range(4):
                                    row[(i << shift) + k, c] = line[i, c] + a * (line[i + 1, c] - line[i, c])
                    else:
                        for i in range(CELL_PX):
                            for c in range(4):
                                row[i, c] = grid[j, first_node + i, c]
                    for i in range(min(CELL_PX, x1 - left)):
                        x = left + i
                        rest = through[y, x]
                        if rest == 0:
                            continue
                        alpha = row[i, 3]
                        if sharp and index[y, x] == own and slot[y, x] == 0 and abs(radius[y, x]) < np.float32(0.5):
                            for c in range(3):
                                light[y, x, c] += rest * linear[y, x, c]
                            through[y, x] = np.float32(0)
                            continue
                        if alpha < np.float32(1e-3):
                            open_to = max(open_to, rest)
                            continue
                        part = rest
                        if alpha > np.float32(0.9999):  # sums of many floats are a little beside 1
                            part /= alpha
                            alpha = np.float32(1)
                        for c in range(3):
                            light[y, x, c] += part * row[i, c]
                        rest *= np.float32(1) - alpha
                        through[y, x] = rest
                        open_to = max(open_to, rest)
                seen[cy, cx] = np.uint8(1 if open_to > CLOSED else 0)
