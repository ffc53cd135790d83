"""What a rig is good for: field of view, and the distances at which its depth serves a portrait."""

import math
from typing import Any

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import RectifiedRig, RigCalibration
from stereo_portrait.geometry.rectify import RectifySettings, rectification
from stereo_portrait.geometry.rig_formats.opencv import as_calibration


def rectified_of(rig: RigCalibration | RectifiedRig) -> RectifiedRig:
    """The geometry of the rectified pictures that this rig gives."""
    return rig if isinstance(rig, RectifiedRig) else rectification(rig, RectifySettings()).rig


def facts(
    rig: RigCalibration | RectifiedRig, blur_tolerance: float = 0.1, disparity_sigma_px: float = 0.25
) -> dict[str, Any]:
    """Numbers for people who own the rig.

    Blur is linear in disparity, so the background's blur behind a subject at Z is wrong by sigma_d / d(Z): the farthest
    useful subject stands where that reaches the tolerance, Z = f B tolerance / sigma_d. The nearest one has a disparity
    of a quarter of the width: nearer, the views overlap too little.
    """
    flat = rectified_of(rig)
    fb = flat.focal_px * flat.baseline_m
    found: dict[str, Any] = {
        "kind": "rectified" if isinstance(rig, RectifiedRig) else "calibrated",
        "baseline_m": rig.baseline_m,
        "rectified_size_px": [flat.width_px, flat.height_px],
        "rectified_focal_px": flat.focal_px,
        "doffs_px": flat.doffs_px,
        "hfov_deg": _fov_deg(flat.width_px, flat.focal_px),
        "vfov_deg": _fov_deg(flat.height_px, flat.focal_px),
        "nearest_m": fb / (flat.width_px / 4),
        "farthest_m": fb * blur_tolerance / disparity_sigma_px,
        "blur_tolerance": blur_tolerance,
        "disparity_sigma_px": disparity_sigma_px,
        "disparity_at_1_m_px": float(fb - flat.doffs_px),
        "depth_error_at_2_m": 4 / fb * disparity_sigma_px,
    }
    if isinstance(rig, RigCalibration):
        found |= {
            "device": rig.device,
            "calibrated_on": rig.calibrated_on,
            "rms_px": rig.rms_px,
            "picture_size_px": [rig.left.width_px, rig.left.height_px],
            "lens_models": [rig.left.distortion_model, rig.right.distortion_model],
            "baseline_sigma_m": rig.parameter_sigma.get("baseline_m"),
        }
    return found


def _fov_deg(size_px: int, focal_px: float) -> float:
    return 2 * math.degrees(math.atan(size_px / 2 / focal_px))


def resized(rig: RigCalibration | RectifiedRig, width_px: int, height_px: int) -> RigCalibration | RectifiedRig:
    """The rig of the same cameras read out at another size."""
    if isinstance(rig, RectifiedRig):
        return rig.resized(width_px, height_px)
    left, right = (camera.resized(width_px, height_px) for camera in (rig.left, rig.right))
    return _with_cameras(rig, left, right)


def cropped(
    rig: RigCalibration | RectifiedRig, x_px: int, y_px: int, width_px: int, height_px: int
) -> RigCalibration | RectifiedRig:
    """The rig of the window whose top left pixel is (x, y), cut out of both pictures.

    Raises:
        RigError: the window leaves the picture.
    """
    of = rig if isinstance(rig, RectifiedRig) else rig.left
    if x_px < 0 or y_px < 0 or x_px + width_px > of.width_px or y_px + height_px > of.height_px:
        window = f"{width_px}x{height_px} at {x_px},{y_px}"
        raise RigError(f"the window {window} leaves the {of.width_px}x{of.height_px} picture; make it smaller")
    if isinstance(rig, RectifiedRig):
        calibration = as_calibration(rig)
        left, right = (c.cropped(x_px, y_px, width_px, height_px) for c in (calibration.left, calibration.right))
        return RectifiedRig(width_px, height_px, rig.focal_px, rig.baseline_m, left.cx_px, right.cx_px, left.cy_px)
    left, right = (c.cropped(x_px, y_px, width_px, height_px) for c in (rig.left, rig.right))
    return _with_cameras(rig, left, right)


def _with_cameras(rig: RigCalibration, left: Any, right: Any) -> RigCalibration:
    import dataclasses

    return dataclasses.replace(rig, left=left, right=right, parameter_sigma={}, rms_px=None)
