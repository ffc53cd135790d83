"""Hold the calibration to known rigs: python tools/calibration_study.py [COUNT] [--rendered] [--auto]

Prints how far focal length, baseline and rotation are off, how often the truth lies within two stated standard errors,
and how the predicted row error compares with the true one.
"""

import sys
import time

import cv2
import numpy as np

from stereo_portrait.geometry.board import find_corners, parse_board
from stereo_portrait.geometry.bundle import View
from stereo_portrait.geometry.calibrate import CalibrateSettings, Calibration, calibrate
from stereo_portrait.geometry.synthetic_rig import (
    Renderer,
    TrueRig,
    corner_views,
    random_poses,
    random_rig,
    right_from_board,
    true_row_error_px,
)
from stereo_portrait.geometry.uncertainty import predict

BOARD = parse_board("chessboard:9x6:25mm")


def rendered_views(rig: TrueRig, poses: np.ndarray, seed: int) -> list[View]:
    """Views as the detector finds them in drawn pictures."""
    rng = np.random.default_rng(seed)
    renderers = [Renderer(rig, BOARD, side) for side in (0, 1)]
    views = []
    for i, pose in enumerate(poses):
        found = []
        for side, at in ((0, pose), (1, right_from_board(pose, rig.shared[-6:]))):
            seen = find_corners(renderers[side].picture(at, rng, rng.uniform(0.4, 0.9), rng.uniform(1, 3)), BOARD)
            if seen is not None and np.linalg.norm(seen.points_px[0] - _first(rig, at, side)) > 20:
                seen = seen.reversed(BOARD)
            found.append(seen)
        if found[0] is not None and found[1] is not None:
            left, right = found
            views.append(View(f"view {i:02d}", BOARD.points_m, left.points_px, BOARD.points_m, right.points_px))
    return views


def _first(rig: TrueRig, pose: np.ndarray, side: int) -> np.ndarray:
    from stereo_portrait.geometry.bundle import project

    n = len(rig.shared[:-6]) // 2
    return project(BOARD.points_m[:1], pose, rig.shared[side * n : (side + 1) * n], rig.model == "fisheye")[0][0]


def main() -> None:
    """Run the study and print its table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 100
    rendered, auto = "--rendered" in sys.argv, "--auto" in sys.argv
    noise: list[float] = []
    focal, baseline, angle, inside, true_rows, predicted_rows, models = [], [], [], [], [], [], []
    started_s = time.perf_counter()
    for seed in range(count):
        model = "fisheye" if seed % 4 == 3 else "pinhole4"
        rig = random_rig(seed, model)
        poses = random_poses(rig, BOARD, 20, seed)
        views = rendered_views(rig, poses, seed) if rendered else corner_views(rig, BOARD, poses, 0.05, seed)
        settings = CalibrateSettings(model="auto" if auto else model)
        found: Calibration = calibrate(views, rig.size_px, rig.size_px, settings)
        fit, truth = found.fit, rig.shared
        noise.append(fit.rms_px / np.sqrt(2))
        models.append(fit.model == model)
        n = len(truth[:-6]) // 2
        if fit.model == model:
            z = (fit.shared - truth) / np.sqrt(np.diag(fit.covariance()))
            inside.append(np.abs(z) < 2)
        focal.append(max(abs(fit.shared[0] / truth[0] - 1), abs(fit.shared[fit.intrinsics] / truth[n] - 1)))
        baseline.append(abs(np.linalg.norm(fit.shared[-3:]) / np.linalg.norm(truth[-3:]) - 1))
        turns = [np.asarray(cv2.Rodrigues(v[-6:-3])[0]) for v in (fit.shared, truth)]
        angle.append(np.degrees(np.linalg.norm(cv2.Rodrigues(turns[0] @ turns[1].T)[0])))
        true_rows.append(true_row_error_px(fit, rig))
        predicted_rows.append(predict(fit, rig.size_px, rig.size_px).row_error_px)
    for name, values, unit in (("focal", focal, 100), ("baseline", baseline, 100), ("rotation deg", angle, 1)):
        low, middle, high = np.percentile(np.array(values) * unit, (50, 95, 100))
        print(f"{name:14s} median {low:.4f}  95 % {middle:.4f}  worst {high:.4f} {'%' if unit == 100 else ''}")
    print(f"truth within 2 sigma: {100 * np.concatenate(inside).mean():.1f} % of {sum(i.size for i in inside)}")
    ratio = np.array(true_rows) / np.array(predicted_rows)
    together = np.sqrt(np.mean(np.square(true_rows)) / np.mean(np.square(predicted_rows)))
    low, middle, high = np.percentile(ratio, (5, 50, 95))
    shares = f"5-50-95 %: {low:.2f} {middle:.2f} {high:.2f}"
    print(f"true / predicted row error: together {together:.2f}; {shares}")
    print(f"true row error: median {np.median(true_rows):.3f}, worst {max(true_rows):.3f} px")
    print(f"corner noise that the residuals show: {np.median(noise):.3f} px")
    if auto:
        print(f"the true lens model was chosen in {100 * np.mean(models):.0f} %")
    print(f"{count} calibrations in {time.perf_counter() - started_s:.0f} s")


if __name__ == "__main__":
    main()
