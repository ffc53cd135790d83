"""Compiled loops that draw lamps: discs with a sharp rim, cut by what stands before them."""

import numpy as np

from stereo_portrait.rendering.compiled import compiled

DEPTH_STEP = 8  # px between kept blur radii of a layer
BAND_PX = 8


@compiled
def rows_with_lamps(first, last, linear, radius, above, least_radius, glaring, found):  # type: ignore[no-untyped-def]
    """1 for a row with pixels that are brighter than `above` and not sharp, 2 for one that has any above `glaring`."""
    for y in range(first, last):
        lit, glares = False, False
        for x in range(radius.shape[1]):
            peak = max(max(linear[y, x, 0], linear[y, x, 1]), linear[y, x, 2])
            size = abs(radius[y, x])
            lit |= (peak > above) & (size >= least_radius)
            glares |= peak > glaring
        found[y] = 2 if glares else 1 if lit else 0


@compiled
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


@compiled
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
