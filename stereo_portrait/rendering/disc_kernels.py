"""Compiled loops that blur a layer: means over the aperture's shape on row sums, laid under what is nearer."""

import numpy as np

from stereo_portrait.rendering.aperture_shape import BINS_PER_PX, PHASES, TABLE_TO_PX
from stereo_portrait.rendering.cell_kernels import CELL_PX
from stereo_portrait.rendering.compiled import compiled

MOST_LEVELS = 9
HOLLOW = np.float32(0.02)  # of a disc's area within the picture
CLOSED = np.float32(1 / 4096)  # light that still gets through, below which a cell is covered


@compiled
def level_of(size, least_radius, count):  # type: ignore[no-untyped-def]
    """The pyramid level on which a disc has between one and two least radii."""
    level = 0
    while level < count - 1 and size >= least_radius * np.float32(2 << level):
        level += 1
    return level


@compiled
def table_mean(sums, at, rows, columns, stride, at_x, at_y, radius, starts, counts, spans, scales, weights, mean):  # type: ignore[no-untyped-def]
    """`shape_mean` with the shape's rows from a table (`ApertureShape`): radius to 1/32, the row's phase to 1/8."""
    red, green, blue, alpha, area = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    solid_red, solid_green, solid_blue, solid_alpha, solid = red, green, blue, alpha, area
    wide = np.float32(columns)
    slot = int(np.floor(at_y * np.float32(PHASES) + np.float32(0.5)))
    centre, phase = slot // PHASES, slot % PHASES
    for part in range(scales.shape[0]):
        if part == 1:
            solid_red, solid_green, solid_blue, solid_alpha, solid = red, green, blue, alpha, area
        size = int(radius * scales[part] * np.float32(BINS_PER_PX) + np.float32(0.5))
        start_row = centre + starts[size, phase]
        count = np.int64(counts[size, phase])
        for k in range(max(0, -start_row), min(count, rows - start_row)):
            start = max(at_x - spans[size, phase, k, 0], np.float32(0))
            end = min(at_x + spans[size, phase, k, 1], wide)
            if end <= start:
                continue
            share = spans[size, phase, k, 2] * weights[part]
            i0: int = min(int(start), columns - 1)
            i1: int = min(int(end), columns - 1)
            f0, f1 = start - np.float32(i0), end - np.float32(i1)
            row = at + (start_row + k) * stride
            a, a1 = np.uint64(row + i0), np.uint64(row + i0 + 1)
            b, b1 = np.uint64(row + i1), np.uint64(row + i1 + 1)
            area += share * (end - start)
            e0 = f1 * (sums[b1, 0] - sums[b, 0]) - f0 * (sums[a1, 0] - sums[a, 0])
            e1 = f1 * (sums[b1, 1] - sums[b, 1]) - f0 * (sums[a1, 1] - sums[a, 1])
            e2 = f1 * (sums[b1, 2] - sums[b, 2]) - f0 * (sums[a1, 2] - sums[a, 2])
            e3 = f1 * (sums[b1, 3] - sums[b, 3]) - f0 * (sums[a1, 3] - sums[a, 3])
            red += share * (sums[b, 0] - sums[a, 0] + e0)
            green += share * (sums[b, 1] - sums[a, 1] + e1)
            blue += share * (sums[b, 2] - sums[a, 2] + e2)
            alpha += share * (sums[b, 3] - sums[a, 3] + e3)
    if area < HOLLOW * solid:  # a ring that lies outside the picture: what is inside it is all there is
        red, green, blue, alpha, area = solid_red, solid_green, solid_blue, solid_alpha, solid
    inverse = np.float32(1) / area if area > np.float32(1e-6) else np.float32(0)
    mean[0], mean[1], mean[2], mean[3] = red * inverse, green * inverse, blue * inverse, alpha * inverse


@compiled
def shape_mean(sums, at, rows, columns, stride, at_x, at_y, radius, reach, high, scales, weights, eye_x, eye_y, mean):  # type: ignore[no-untyped-def]
    """Mean of a level over the aperture's shape around (at_x, at_y), in edge coordinates of that level.

    `sums` (N, 4): row sums of all levels; this one starts at `at`, its rows are `stride` apart. Only what lies inside
    the picture counts. (eye_x, eye_y): displacement of the second pupil, in radii.
    """
    steps = reach.shape[0] - 1
    red, green, blue, alpha, area = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    solid_red, solid_green, solid_blue, solid_alpha, solid = red, green, blue, alpha, area
    for part in range(scales.shape[0]):
        if part == 1:
            solid_red, solid_green, solid_blue, solid_alpha, solid = red, green, blue, alpha, area
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
        for y in range(first_row, end_row):
            top, bottom = max(np.float32(y), above), min(np.float32(y + 1), below)
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
            row = at + y * stride
            a, b = row + i0, row + i1
            e0 = f1 * (sums[b + 1, 0] - sums[b, 0]) - f0 * (sums[a + 1, 0] - sums[a, 0])
            e1 = f1 * (sums[b + 1, 1] - sums[b, 1]) - f0 * (sums[a + 1, 1] - sums[a, 1])
            e2 = f1 * (sums[b + 1, 2] - sums[b, 2]) - f0 * (sums[a + 1, 2] - sums[a, 2])
            e3 = f1 * (sums[b + 1, 3] - sums[b, 3]) - f0 * (sums[a + 1, 3] - sums[a, 3])
            red += share * (sums[b, 0] - sums[a, 0] + e0)
            green += share * (sums[b, 1] - sums[a, 1] + e1)
            blue += share * (sums[b, 2] - sums[a, 2] + e2)
            alpha += share * (sums[b, 3] - sums[a, 3] + e3)
    if area < HOLLOW * solid:  # a ring that lies outside the picture: what is inside it is all there is
        red, green, blue, alpha, area = solid_red, solid_green, solid_blue, solid_alpha, solid
    inverse = np.float32(1) / area if area > np.float32(1e-6) else np.float32(0)
    mean[0], mean[1], mean[2], mean[3] = red * inverse, green * inverse, blue * inverse, alpha * inverse


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
    sums,
    places,
    lowest,
    highest,
    outline,
    table,
    eye,
    spacing,
    least_radius,
):
    """Blur one layer and lay it under the nearer ones, which are drawn already; `first`, `last`: rows of cells.

    `through` (H, W): the share of light that the nearer layers let through; `seen` (cells): where that is anything.
    `ranges` (cells, 2): least and largest blur radius. `sums`, `places` (levels, 4): row sums of the layer's sheet and
    its halvings, and of each level its start, rows, columns and stride; filled from `lowest` to `highest`.
    `outline`: reach, high, scales, weights of the aperture for `shape_mean`; `table`: starts, counts, spans for
    `table_mean`. Pixels of the layer itself with a radius under half a pixel are copied from `linear` bit for bit.
    """
    height, width = depth.shape
    reach, high, scales, weights = outline
    starts, counts, spans = table
    corner = np.sqrt(width * width + height * height) / 2
    grid = np.zeros((CELL_PX + 1, CELL_PX + 1, 4), np.float32)
    line = np.zeros((CELL_PX + 1, 4), np.float32)
    row = np.zeros((CELL_PX, 4), np.float32)
    mean = np.zeros(4, np.float32)
    for cy in range(first, last):
        for cx in range(active.shape[1]):
            if not active[cy, cx]:
                continue
            least, most = ranges[cy, cx, 0], ranges[cy, cx, 1]
            y0, x0 = cy * CELL_PX, cx * CELL_PX
            y1, x1 = min(y0 + CELL_PX, height), min(x0 + CELL_PX, width)
            level = level_of(least, least_radius, len(places))
            shift = 0
            if level > 0:
                shift = max(1, level - 1) if most - least < np.float32(0.35) * least else 1
            elif least >= 2.5:
                shift = 1
            if least > 2 * spacing:
                while 1 << shift < spacing:
                    shift += 1
            shift = min(shift, 4)
            step = 1 << shift
            nodes = (CELL_PX >> shift) + 1 if step > 1 else CELL_PX
            for j in range(nodes):
                for i in range(nodes):
                    v, u = y0 + (j << shift), x0 + (i << shift)
                    y, x = min(v, height - 1), min(u, width - 1)
                    size = depth[y, x]
                    at_x, at_y = np.float32(u), np.float32(v)
                    if step == 1:
                        if v >= y1 or u >= x1 or through[y, x] == 0:
                            continue
                        if abs(size) < np.float32(0.5):
                            for c in range(4):
                                grid[j, i, c] = sheet[y, x, c]
                            continue
                        at_x += np.float32(0.5)
                        at_y += np.float32(0.5)
                    else:
                        # nodes lie on the corners of pixels, so that a mirrored picture has mirrored nodes
                        above, before = min(max(v - 1, 0), height - 1), min(max(u - 1, 0), width - 1)
                        size = np.float32(0.25) * ((size + depth[above, before]) + (depth[above, x] + depth[y, before]))
                    blur = abs(size)
                    # nodes on a cell's rim may lie in a neighbour that is blurred differently and not drawn
                    own_level = max(lowest, level_of(blur, least_radius, highest + 1))
                    scale = np.float32(1) / np.float32(1 << own_level)
                    if eye == 0 and blur * scale < np.float32(TABLE_TO_PX):
                        table_mean(
                            sums,
                            places[own_level, 0],
                            places[own_level, 1],
                            places[own_level, 2],
                            places[own_level, 3],
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
                            sums,
                            places[own_level, 0],
                            places[own_level, 1],
                            places[own_level, 2],
                            places[own_level, 3],
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
            per_step = np.float32(1) / np.float32(step)
            open_to = np.float32(0)
            for y in range(y0, y1):
                j = (y - y0) >> shift
                if step > 1:
                    b = (np.float32((y - y0) - (j << shift)) + np.float32(0.5)) * per_step
                    for i in range(nodes):
                        for c in range(4):
                            line[i, c] = grid[j, i, c] + b * (grid[j + 1, i, c] - grid[j, i, c])
                    for i in range(nodes - 1):
                        for k in range(step):
                            a = (np.float32(k) + np.float32(0.5)) * per_step
                            for c in range(4):
                                row[(i << shift) + k, c] = line[i, c] + a * (line[i + 1, c] - line[i, c])
                else:
                    for i in range(CELL_PX):
                        for c in range(4):
                            row[i, c] = grid[j, i, c]
                for x in range(x0, x1):
                    rest = through[y, x]
                    if rest == 0:
                        continue
                    i = x - x0
                    if sharp and index[y, x] == own and slot[y, x] == 0 and abs(radius[y, x]) < np.float32(0.5):
                        for c in range(3):
                            light[y, x, c] += rest * linear[y, x, c]
                        through[y, x] = np.float32(0)
                        continue
                    alpha = row[i, 3]
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
