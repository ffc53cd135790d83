"""Calibration boards: what they look like, where their corners are, and finding them in a picture."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import CalibrationError

Grey = NDArray[np.uint8]
EXAMPLES = "chessboard:9x6:25mm (inner corners) or charuco:11x8:25mm:19mm:DICT_5X5_1000 (squares, square, marker)"
_UNITS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4}


@dataclass(frozen=True, slots=True)
class Board:
    """A flat pattern of squares; corners are counted from the top left, row by row, x right and y down."""

    kind: Literal["chessboard", "charuco"]
    columns: int  # inner corners for a chessboard, squares for ChArUco: as people count each
    rows: int
    square_mm: float
    marker_mm: float = 0.0
    dictionary: str = ""

    @property
    def corners(self) -> tuple[int, int]:
        """Inner corners across and down."""
        return (self.columns, self.rows) if self.kind == "chessboard" else (self.columns - 1, self.rows - 1)

    @property
    def squares(self) -> tuple[int, int]:
        """Squares across and down."""
        return self.corners[0] + 1, self.corners[1] + 1

    @property
    def spec(self) -> str:
        """The text that `parse_board` reads back."""
        base = f"{self.kind}:{self.columns}x{self.rows}:{self.square_mm:g}mm"
        return base if self.kind == "chessboard" else f"{base}:{self.marker_mm:g}mm:{self.dictionary}"

    @property
    def points_m(self) -> NDArray[np.float64]:
        """(n, 3) inner corners in metres on the plane z = 0."""
        across, down = self.corners
        y, x = np.mgrid[0:down, 0:across]
        return np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1) * (self.square_mm / 1000)


def parse_board(spec: str) -> Board:
    """A board from its SPEC.

    Raises:
        CalibrationError: not a SPEC, or impossible numbers.
    """
    parts = spec.strip().split(":")
    kind = parts[0].lower()
    wanted = {"chessboard": 3, "charuco": 5}.get(kind)
    size = re.fullmatch(r"(\d{1,2})x(\d{1,2})", parts[1]) if len(parts) > 1 else None
    if wanted is None or len(parts) != wanted or size is None:
        raise CalibrationError(f"cannot read the board '{spec}'; expected {EXAMPLES}")
    columns, rows = int(size[1]), int(size[2])
    square_mm = _length_mm(parts[2], spec)
    if min(columns, rows) < 3:
        raise CalibrationError(f"the board '{spec}' is too small; it needs at least 3x3")
    if kind == "chessboard":
        return Board("chessboard", columns, rows, square_mm)
    marker_mm, name = _length_mm(parts[3], spec), parts[4].upper()
    name = name if name.startswith("DICT_") else f"DICT_{name}"
    if marker_mm >= square_mm:
        raise CalibrationError(f"the board '{spec}' has markers as large as its squares; a marker must fit in a square")
    known = [n for n in dir(cv2.aruco) if n.startswith("DICT_")]
    if name not in known:
        raise CalibrationError(f"no marker dictionary '{name}'; known: {', '.join(known)}")
    board = Board("charuco", columns, rows, square_mm, marker_mm, name)
    if columns * rows // 2 > len(_dictionary(name).bytesList):
        raise CalibrationError(f"the board '{spec}' needs {columns * rows // 2} markers, {name} has fewer")
    return board


def _length_mm(text: str, spec: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(mm|cm|m|in)", text)
    value = float(found[1]) * _UNITS_MM[found[2]] if found else 0.0
    if not 1 <= value <= 2000:
        raise CalibrationError(f"cannot read the length '{text}' in '{spec}'; expected for example 25mm (1 mm to 2 m)")
    return value


@lru_cache(maxsize=8)
def _dictionary(name: str) -> Any:
    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))


@lru_cache(maxsize=8)
def _charuco_detector(board: Board, legacy: bool) -> Any:
    pattern = cv2.aruco.CharucoBoard(
        (board.columns, board.rows), board.square_mm, board.marker_mm, _dictionary(board.dictionary)
    )
    pattern.setLegacyPattern(legacy)
    return cv2.aruco.CharucoDetector(pattern)


def black_rectangles_mm(board: Board) -> list[tuple[float, float, float, float]]:
    """x, y, width, height in mm of everything black, from the top left of the pattern, y down."""
    across, down = board.squares
    side = board.square_mm
    black = [(x * side, y * side, side, side) for y in range(down) for x in range(across) if (x + y) % 2 == 0]
    if board.kind == "chessboard":
        return black
    dictionary = _dictionary(board.dictionary)
    cells = dictionary.markerSize + 2
    cell = board.marker_mm / cells
    margin = (side - board.marker_mm) / 2
    whites = [(x, y) for y in range(down) for x in range(across) if (x + y) % 2 == 1]
    for number, (x, y) in enumerate(whites):
        marker = cv2.aruco.generateImageMarker(dictionary, number, cells, borderBits=1)
        for v, u in zip(*np.nonzero(marker == 0), strict=True):
            black.append((x * side + margin + float(u) * cell, y * side + margin + float(v) * cell, cell, cell))
    return black


def board_picture(board: Board, px_per_mm: float, margin_mm: float = 0.0) -> Grey:
    """(H, W) the board, black 0 on white 255, with a white margin; edges are rounded to whole pixels."""
    across, down = board.squares
    side = board.square_mm
    width_mm, height_mm = across * side + 2 * margin_mm, down * side + 2 * margin_mm
    picture = np.full((round(height_mm * px_per_mm), round(width_mm * px_per_mm)), 255, np.uint8)
    for x, y, w, h in black_rectangles_mm(board):
        x0, x1, y0, y1 = (round((v + margin_mm) * px_per_mm) for v in (x, x + w, y, y + h))
        picture[y0:y1, x0:x1] = 0
    return picture


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """The corners of a board in one picture."""

    ids: NDArray[np.intp]  # (n,) index into Board.points_m
    points_px: NDArray[np.float64]  # (n, 2)
    edge_width_px: float  # 10 to 90 % rise across square borders: 2-3 is sharp, 6 is blurred; NaN if not measured

    def reversed(self, board: Board) -> "Corners":
        """The same corners counted from the other end, as if the board were turned by 180 degrees."""
        ids = len(board.points_m) - 1 - self.ids
        order = np.argsort(ids)
        return Corners(ids[order], self.points_px[order], self.edge_width_px)


MIN_CORNERS = 8


def find_corners(grey: Grey, board: Board, thorough: bool = True) -> Corners | None:
    """The board in a picture, sub-pixel, or None.

    Chessboards by the sector-based detector (whole boards only: without markers a part has no identity), ChArUco boards
    whole or in part. Sources: Duda and Frese, "Accurate Detection and Localization of Checkerboard Corners for
    Calibration", BMVC 2018; Garrido-Jurado et al., "Automatic generation and detection of highly reliable fiducial
    markers under occlusion", Pattern Recognition 2014.
    """
    if board.kind == "charuco":
        return _find_charuco(grey, board)
    points = _find_chessboard(grey, board.corners, thorough)
    if points is None:
        return None
    return Corners(np.arange(len(points)), points, edge_width(grey, board.corners, points))


def _find_chessboard(grey: Grey, size: tuple[int, int], thorough: bool) -> NDArray[np.float64] | None:
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
    for extra in (0, cv2.CALIB_CB_EXHAUSTIVE) if thorough else (0,):
        found, points = cv2.findChessboardCornersSB(grey, size, flags=flags | extra)
        if found:
            return _refined(grey, size, np.asarray(points, np.float64).reshape(-1, 2))
    if not thorough or min(grey.shape) < 60:
        return None
    found, points = cv2.findChessboardCorners(
        grey, size, flags=cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    )
    if not found:
        return None
    return _by_gradients(grey, size, np.asarray(points, np.float64).reshape(-1, 2))


def _refined(grey: Grey, size: tuple[int, int], sectors_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sector fit polished by gradients.

    The sector fit's errors are shared by a whole view (0.02 px on drawn boards), which makes standard errors dishonest;
    those of the gradient fit are independent and half as large. Where the two disagree by over 1.5 px, sectors win.
    """
    gradients_px = _by_gradients(grey, size, sectors_px)
    agree = np.linalg.norm(gradients_px - sectors_px, axis=1) < 1.5
    return np.where(agree[:, None], gradients_px, sectors_px)


def _by_gradients(grey: Grey, size: tuple[int, int], rough_px: NDArray[np.float64]) -> NDArray[np.float64]:
    grid = rough_px.reshape(size[1], size[0], 2)
    steps = [np.linalg.norm(np.diff(grid, axis=axis), axis=2).min() for axis in (0, 1)]
    reach = max(2, min(8, int(min(steps) * 0.4)))
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4)
    start = rough_px.astype(np.float32)[:, None].copy()
    return np.asarray(cv2.cornerSubPix(grey, start, (reach, reach), (-1, -1), stop), np.float64)[:, 0]


def _find_charuco(grey: Grey, board: Board) -> Corners | None:
    for legacy in (False, True):
        points, ids, _, _ = _charuco_detector(board, legacy).detectBoard(grey)
        if ids is not None and len(ids) >= MIN_CORNERS:
            flat = np.asarray(ids, np.intp).ravel()
            order = np.argsort(flat)
            spots = np.asarray(points, np.float64).reshape(-1, 2)[order]
            if np.linalg.matrix_rank(board.points_m[flat[order], :2] - board.points_m[flat[order[0]], :2]) < 2:
                continue
            return Corners(flat[order], spots, _charuco_edge_width(grey, board, flat[order], spots))
    return None


def edge_width(grey: Grey, size: tuple[int, int], points_px: NDArray[np.float64]) -> float:
    """Mean 10-90 % rise of the square borders, px. Source: ISO 12233's edge method, as OpenCV measures it."""
    ordered = np.ascontiguousarray(points_px, np.float32).reshape(-1, 1, 2)
    values: Any = cv2.estimateChessboardSharpness(grey, size, ordered)
    measured = values[0][0] if isinstance(values, tuple) else values[0]
    return float(measured) if measured and 0 < measured < 1000 else float("nan")


def _charuco_edge_width(grey: Grey, board: Board, ids: NDArray[np.intp], points_px: NDArray[np.float64]) -> float:
    if len(ids) != len(board.points_m):
        return float("nan")
    return edge_width(grey, board.corners, points_px)


def seen_size(grey: Grey) -> tuple[int, int] | None:
    """Inner corners of whatever chessboard is in the picture, to tell people what they may have meant."""
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_LARGER | cv2.CALIB_CB_EXHAUSTIVE
    for sigma in (0.0, 1.0, 2.0):  # the detector misses a board now and then; a softer copy is another try
        cv2.setRNGSeed(1)
        soft = cv2.GaussianBlur(grey, (0, 0), sigma) if sigma else grey
        found, _, meta = cv2.findChessboardCornersSBWithMeta(soft, (3, 3), flags)
        if found:
            return int(meta.shape[1]), int(meta.shape[0])
    return None


def looks_mirrored(grey: Grey, board: Board) -> bool:
    """True where only the mirror image shows the board: markers tell, a plain chessboard does not."""
    if board.kind == "chessboard":
        return False
    return _find_charuco(grey, board) is None and _find_charuco(np.ascontiguousarray(grey[:, ::-1]), board) is not None
