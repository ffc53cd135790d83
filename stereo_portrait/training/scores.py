"""How close a student is to its teacher, and how often a depth map orders two points as the truth does."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr


def rank_correlation(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Spearman's rho over all pixels."""
    return float(spearmanr(found.ravel(), wanted.ravel()).statistic)


def intersection_over_union(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """Shared area over joint area; 1 when both are empty."""
    joint = int((found | wanted).sum())
    return 1.0 if joint == 0 else float((found & wanted).sum() / joint)


def order_accuracy(
    found: NDArray[np.floating], truth: NDArray[np.floating], pairs: int = 20000, apart: float = 0.05, seed: int = 0
) -> float:
    """Share of random pixel pairs that `found` orders as `truth` does; pairs closer than `apart` of the truth's range
    (5th to 95th percentile) do not count. NaN in either map is left out."""
    known = np.flatnonzero(np.isfinite(found.ravel()) & np.isfinite(truth.ravel()))
    chooser = np.random.default_rng(seed)
    first, second = chooser.choice(known, pairs), chooser.choice(known, pairs)
    low, high = np.percentile(truth.ravel()[known], (5, 95))
    step = truth.ravel()[first] - truth.ravel()[second]
    counts = np.abs(step) > apart * (high - low)
    said = found.ravel()[first] - found.ravel()[second]
    return float((np.sign(said) == np.sign(step))[counts].mean())
