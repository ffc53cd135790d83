"""Compiled loops of the comparison methods gather and scatter."""

import numba
import numpy as np

MOST_SAMPLES = 256


@numba.njit(parallel=True, cache=True)
def gather(linear, radius_px, tall):  # type: ignore[no-untyped-def]
    """The kernel: (H, W, 3), (H, W), height/width of the disc."""
    height, width = radius_px.shape
    result = np.empty_like(linear)
    for y in numba.prange(height):
        for x in range(width):
            own = radius_px[y, x]
            size = abs(own)
            if size < 0.5:
                result[y, x] = linear[y, x]
                continue
            count = int(min(MOST_SAMPLES, max(8, 3.2 * size * size)))
            red, green, blue, total = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for i in range(count):
                reach = size * np.sqrt((i + 0.5) / count)
                angle = 2.399963 * i
                v = min(max(int(np.rint(y + reach * np.sin(angle) * tall)), 0), height - 1)
                u = min(max(int(np.rint(x + reach * np.cos(angle))), 0), width - 1)
                if radius_px[v, u] >= own - 1 or abs(radius_px[v, u]) >= reach:
                    red += linear[v, u, 0]
                    green += linear[v, u, 1]
                    blue += linear[v, u, 2]
                    total += np.float32(1)
            if total == 0:
                result[y, x] = linear[y, x]
            else:
                result[y, x, 0] = red / total
                result[y, x, 1] = green / total
                result[y, x, 2] = blue / total
    return result


@numba.njit(parallel=True, cache=True)
def scatter(linear, radius_px, widest, tall):  # type: ignore[no-untyped-def]
    """The kernel: a pixel q reaches p with weight clip(r - |p - q| + 1/2) / (r^2 + 1/2)."""
    height, width = radius_px.shape
    result = np.empty_like(linear)
    reach_y = int(np.ceil(widest * max(tall, 1.0)))
    for y in numba.prange(height):
        sums = np.zeros((width, 4), np.float32)
        for v in range(max(0, y - reach_y), min(height, y + reach_y + 1)):
            dy = (v - y) / tall
            for u in range(width):
                size = abs(radius_px[v, u])
                space = (size + 0.5) ** 2 - dy * dy
                if space < 0:
                    continue
                half = np.sqrt(space)
                share = np.float32(1) / (size * size + np.float32(0.5))
                for x in range(max(0, int(np.ceil(u - half))), min(width - 1, int(np.floor(u + half))) + 1):
                    distance = np.sqrt((x - u) ** 2 + dy * dy)
                    weight = share * np.float32(min(1.0, max(0.0, size - distance + 0.5)))
                    sums[x, 0] += weight * linear[v, u, 0]
                    sums[x, 1] += weight * linear[v, u, 1]
                    sums[x, 2] += weight * linear[v, u, 2]
                    sums[x, 3] += weight
        for x in range(width):
            for c in range(3):
                result[y, x, c] = sums[x, c] / sums[x, 3] if sums[x, 3] > 1e-6 else linear[y, x, c]
    return result
