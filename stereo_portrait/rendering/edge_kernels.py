"""Compiled loops at depth edges: which two depths meet in a pixel, and how much of it the nearer one covers."""

import numpy as np

from stereo_portrait.rendering.compiled import compiled

REACH_PX = 3  # how far from a depth edge coverage is estimated
OFFSETS = np.array([-6, -4, -2, 0, 1, 3, 5, 7], np.int64)  # of a quad's samples of colour, along both axes
SAMPLES = len(OFFSETS)
SAMPLE_PX = 7  # the widest of them
SHARP_BELOW_PX = 0.5
PRIORS = np.array([0.15, 0.3, 0.02, 0.12, 0.0, 0.06], np.float32)
LIKE_PX = 0.75  # radii closer than this (or a quarter of the jump) are the same side


@compiled
def settle(first, last, radius, near, far, step, steepest, out):  # type: ignore[no-untyped-def]
    """Pixels on the ramp of a soft depth edge go to the nearer end of the ramp.

    `near`, `far` (H, W): largest and smallest radius in a wide window; `step`: their difference in the 3 x 3 window;
    `steepest`: the largest step nearby, by which an edge is told from a slanted surface.
    """
    height, width = radius.shape
    for y in range(first, last):
        for x in range(width):
            own = radius[y, x]
            out[y, x] = own
            top, bottom = near[y, x], far[y, x]
            jump = top - bottom
            if jump < 2 or step[y, x] < 0.12 * jump or steepest[y, x] < 0.4 * jump:
                continue
            tolerance = max(np.float32(0.5), np.float32(0.08) * jump)
            if own > top - tolerance or own < bottom + tolerance:
                continue
            alike = 0
            for j in range(max(0, y - 1), min(height, y + 2)):
                for i in range(max(0, x - 1), min(width, x + 2)):
                    if abs(radius[j, i] - own) < 0.04 * jump:
                        alike += 1
            if alike >= 5:
                continue
            out[y, x] = top if own - bottom > 0.5 * jump else bottom


@compiled
def trusted_roots(first, last, linear, radius, around, least_jump, roots, trust):  # type: ignore[no-untyped-def]
    """What `cover` samples, where `around` (H, W) says.

    roots (H, W, 4): square roots of the light, which even out the noise of bright and dark, and the sum of their
    squares; trust (H, W): c^6, c being the share of the 3 x 3 pixels around that are at the same depth.
    """
    height, width = radius.shape
    for y in range(first, last):
        for x in range(width):
            if not around[y, x]:
                continue
            own = radius[y, x]
            alike = 0
            for j in range(y - 1, y + 2):
                for i in range(x - 1, x + 2):
                    v, u = min(max(j, 0), height - 1), min(max(i, 0), width - 1)
                    if abs(radius[v, u] - own) <= least_jump:
                        alike += 1
            share = np.float32(alike) * np.float32(1 / 9)
            share *= share
            trust[y, x] = share * share * share
            red, green, blue = np.sqrt(linear[y, x, 0]), np.sqrt(linear[y, x, 1]), np.sqrt(linear[y, x, 2])
            roots[y, x, 0], roots[y, x, 1], roots[y, x, 2] = red, green, blue
            roots[y, x, 3] = red * red + green * green + blue * blue


@compiled
def meeting_radii(y, x, high, low, least_jump):  # type: ignore[no-untyped-def]
    """Largest and smallest radius in the narrowest window around a pixel that holds an edge, and its reach."""
    height, width = high.shape
    near, far, away = high[y, x], low[y, x], 1
    while near - far <= least_jump and away < REACH_PX:
        # a wider window is the union of narrow ones
        away += 1
        for j in range(y - away + 1, y + away, 2):
            for i in range(x - away + 1, x + away, 2):
                v, u = min(max(j, 0), height - 1), min(max(i, 0), width - 1)
                near = max(near, high[v, u])
                far = min(far, low[v, u])
    return near, far, away


@compiled
def cover(  # type: ignore[no-untyped-def]
    first,
    last,
    linear,
    radius,
    high,
    low,
    roots,
    trust,
    quads,
    cuts,
    least_jump,
    tune,
    result,
    near_index,
    far_index,
    mixed,
    moved,
):
    """Coverage and both colours of every pixel in `quads` (flat indices of 2 x 2 pixels) in which two layers meet.

    Each side's colour is a Gaussian around its mean over a window around the quad; coverage a is the best of
    I = a F + (1 - a) B + noise with a prior at the side that the depth says, the tighter the farther from the edge [1].
    result[n]: a, near radius, far radius, F (3), B (3), both layers in `near_index`, `far_index`; `mixed`: where it
    holds (n: the quad's place times 4, and the pixel in it). `moved` (H, W) gets the radius of pixels that belong to
    the other side after all. What is in focus in front of an edge is left alone. `high`, `low`: largest and smallest
    radius in the 3 x 3 window.

    [1] Chuang et al., "A Bayesian Approach to Digital Matting", CVPR 2001, in one closed step.
    """
    height, width = radius.shape
    across = (width + 1) // 2
    closeness = np.empty((SAMPLES, SAMPLES), np.float32)
    for j in range(SAMPLES):
        for i in range(SAMPLES):
            dy, dx = np.float32(OFFSETS[j]) - np.float32(0.5), np.float32(OFFSETS[i]) - np.float32(0.5)
            closeness[j, i] = np.float32(1) / (np.float32(4) + dy * dy + dx * dx)
    for quad in range(first, last):
        y0, x0 = quads[quad] // across * 2, quads[quad] % across * 2
        front_above, back_below = np.float32(-1e30), np.float32(1e30)
        found = False
        for k in range(4):
            n = 4 * quad + k
            mixed[n] = np.uint8(0)
            near_index[n] = far_index[n] = np.uint8(0)
            y, x = y0 + k // 2, x0 + k % 2
            if y >= height or x >= width:
                continue
            near, far, away = meeting_radii(y, x, high, low, least_jump)
            jump = near - far
            if jump <= least_jump:
                continue
            is_front = radius[y, x] > np.float32(0.5) * (near + far)
            if is_front and abs(radius[y, x]) < np.float32(SHARP_BELOW_PX):
                continue
            near_layer, far_layer = np.uint8(0), np.uint8(0)
            for cut in cuts:
                near_layer += np.uint8(near > cut)
                far_layer += np.uint8(far > cut)
            if near_layer == far_layer:
                continue
            near_index[n], far_index[n] = near_layer, far_layer
            result[n, 0], result[n, 1], result[n, 2] = np.float32(away), near, far
            like = max(np.float32(LIKE_PX), np.float32(0.25) * jump)
            front_above, back_below = max(front_above, near - like), min(back_below, far + like)
            found = True
        if not found:
            continue
        f0 = f1 = f2 = ff = fw = np.float32(0)
        b0 = b1 = b2 = bb = bw = np.float32(0)
        top0 = top1 = top2 = np.float32(0)  # the brightest light sampled: no side of a mix is brighter
        for v in range(SAMPLES):
            j = y0 + OFFSETS[v]
            if j < 0 or j >= height:
                continue
            for u in range(SAMPLES):
                i = x0 + OFFSETS[u]
                if i < 0 or i >= width:
                    continue
                there = radius[j, i]
                front = there > front_above
                back = there <= back_below and not front
                weight = trust[j, i] * closeness[v, u]
                wf = weight if front else np.float32(0)
                wb = weight if back else np.float32(0)
                c0, c1, c2, square = roots[j, i, 0], roots[j, i, 1], roots[j, i, 2], roots[j, i, 3]
                f0 += wf * c0
                f1 += wf * c1
                f2 += wf * c2
                ff += wf * square
                fw += wf
                b0 += wb * c0
                b1 += wb * c1
                b2 += wb * c2
                bb += wb * square
                bw += wb
                seen = np.float32(1) if front or back else np.float32(0)
                top0, top1, top2 = max(top0, seen * c0), max(top1, seen * c1), max(top2, seen * c2)
        if fw <= 0 or bw <= 0:
            continue
        f0, f1, f2, b0, b1, b2 = f0 / fw, f1 / fw, f2 / fw, b0 / bw, b1 / bw, b2 / bw
        f_var = max(ff / fw - f0 * f0 - f1 * f1 - f2 * f2, np.float32(0)) / 3
        b_var = max(bb / bw - b0 * b0 - b1 * b1 - b2 * b2, np.float32(0)) / 3
        # from here on in linear light, where mixing is true
        f0, f1, f2, b0, b1, b2 = f0 * f0, f1 * f1, f2 * f2, b0 * b0, b1 * b1, b2 * b2
        d0, d1, d2 = f0 - b0, f1 - b1, f2 - b2
        length = d0 * d0 + d1 * d1 + d2 * d2
        level = max(np.float32(0.01), np.float32(1 / 6) * (f0 + f1 + f2 + b0 + b1 + b2))
        f_noise = f_var * 4 * max(np.float32(0.005), (f0 + f1 + f2) * np.float32(1 / 3))
        b_noise = b_var * 4 * max(np.float32(0.005), (b0 + b1 + b2) * np.float32(1 / 3))
        for k in range(4):
            n = 4 * quad + k
            if near_index[n] == far_index[n]:
                continue
            y, x = y0 + k // 2, x0 + k % 2
            near, far = result[n, 1], result[n, 2]
            is_front = radius[y, x] > np.float32(0.5) * (near + far)
            step = min(int(result[n, 0]) - 1, 2)
            prior, sure = tune[2 * step], np.float32(1) / (tune[2 * step + 1] * tune[2 * step + 1])
            if is_front:
                prior = 1 - prior
            p0, p1, p2 = linear[y, x, 0], linear[y, x, 1], linear[y, x, 2]
            dot = (p0 - b0) * d0 + (p1 - b1) * d1 + (p2 - b2) * d2
            a = prior
            for _ in range(3):
                noise = a * a * f_noise + (1 - a) * (1 - a) * b_noise + np.float32(1e-4) * level
                a = (dot / noise + prior * sure) / (length / noise + sure)
                a = min(np.float32(1), max(np.float32(0), a))
            if a > np.float32(0.96):
                a = np.float32(1)
            elif a < np.float32(0.04):
                a = np.float32(0)
            if is_front != (a > np.float32(0.5)):
                moved[y, x] = near if a > np.float32(0.5) else far
            if a == 0 or a == 1:
                continue
            mixed[n] = np.uint8(1)
            # what the mix does not explain goes to both sides by their share and their own noise
            gf = a * (f_noise + np.float32(1e-5))
            gb = (1 - a) * (b_noise + np.float32(1e-5))
            total = a * gf + (1 - a) * gb
            e0 = p0 - a * f0 - (1 - a) * b0
            e1 = p1 - a * f1 - (1 - a) * b1
            e2 = p2 - a * f2 - (1 - a) * b2
            most0, most1, most2 = max(top0 * top0, p0), max(top1 * top1, p1), max(top2 * top2, p2)
            result[n, 0] = a
            result[n, 3] = min(most0, max(np.float32(0), f0 + e0 * gf / total))
            result[n, 4] = min(most1, max(np.float32(0), f1 + e1 * gf / total))
            result[n, 5] = min(most2, max(np.float32(0), f2 + e2 * gf / total))
            result[n, 6] = min(most0, max(np.float32(0), b0 + e0 * gb / total))
            result[n, 7] = min(most1, max(np.float32(0), b1 + e1 * gb / total))
            result[n, 8] = min(most2, max(np.float32(0), b2 + e2 * gb / total))
