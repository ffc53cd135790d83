"""A calibration in words: how good, what limits it, what to do next; and as plain numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stereo_portrait.geometry.board import Board
from stereo_portrait.geometry.calibrate import Calibration, tilts_deg
from stereo_portrait.geometry.held_out import Size
from stereo_portrait.geometry.uncertainty import Prediction, ScaleCheck, check_scale, coverage, predict

GOOD_ROWS_PX = 0.3
POOR_ROWS_PX = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """Everything that the report shows besides the residuals."""

    prediction: Prediction
    scale: ScaleCheck | None
    grade: str  # good, usable, poor
    verdict: list[str]


def assess(calibration: Calibration, board: Board, left_size: Size, right_size: Size) -> Assessment:
    """Predict, check the scale, and put it into words."""
    prediction = predict(calibration.fit, left_size, right_size)
    scale = check_scale(calibration.views, calibration.fit, left_size, right_size, board.square_mm)
    rows_px = calibration.epipolar_rms_px
    grade = "good" if rows_px <= GOOD_ROWS_PX else "usable" if rows_px <= POOR_ROWS_PX else "poor"
    words = [f"{grade}: corners of views left out lie {rows_px:.2f} px rms off their row after rectification"]
    if grade == "poor":
        words.append("disparity will suffer; the board may be bent, the cameras not in step, or views blurred")
    if np.isfinite(prediction.row_error_px) and prediction.row_error_px > 0.15:
        words.append(
            f"the parameters alone are unsure by {prediction.row_error_px:.2f} px of row error; more views help"
        )
    words += _uncovered(calibration, left_size, right_size)
    tilt = float(np.percentile(tilts_deg(calibration.fit), 90))
    if tilt < 15:
        words.append(f"the boards are tilted by {tilt:.0f} degrees at most; add views tilted by 20 to 40 degrees")
    if scale is not None and scale.bend_mm > 0.04 * board.square_mm:
        words.append(f"the board is off a plane by {scale.bend_mm:.1f} mm rms; glue it to glass or a stiff board")
    words.append(
        f"distances assume squares of {board.square_mm:g} mm: measure ten of them with a ruler, "
        "1 % there is 1 % in every distance and in the baseline"
    )
    return Assessment(prediction, scale, grade, words + calibration.notes)


def _uncovered(calibration: Calibration, left_size: Size, right_size: Size) -> list[str]:
    words = []
    for side, name, size_px in ((0, "left", left_size), (1, "right", right_size)):
        cells = coverage(calibration.views, side, size_px)
        height, width = cells.shape
        corners = {
            "top left": cells[: height // 2, : width // 4],
            "top right": cells[: height // 2, -(width // 4) :],
            "bottom left": cells[height // 2 :, : width // 4],
            "bottom right": cells[height // 2 :, -(width // 4) :],
        }
        bare = [where for where, part in corners.items() if (part > 0).mean() < 0.34]
        if bare:
            views = "view" if len(bare) == 1 else "views"
            words.append(
                f"the {name} camera's {', '.join(bare)} is hardly covered; take {len(bare)} more {views} there"
            )
    return words


def as_numbers(calibration: Calibration, assessment: Assessment, board: Board) -> dict[str, Any]:
    """The machine-readable twin of the report."""
    rig, prediction, scale = calibration.rig, assessment.prediction, assessment.scale
    return {
        "grade": assessment.grade,
        "verdict": assessment.verdict,
        "board": board.spec,
        "model": calibration.fit.model,
        "cross_validated_rms_px": calibration.model_rms_px,
        "rms_px": rig.rms_px,
        "epipolar_rms_px": calibration.epipolar_rms_px,
        "epipolar_max_px": calibration.epipolar_max_px,
        "baseline_m": rig.baseline_m,
        "baseline_sigma_m": rig.parameter_sigma["baseline_m"],
        "focal_px": {"left": rig.left.fx_px, "right": rig.right.fx_px},
        "parameter_sigma": rig.parameter_sigma,
        "predicted_row_error_px": finite(prediction.row_error_px),
        "depth_error": [
            {"distance_m": float(z), "calibration_m": finite(c), "matching_m": float(m)}
            for z, c, m in zip(
                prediction.distances_m, prediction.depth_error_m, prediction.matching_error_m, strict=True
            )
        ],
        "square_mm": None if scale is None else scale.square_mm,
        "scale_error_percent": None if scale is None else scale.error_percent,
        "scale_error_mm": None if scale is None else scale.error_mm,
        "board_bend_mm": None if scale is None else scale.bend_mm,
        "views_used": len(calibration.views),
        "views_rejected": [{"name": r.name, "why": r.why} for r in calibration.rejected],
        "points_dropped": calibration.points_dropped,
    }


def finite(value: float) -> float | None:
    """The number, or None where JSON has no word for it."""
    return float(value) if np.isfinite(value) else None
