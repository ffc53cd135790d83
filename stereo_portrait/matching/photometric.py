"""Make two views equally bright before they are compared."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image

QUANTILES = np.linspace(0.04, 0.96, 24)
LEAST_DIFFERENCE = 4.0  # grey levels (of 255); below it a pair is left alone


def equalised(left: Image, right: Image) -> tuple[Image, Image]:
    """Bring the right view to the left one's brightness, channel by channel, by right' = a right^g.

    Gain and exponent are a least-squares line through the logarithms of the two views' quantiles, so that exposure,
    gamma and white balance are undone together; clipped quantiles are ignored. Pairs that agree within
    LEAST_DIFFERENCE grey levels come back untouched.
    """
    tables = []
    worst = 0.0
    for channel in range(3):
        table = tone_table(left[..., channel], right[..., channel])
        tables.append(table)
        levels = np.quantile(right[::4, ::4, channel], QUANTILES)
        worst = max(worst, float(np.abs(table[levels.astype(int)] - levels).mean()))
    if worst < LEAST_DIFFERENCE:
        return left, right
    lookup = np.rint(np.clip(np.stack(tables, axis=-1), 0, 255)).astype(np.uint8)
    matched = np.empty_like(right)
    for channel in range(3):
        matched[..., channel] = lookup[:, channel][right[..., channel]]
    return np.minimum(left, lookup[255]), matched  # what is white in the right view is as white in the left one


def tone_table(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(256,) right's grey level -> left's."""
    a, b = (np.quantile(view[::4, ::4], QUANTILES) for view in (left, right))
    usable = (a > 3) & (a < 250) & (b > 3) & (b < 250)
    identity = np.arange(256, dtype=np.float64)
    if usable.sum() < 6:
        return identity
    x, y = np.log(b[usable] / 255), np.log(a[usable] / 255)
    spread = x.std()
    exponent = float(np.clip(((x - x.mean()) * (y - y.mean())).mean() / spread**2, 0.5, 2)) if spread > 0.05 else 1.0
    offset = float(np.median(y - exponent * x))
    return 255 * np.exp(offset + exponent * np.log(np.maximum(identity, 0.5) / 255))
