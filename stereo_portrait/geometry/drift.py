"""Has the rig moved since it was calibrated? Measured on ordinary pairs; a small rotation and a focal ratio mend it."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import CalibrationError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rectify import RectifySettings, fitted, rectification, rectify, rectifying_rotations
from stereo_portrait.geometry.rig_formats.opencv import as_calibration
from stereo_portrait.geometry.row_error import FeatureMatches, RowError, matched_features, measured

Array = NDArray[np.float64]
MIN_MATCHES = 60
REACH = 0.12  # vertical search as a share of the height: one degree of roll or tilt moves rows this far
PRIOR = np.array([np.radians(1.0), np.radians(1.0), np.radians(1.0), 0.01])  # how far rigs move, one sigma
NOISE_PX = 0.15
POOR_PX = 0.5
PAN_GAIN_PX = 0.1  # what a pan must improve: lens errors mimic one, and a wrong pan shifts every disparity
FOCAL_GAIN_PX = 0.03
WIDE = RectifySettings(keep="all", max_growth=1.2)


@dataclass(frozen=True, slots=True, eq=False)
class Mending:
    """The rotation of the right camera, and the ratio of its focal length, that make rows agree again."""

    rig: RigCalibration
    rotation_deg: tuple[float, float, float]  # about x (tilt), y (pan), z (roll) of the rectified frame
    rotation_sigma_deg: tuple[float, float, float]
    focal_ratio: float
    before_px: float  # median row error of the matches held back from the fit
    after_px: float
    matches: int
    notes: tuple[str, ...]


def check(pair: StereoPair, rig: RigCalibration | RectifiedRig) -> RowError:
    """Row error of one natural pair under this rig, searched for farther up and down than `measure_row_error` does."""
    rectified = rectify(pair, rig)
    found = matched_features(rectified.left, rectified.right, max_vertical=REACH)
    return measured(found, rectified)


def mend(pairs: list[StereoPair], rig: RigCalibration | RectifiedRig, pan: bool = True) -> Mending:
    """The rig that these pairs ask for.

    Only rows are used: they do not depend on distance, so no truth about the scene is needed. The pan about the
    vertical axis shows in rows only through the picture's corners; where it drowns in noise, or without `pan`, it is
    left alone.

    Raises:
        CalibrationError: too few matches, all of them far away or on one plane, or no rotation that helps.
    """
    height_px, width_px = pairs[0].left.shape[:2]
    rig = fitted(rig, (width_px, height_px), pairs[0].name)
    calibration = rig if isinstance(rig, RigCalibration) else as_calibration(rig)
    original = calibration
    total, sigma = np.zeros(4), np.zeros(4)
    notes: tuple[str, ...] = ()
    turn = np.eye(3)
    before_px = after_px = float("nan")
    matches = 0
    for _ in range(2):  # again with the first result: matches come easier, and the linearisation is about zero
        rays = _matched_rays(pairs, calibration)
        matches = len(rays[0])
        focal_px = (calibration.left.fy_px + calibration.right.fy_px) / 2
        _supported(rays, focal_px)
        hold = np.arange(matches) % 4 == 3
        parts = [(r[~hold], r[hold]) for r in rays]
        step, sigma, notes = _fit(parts[0][0], parts[1][0], focal_px, pan)
        error = [_rows_px(parts[0][1], parts[1][1], p, focal_px) for p in (np.zeros(4), step)]
        if not np.isfinite(before_px):
            before_px = float(np.median(np.abs(error[0])))
        after_px = float(np.median(np.abs(error[1])))
        turn = _rotation(step) @ turn
        total[3] += step[3]
        calibration = _moved(calibration, step)
    if after_px > before_px and before_px > POOR_PX:
        raise CalibrationError(
            f"no rotation of the right camera helps ({before_px:.2f} px before, {after_px:.2f} px after): the lens has "
            "changed or the pictures are not of one moment; recalibrate with a board"
        )
    if after_px > before_px:
        turn, calibration, total, after_px = np.eye(3), original, np.zeros(4), before_px
        notes = (*notes, "the rows are as good as these pictures can tell")
    angles = np.degrees(np.ravel(cv2.Rodrigues(turn)[0]))
    spread = np.degrees(sigma[:3])
    mended = replace(calibration, rms_px=None, parameter_sigma={}, device=original.device)
    return Mending(
        mended,
        (float(angles[0]), float(angles[1]), float(angles[2])),
        (float(spread[0]), float(spread[1]), float(spread[2])),
        float(np.exp(total[3])),
        before_px,
        after_px,
        matches,
        notes,
    )


def _matched_rays(pairs: list[StereoPair], rig: RigCalibration) -> tuple[Array, Array]:
    """(n, 2) rectified directions on z = 1, left and right, over all pairs."""
    plan = rectification(rig, WIDE)
    found_left: list[Array] = []
    found_right: list[Array] = []
    for pair in pairs:
        rectified = rectify(pair, rig, WIDE)
        found = matched_features(rectified.left, rectified.right, max_vertical=REACH, wanted=1500)
        keep = _inside(found.left_px, rectified.left_valid) & _inside(found.right_px, rectified.right_valid)
        found = FeatureMatches(found.left_px[keep], found.right_px[keep])
        for points, cx_px, into in (
            (found.left_px, plan.rig.cx_left_px, found_left),
            (found.right_px, plan.rig.cx_right_px, found_right),
        ):
            into.append((points - (cx_px, plan.rig.cy_px)) / plan.rig.focal_px)
    return np.concatenate(found_left), np.concatenate(found_right)


def _inside(points_px: Array, mask: NDArray[np.bool_], margin_px: int = 9) -> NDArray[np.bool_]:
    """Whether a point and its tracking window lie on real pixels."""
    kernel = np.ones((2 * margin_px + 1, 2 * margin_px + 1), np.uint8)
    safe = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    x, y = np.rint(points_px).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    return np.asarray(inside & (safe[np.clip(y, 0, mask.shape[0] - 1), np.clip(x, 0, mask.shape[1] - 1)] > 0))


def _supported(rays: tuple[Array, Array], focal_px: float) -> None:
    left, right = rays
    if len(left) < MIN_MATCHES:
        raise CalibrationError(
            f"only {len(left)} features match, {MIN_MATCHES} are needed to mend a rig; take pictures of a scene with "
            "detail everywhere, or recalibrate with a board"
        )
    columns = np.clip(((left - left.min(axis=0)) / np.maximum(np.ptp(left, axis=0), 1e-9) * 3).astype(int), 0, 2)
    cells = len({tuple(c) for c in columns.tolist()})
    extent = np.ptp(left, axis=0) * focal_px
    if cells < 5 or extent.min() < 0.25 * extent.max() * 0.4:
        raise CalibrationError("the matches lie in one corner of the picture; take pictures with detail everywhere")
    disparity_px = (left[:, 0] - right[:, 0]) * focal_px
    basis = np.column_stack([left, np.ones(len(left))])
    keep = np.ones(len(left), np.bool_)
    rest = np.zeros(len(left))
    for _ in range(3):
        rest = disparity_px - basis @ np.linalg.lstsq(basis[keep], disparity_px[keep], rcond=None)[0]
        keep = np.abs(rest) <= max(1.0, 3 * 1.4826 * float(np.median(np.abs(rest[keep]))))
    spread_px = float(np.subtract(*np.percentile(disparity_px, (90, 10))))
    off_plane_px = float(np.subtract(*np.percentile(rest, (92, 8)))) / 2
    if spread_px < 2.0:
        raise CalibrationError(
            f"everything in the pictures is about equally far (disparities within {spread_px:.1f} px): a moved camera "
            "and a turned one look the same; take pictures with near and far things"
        )
    if off_plane_px < 0.7:
        raise CalibrationError(
            f"everything in the pictures lies on one plane (within {off_plane_px:.1f} px of disparity): a moved camera "
            "and a turned one look the same; take pictures with things in front of one another"
        )


def _rotation(step: Array) -> Array:
    return np.asarray(cv2.Rodrigues(step[:3])[0], np.float64)


def _rows_px(left: Array, right: Array, step: Array, focal_px: float) -> Array:
    """Row error after the right camera's directions are turned and scaled by the step."""
    rays = np.column_stack([right * np.exp(-step[3]), np.ones(len(right))]) @ _rotation(step).T
    return focal_px * (rays[:, 1] / rays[:, 2] - left[:, 1])


def _fit(left: Array, right: Array, focal_px: float, pan: bool) -> tuple[Array, Array, tuple[str, ...]]:
    """Step (rotation x, y, z in rad, log focal ratio), its standard errors, and what was held."""
    free = [0, 1, 2, 3] if pan else [0, 2, 3]
    notes: list[str] = []
    step, sigma = _solve(left, right, focal_px, free)
    for index, least_px in ((1, PAN_GAIN_PX), (3, FOCAL_GAIN_PX)):
        if index not in free:
            continue
        fewer = [i for i in free if i != index]
        simple, simple_sigma = _solve(left, right, focal_px, fewer)
        gain_px = [float(np.median(np.abs(_rows_px(left, right, s, focal_px)))) for s in (simple, step)]
        if abs(step[index]) > 3 * sigma[index] and gain_px[0] - gain_px[1] > least_px:
            if index == 1:
                notes.append("the pan shows in rows only faintly and changes every distance: check one with a tape")
            continue
        free, step, sigma = fewer, simple, simple_sigma
        if index == 1:
            notes.append("a pan about the vertical axis does not show in these rows and was left as it is")
    return step, sigma, tuple(notes)


def _solve(left: Array, right: Array, focal_px: float, free: list[int]) -> tuple[Array, Array]:
    from scipy.optimize import least_squares

    def residuals(values: Array) -> Array:
        step = np.zeros(4)
        step[free] = values
        rows = _rows_px(left, right, step, focal_px)
        return np.concatenate([rows, NOISE_PX * values / PRIOR[free]])

    found = least_squares(residuals, np.zeros(len(free)), loss="soft_l1", f_scale=0.25, x_scale=PRIOR[free])
    rows = residuals(found.x)[: len(left)]
    noise_px = max(0.03, 1.4826 * float(np.median(np.abs(rows - np.median(rows)))))
    # Matches of one object share their error: count every fourth as independent.
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * noise_px**2 * 4
    step, sigma = np.zeros(4), np.zeros(4)
    step[free], sigma[free] = found.x, np.sqrt(np.diag(covariance))
    return step, sigma


def _moved(rig: RigCalibration, step: Array) -> RigCalibration:
    """The rig whose right camera is turned by the step in the rectified frame and has its focal length scaled."""
    turn_left, turn_right = rectifying_rotations(rig)
    new_right = _rotation(step) @ turn_right
    ratio = float(np.exp(step[3]))
    old = rig.right
    right = Camera(
        old.width_px,
        old.height_px,
        old.fx_px * ratio,
        old.fy_px * ratio,
        old.cx_px,
        old.cy_px,
        old.distortion,
        old.distortion_model,
    )
    rotation = new_right.T @ turn_left
    translation_m = new_right.T @ np.array([-rig.baseline_m, 0.0, 0.0])
    return replace(rig, right=right, rotation_right_from_left=rotation, translation_right_from_left_m=translation_m)
