"""The scene that every installation has: Middlebury's Motorcycle at quarter size, from the scikit-image wheel."""

import numpy as np

from stereo_portrait.core.capture import RectifiedPair, Scene
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.rig import RectifiedRig

FOCAL_PX = 994.978
BASELINE_M = 0.193001
CX_PX = 311.193
CY_PX = 254.877
DOFFS_PX = 31.086
SEARCH_PX = 80


def builtin_scene() -> Scene:
    """741x500 with true disparity; calibration as scikit-image prints it (Scharstein et al., GCPR 2014).

    Raises:
        InputError: this scikit-image came without the pictures and cannot fetch them.
    """
    import skimage.data

    try:
        left, right, disparity = skimage.data.stereo_motorcycle()
    except Exception as error:  # pooch and the network raise a dozen kinds
        raise InputError(
            "the built-in pair is not in this scikit-image and could not be fetched; pip install --force-reinstall "
            f"scikit-image, or give a pair of your own ({type(error).__name__})"
        ) from error
    height_px, width_px = left.shape[:2]
    rig = RectifiedRig(width_px, height_px, FOCAL_PX, BASELINE_M, CX_PX, CX_PX + DOFFS_PX, CY_PX)
    valid = np.ones((height_px, width_px), np.bool_)
    truth = np.where(np.isfinite(disparity), disparity, np.nan).astype(np.float32)
    pair = RectifiedPair(np.ascontiguousarray(left), np.ascontiguousarray(right), valid, valid, rig, "motorcycle")
    return Scene("motorcycle", pair, truth, None, SEARCH_PX)
