"""Compiled loops at depth edges: which two depths meet in a pixel, and how much of it the nearer one covers."""

import numba
import numpy as np

REACH_PX = 3  # how far from a depth edge coverage is estimated
SAMPLE_PX = 6  # how far the colours of both sides are looked for
MOSTLY_HIDDEN = 0.6  # coverage above which a pixel says too little about what is behind it
PRIORS = np.array([0.15, 0.3, 0.02, 0.12, 0.0, 0.06], np.float32)
LIKE_PX = 0.75  # radii closer than this (or a quarter of the jump) are the same side


@numba.njit(nogil=True, cache=True)
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


@numba.njit(nogil=True, cache=True)
def company(first, last, radius, places, least_jump, result):  # type: ignore[no-untyped-def]
    """result (H, W) at `places`: how many of the 3 x 3 pixels around are at the same depth (1 to 9)."""
    height, width = radius.shape
    for n in range(first, last):
        y, x = places[n] // width, places[n] % width
        own = radius[y, x]
        alike = 0
        for j in range(y - 1, y + 2):
            for i in range(x - 1, x + 2):
                v, u = min(max(j, 0), height - 1), min(max(i, 0), width - 1)
                if abs(radius[v, u] - own) <= least_jump:
                    alike += 1
        result[y, x] = alike


@numba.njit(nogil=True, cache=True)
def cover(first, last, linear, radius, alike, places, cuts, least_jump, tune, result):  # type: ignore[no-untyped-def]
    """Coverage and both colours of every pixel in `places` (flat indices).

    Each side's colour is a Gaussian around its mean over a window; coverage a is the best of
    I = a F + (1 - a) B + noise with a prior at the side that the depth says, the tighter the farther from the edge [1].
    result[n]: a, near radius, far radius, F (3), B (3); a = -1 where there is no edge after all.

    [1] Chuang et al., "A Bayesian Approach to Digital Matting", CVPR 2001, in one closed step.
    """
    height, width = radius.shape
    for n in range(first, last):
        y, x = places[n] // width, places[n] % width
        own = radius[y, x]
        near, far, away = own, own, 0
        for reach in range(1, REACH_PX + 1):
            near, far = own, own
            for j in range(max(0, y - reach), min(height, y + reach + 1)):
                for i in range(max(0, x - reach), min(width, x + reach + 1)):
                    near = max(near, radius[j, i])
                    far = min(far, radius[j, i])
            if near - far > least_jump:
                away = reach
                break
        apart = False
        for cut in cuts:
            if near > cut and far <= cut:
                apart = True
        if away == 0 or not apart:
            result[n, 0] = -1
            continue
        jump = near - far
        like = max(np.float32(LIKE_PX), np.float32(0.25) * jump)
        f0 = f1 = f2 = b0 = b1 = b2 = np.float32(0)
        ff = bb = fw = bw = np.float32(0)
        top0 = top1 = top2 = np.float32(0)  # the brightest light sampled: no side of a mix is brighter
        for j in range(max(0, y - SAMPLE_PX), min(height, y + SAMPLE_PX + 1)):
            for i in range(x - SAMPLE_PX + (j - y + SAMPLE_PX) % 2, x + SAMPLE_PX + 1, 2):
                if i < 0 or i >= width:
                    continue
                there = radius[j, i]
                front = there > near - like
                if not front and there > far + like:
                    continue
                d2 = (j - y) * (j - y) + (i - x) * (i - x)
                weight = np.float32(1) / np.float32(4 + d2)
                trust = alike[j, i] * np.float32(1 / 9)
                trust = trust * trust
                weight *= trust * trust * trust
                # square roots even out the noise of bright and dark
                c0, c1, c2 = np.sqrt(linear[j, i, 0]), np.sqrt(linear[j, i, 1]), np.sqrt(linear[j, i, 2])
                square = c0 * c0 + c1 * c1 + c2 * c2
                top0, top1, top2 = max(top0, c0), max(top1, c1), max(top2, c2)
                if front:
                    f0 += weight * c0
                    f1 += weight * c1
                    f2 += weight * c2
                    ff += weight * square
                    fw += weight
                else:
                    b0 += weight * c0
                    b1 += weight * c1
                    b2 += weight * c2
                    bb += weight * square
                    bw += weight
        if fw <= 0 or bw <= 0:
            result[n, 0] = -1
            continue
        f0, f1, f2, b0, b1, b2 = f0 / fw, f1 / fw, f2 / fw, b0 / bw, b1 / bw, b2 / bw
        f_var = max(ff / fw - f0 * f0 - f1 * f1 - f2 * f2, np.float32(0)) / 3
        b_var = max(bb / bw - b0 * b0 - b1 * b1 - b2 * b2, np.float32(0)) / 3
        is_front = own > 0.5 * (near + far)
        step = min(away - 1, 2)
        prior = tune[2 * step]
        spread = tune[2 * step + 1]
        if is_front:
            prior = 1 - prior
        p0, p1, p2 = linear[y, x, 0], linear[y, x, 1], linear[y, x, 2]
        top0, top1, top2 = max(top0 * top0, p0), max(top1 * top1, p1), max(top2 * top2, p2)
        # from here on in linear light, where mixing is true
        f0, f1, f2, b0, b1, b2 = f0 * f0, f1 * f1, f2 * f2, b0 * b0, b1 * b1, b2 * b2
        d0, d1, d2_ = f0 - b0, f1 - b1, f2 - b2
        level = max(np.float32(0.01), np.float32(0.5) * (f0 + f1 + f2 + b0 + b1 + b2) / 3)
        f_noise = f_var * 4 * max(np.float32(0.005), (f0 + f1 + f2) / 3)
        b_noise = b_var * 4 * max(np.float32(0.005), (b0 + b1 + b2) / 3)
        a = prior
        for _ in range(3):
            noise = a * a * f_noise + (1 - a) * (1 - a) * b_noise + np.float32(1e-4) * level
            dot = (p0 - b0) * d0 + (p1 - b1) * d1 + (p2 - b2) * d2_
            length = d0 * d0 + d1 * d1 + d2_ * d2_
            a = (dot / noise + prior / (spread * spread)) / (length / noise + 1 / (spread * spread))
            a = min(np.float32(1), max(np.float32(0), a))
        if a > 0.96:
            a = np.float32(1)
        elif a < 0.04:
            a = np.float32(0)
        # what the mix does not explain goes to both sides by their share and their own noise
        gf = a * (f_noise + np.float32(1e-5))
        gb = (1 - a) * (b_noise + np.float32(1e-5))
        total = a * gf + (1 - a) * gb
        e0 = p0 - a * f0 - (1 - a) * b0
        e1 = p1 - a * f1 - (1 - a) * b1
        e2 = p2 - a * f2 - (1 - a) * b2
        result[n, 0] = a
        result[n, 1] = near
        result[n, 2] = far
        result[n, 3] = min(top0, max(np.float32(0), f0 + e0 * gf / total))
        result[n, 4] = min(top1, max(np.float32(0), f1 + e1 * gf / total))
        result[n, 5] = min(top2, max(np.float32(0), f2 + e2 * gf / total))
        result[n, 6] = min(top0, max(np.float32(0), b0 + e0 * gb / total))
        result[n, 7] = min(top1, max(np.float32(0), b1 + e1 * gb / total))
        result[n, 8] = min(top2, max(np.float32(0), b2 + e2 * gb / total))


@numba.njit(nogil=True, cache=True)
def sheet_of(first, last, linear, index, radius, mixed, own, overlap_to, left, top, sheet, weight, depth, depth_weight):  # type: ignore[no-untyped-def]
    """Start one layer: light and coverage (premultiplied) where it is seen, weight 0 where something nearer hides it.

    Pixels of nearer layers up to radius `overlap_to`, away from depth edges (`mixed` == 0), are the same surface
    going on: they count as this layer too. Mixed pixels are left to `mix_in`.
    """
    width = weight.shape[1]
    for y in range(first, last):
        for x in range(width):
            v, u = y + top, x + left
            there = index[v, u]
            known = np.float32(1)
            alpha = np.float32(0)
            depth_weight[y, x] = np.uint8(0)
            if there == own or (there > own and radius[v, u] < overlap_to and mixed[v, u] == 0):
                alpha = np.float32(1)
                depth[y, x] = radius[v, u]
                depth_weight[y, x] = np.uint8(1)
            elif there > own:
                known = np.float32(0)
            sheet[y, x, 0] = alpha * linear[v, u, 0]
            sheet[y, x, 1] = alpha * linear[v, u, 1]
            sheet[y, x, 2] = alpha * linear[v, u, 2]
            sheet[y, x, 3] = alpha
            weight[y, x] = known


@numba.njit(nogil=True, cache=True)
def mix_in(places, values, near_index, far_index, own, left, top, full_width, sheet, weight, depth, depth_weight):  # type: ignore[no-untyped-def]
    """Put the mixed pixels (see `cover`) into one layer's sheet."""
    height, width = weight.shape
    for n in range(places.shape[0]):
        y, x = places[n] // full_width - top, places[n] % full_width - left
        if y < 0 or x < 0 or y >= height or x >= width:
            continue
        alpha = np.float32(0)
        known = np.float32(1)
        first = 0
        depth_weight[y, x] = np.uint8(0)
        if near_index[n] == own:
            alpha = values[n, 0]
            first = 3
            depth[y, x] = values[n, 1]
            depth_weight[y, x] = np.uint8(1)
        elif far_index[n] == own:
            alpha = np.float32(1)
            first = 6
            if values[n, 0] > MOSTLY_HIDDEN:
                known = np.float32(0)
            depth[y, x] = values[n, 2]
            depth_weight[y, x] = np.uint8(1)
        elif far_index[n] > own:
            known = np.float32(0)
        weight[y, x] = known
        for c in range(3):
            sheet[y, x, c] = alpha * values[n, first + c]
        sheet[y, x, 3] = alpha
