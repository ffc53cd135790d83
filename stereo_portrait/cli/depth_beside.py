"""The depth file beside a photo, whatever its numbers mean -> inverse depth."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.cli.inputs import Given
from stereo_portrait.core.errors import InputError, RigError

if TYPE_CHECKING:
    from stereo_portrait.config import Settings
    from stereo_portrait.core.rig import RectifiedRig


def inverse_depth(
    given: Given, width_px: int, height_px: int, settings: "Settings"
) -> tuple[NDArray[np.float32], bool]:
    """(h, w) inverse depth on the file's own grid, NaN unknown, and whether it is 1/m; the photo is width x height.

    Raises:
        InputError, RigError: unreadable, or numbers that the options do not explain.
    """
    from stereo_portrait.sources.depth_map import read_depth, read_disparity, read_relative

    if given.depth is None:
        raise InputError("--depth names no file")
    kind, scale, images = given.depth_kind, given.depth_scale, settings["images"]
    if scale is not None and kind not in ("metres", "disparity"):
        raise InputError(f"--depth-scale does not go with --depth-kind {kind}; leave one of them out")
    if kind in ("relative", "relative-far"):
        return read_relative(given.depth, images, near_is_large=kind == "relative"), False
    if kind == "disparity":
        disparity_px = read_disparity(given.depth, 1.0 if scale is None else scale, images)
        if given.rig is None and not given.rectified:
            return disparity_px, False
        height, width = disparity_px.shape
        rig = _rectified_rig(given, width_px, height_px).resized(width, height)
        return np.maximum(rig.inverse_depth_per_m(disparity_px), 0).astype(np.float32), True
    return np.float32(1) / read_depth(given.depth, 1000.0 if kind == "millimetres" else scale, images), True


def _rectified_rig(given: Given, width_px: int, height_px: int) -> "RectifiedRig":
    """The rig of the photo that the disparities belong to.

    Raises:
        RigError: incomplete, or the rig of a pair that is not rectified: its disparities would mean nothing.
    """
    from stereo_portrait.core.rig import RectifiedRig
    from stereo_portrait.geometry.rig_file import read_rig

    if given.rig is not None:
        rig = read_rig(given.rig, (width_px, height_px))
        if not isinstance(rig, RectifiedRig):
            raise RigError(
                f"{given.rig} describes a pair before rectification, disparities are measured after it: pass "
                "--rectified --focal-px F --baseline-m B of the rectified pair"
            )
        return rig if (rig.width_px, rig.height_px) == (width_px, height_px) else rig.resized(width_px, height_px)
    if given.focal_px is None or given.baseline_m is None:
        raise RigError("--rectified needs --focal-px and --baseline-m")
    cx_px = (width_px - 1) / 2
    return RectifiedRig(
        width_px, height_px, given.focal_px, given.baseline_m, cx_px, cx_px + given.doffs_px, (height_px - 1) / 2
    )
