"""What a nearer layer hides is filled with a smooth continuation of what is seen."""

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.rendering import fill_kernels as kernels

Map = NDArray[np.float32]


def fill(values: Map, weight: Map, limit: float = float("inf")) -> None:
    """Push-pull: what has no weight becomes a smooth continuation of what has [1].

    No value counts for more than `limit`, so that a lamp beside a hole does not fill it with glare.

    [1] Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.
    """
    if weight.all():
        return
    four = values.shape[2] == 4
    pull, push = (kernels.pull_four, kernels.push_four) if four else (kernels.pull, kernels.push)
    pyramid = [(values, weight)]
    while min(pyramid[-1][1].shape) > 1 and not pyramid[-1][1].all():
        fine, fine_weight = pyramid[-1]
        rows, columns = (fine.shape[0] + 1) // 2, (fine.shape[1] + 1) // 2
        coarse = np.empty((rows, columns, fine.shape[2]), np.float32)
        coarse_weight = np.empty((rows, columns), np.float32)
        in_bands(pull, rows, fine.size, fine, fine_weight, np.float32(limit), coarse, coarse_weight)
        pyramid.append((coarse, coarse_weight))
    for (fine, fine_weight), (coarse, _) in zip(pyramid[-2::-1], pyramid[:0:-1], strict=True):
        in_bands(push, fine.shape[0], fine.size, coarse, fine, fine_weight)
