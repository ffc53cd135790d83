"""The coach of a guided capture: takes a view when it is sharp, still and new, and says what is missing."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import CalibrationError
from stereo_portrait.geometry import bundle
from stereo_portrait.geometry.board import Board, Corners, Grey, find_corners
from stereo_portrait.geometry.bundle import View
from stereo_portrait.geometry.calibrate import CalibrateSettings, calibrate
from stereo_portrait.geometry.held_out import Size
from stereo_portrait.geometry.uncertainty import coverage, predict

STILL_SHARE = 0.0015  # of the width: mean corner movement between frames that counts as still
NEW_SHARE = 0.03  # of the width: mean corner movement from every taken view that counts as new
SHARP_PX = 4.5  # widest square border that counts as sharp
TILTED_DEG = 12.0
EACH_TILT = 2
MIN_TAKEN = 10
PREVIEW_WIDTH_PX = 800


@dataclass(slots=True)
class Progress:
    """What the person in front of the cameras should know."""

    advice: str
    taken: int
    took: bool = False
    predicted_row_px: float | None = None
    missing: list[str] = field(default_factory=list)
    left: Corners | None = None
    right: Corners | None = None


class Guide:
    """Sees pair after pair; its views are what the calibration will use."""

    def __init__(self, board: Board, target_row_px: float, continuous: bool) -> None:
        self.board, self.target_row_px, self.continuous = board, target_row_px, continuous
        self.views: list[View] = []
        self.predicted_row_px: float | None = None
        self.size_px: Size = (0, 0)
        self._before: NDArray[np.float64] | None = None
        self._spots: list[NDArray[np.float64]] = []
        self._tilts: list[tuple[float, float]] = []  # left-right and up-down tilt of each taken board, degrees

    @property
    def done(self) -> bool:
        """Whether the prediction is under the target and nothing is missing."""
        sure = self.predicted_row_px is not None and self.predicted_row_px < self.target_row_px
        return sure and len(self.views) >= MIN_TAKEN

    def see(self, left: Grey, right: Grey, name: str) -> Progress:
        """Look at one pair; take it if it adds something."""
        self.size_px = (left.shape[1], left.shape[0])
        width_px = self.size_px[0]
        found = [_preview(g, self.board) if self.continuous else find_corners(g, self.board) for g in (left, right)]
        missing = self.missing()

        def answer(advice: str, took: bool = False) -> Progress:
            return Progress(advice, len(self.views), took, self.predicted_row_px, missing, found[0], found[1])

        if found[0] is None or found[1] is None:
            self._before = None
            blind = "left" if found[0] is None else "right"
            if found[0] is None and found[1] is None:
                return answer("show the whole board to both cameras")
            return answer(f"the {blind} camera does not see the whole board: move it towards the middle")
        spots = _all_spots(found[0], found[1], self.board)
        before, self._before = self._before, spots
        if self.continuous and (before is None or _moved(spots, before) > STILL_SHARE * width_px):
            return answer("hold still")
        if any(_moved(spots, old) < NEW_SHARE * width_px for old in self._spots):
            return answer(missing[0] if missing else "show it from another side")
        if self.continuous:
            found = [find_corners(g, self.board) for g in (left, right)]
            if found[0] is None or found[1] is None:
                return answer("hold still, with more light")
            spots = _all_spots(found[0], found[1], self.board)
        if max(np.nan_to_num(c.edge_width_px, nan=0.0) for c in found if c is not None) > SHARP_PX:
            return answer("blurred: hold still, or use more light")
        if found[0] is not None and found[1] is not None:
            self._take(found[0], found[1], spots, name)
        missing = self.missing()
        return answer(missing[0] if missing else "good, another one", took=True)

    def _take(self, left: Corners, right: Corners, spots: NDArray[np.float64], name: str) -> None:
        points = self.board.points_m
        if self.board.kind == "chessboard":
            a, b = (c.points_px[-1] - c.points_px[0] for c in (left, right))
            right = right.reversed(self.board) if float(a @ b) < 0 else right
        self.views.append(View(name, points[left.ids], left.points_px, points[right.ids], right.points_px))
        self._spots.append(spots)
        self._tilts.append(_tilt_deg(self.views[-1], self.size_px))
        if len(self.views) >= 6:
            self._predict()

    def _predict(self) -> None:
        settings = CalibrateSettings(model="pinhole5", folds=2)
        try:
            found = calibrate(self.views, self.size_px, self.size_px, settings)
        except CalibrationError:
            self.predicted_row_px = None
            return
        value = predict(found.fit, self.size_px, self.size_px).row_error_px
        self.predicted_row_px = value if np.isfinite(value) else None

    def missing(self) -> list[str]:
        """What views are still wanted, most useful first."""
        words = []
        across = np.array([t[0] for t in self._tilts]) if self._tilts else np.zeros(0)
        down = np.array([t[1] for t in self._tilts]) if self._tilts else np.zeros(0)
        for text, count in (
            ("tilt it left", (across < -TILTED_DEG).sum()),
            ("tilt it right", (across > TILTED_DEG).sum()),
            ("tilt it back", (down < -TILTED_DEG).sum()),
            ("tilt it forward", (down > TILTED_DEG).sum()),
        ):
            if count < EACH_TILT:
                words.append(text)
        if self.views:
            cells = coverage(self.views, 0, self.size_px, (3, 3)) + coverage(self.views, 1, self.size_px, (3, 3))
            for text, row, column in (
                ("top left", 0, 0), ("top right", 0, 2), ("bottom left", 2, 0), ("bottom right", 2, 2),
            ):  # fmt: skip
                if cells[row, column] < 8:
                    words.append(f"closer to the {text} corner")
        return words


def _preview(grey: Grey, board: Board) -> Corners | None:
    """Corners for the display: quick, on a smaller copy of large frames."""
    scale = min(1.0, PREVIEW_WIDTH_PX / grey.shape[1])
    if scale == 1.0:
        return find_corners(grey, board, thorough=False)
    small = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    found = find_corners(small, board, thorough=False)
    return None if found is None else Corners(found.ids, (found.points_px + 0.5) / scale - 0.5, float("nan"))


def _all_spots(left: Corners, right: Corners, board: Board) -> NDArray[np.float64]:
    spots = np.full((2, len(board.points_m), 2), np.nan)
    spots[0, left.ids], spots[1, right.ids] = left.points_px, right.points_px
    return spots


def _moved(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    distance = np.linalg.norm(a - b, axis=-1)
    return float(np.nanmean(distance)) if np.isfinite(distance).sum() >= 8 else float("inf")


def _tilt_deg(view: View, size_px: Size) -> tuple[float, float]:
    """How far the board leans, left-right and up-down, by a pose from a guessed lens: good to a few degrees."""
    focal_px = 0.9 * size_px[0]
    intrinsics = np.array([focal_px, focal_px, (size_px[0] - 1) / 2, (size_px[1] - 1) / 2, 0, 0, 0, 0])
    pose = bundle.board_pose(view.left_m, view.left_px, intrinsics, False)
    if pose is None:
        return 0.0, 0.0
    normal = np.asarray(cv2.Rodrigues(pose[:3])[0])[:, 2]
    normal = normal * np.sign(normal[2])
    return float(np.degrees(np.arctan2(normal[0], normal[2]))), float(np.degrees(np.arctan2(normal[1], normal[2])))
