"""Pictures of a board -> views to calibrate from: paired, detected, filtered, with reasons for what is left out."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import CalibrationError
from stereo_portrait.geometry.board import Board, Corners, Grey, find_corners, looks_mirrored, seen_size
from stereo_portrait.geometry.bundle import View
from stereo_portrait.geometry.outliers import Rejected

Load = Callable[[Path], Grey]
Size = tuple[int, int]
SAME_POSE = 0.004  # mean corner movement, as a share of the width, under which a view adds nothing
BLURRED_PX = 2.5  # a view whose square borders rise this much slower than usual is blurred
THREADS = 2


@dataclass(frozen=True, slots=True)
class Shot:
    """One exposure on the disk; either side may be absent."""

    name: str
    left: Path | None
    right: Path | None


@dataclass(slots=True)
class Sightings:
    """What detection found."""

    views: list[View] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_size: Size = (0, 0)
    right_size: Size = (0, 0)
    detected_left: int = 0
    detected_right: int = 0
    shots: dict[str, Shot] = field(default_factory=dict)


def pair_up(left: list[Path], right: list[Path]) -> tuple[list[Shot], list[str]]:
    """Exposures from two lists of files: by the numbers in their names, else by order where the counts agree.

    Raises:
        CalibrationError: an empty list, the same files twice, or counts that differ and names that do not tell.
    """
    for side, found in (("left", left), ("right", right)):
        if not found:
            raise CalibrationError(
                f"--{side} matches no picture; quote the pattern ('{side}/*.png') and check the folder"
            )
    if set(left) & set(right):
        shared = sorted(set(left) & set(right))[0]
        raise CalibrationError(f"--left and --right both match {shared}; give each camera its own pattern")
    keys_left, keys_right = ({_key(p): p for p in found} for found in (left, right))
    unique = len(keys_left) == len(left) and len(keys_right) == len(right)
    shared_keys = keys_left.keys() & keys_right.keys()
    if unique and len(shared_keys) >= 0.5 * max(len(left), len(right)):
        names = sorted(keys_left.keys() | keys_right.keys())
        shots = [Shot(_name(keys_left.get(k), keys_right.get(k)), keys_left.get(k), keys_right.get(k)) for k in names]
        alone = [s.name for s in shots if s.left is None or s.right is None]
        notes = [f"without a partner, used for one camera's lens only: {', '.join(alone[:8])}"] if alone else []
        return shots, notes
    if len(left) != len(right):
        raise CalibrationError(
            f"{len(left)} left and {len(right)} right pictures, and their names do not tell which belong together; "
            "number them alike (left_01, right_01, ...)"
        )
    return [Shot(_name(a, b), a, b) for a, b in zip(sorted(left), sorted(right), strict=True)], []


def _key(path: Path) -> tuple[int, ...] | str:
    found = re.findall(r"\d+", path.stem)
    return (int(found[-1]),) if found else re.sub(r"left|right|_l$|_r$", "", path.stem.lower())


def _name(left: Path | None, right: Path | None) -> str:
    path = left or right
    return "" if path is None else path.name if right is None or left is None else f"{left.name} + {right.name}"


def sight(shots: list[Shot], board: Board, load: Load, advance: Callable[[str], None] = lambda step: None) -> Sightings:
    """Find the board in every picture on two threads, pair the corners by their number, drop what would harm.

    Raises:
        CalibrationError: no board at all, pictures of changing size, or mirrored pictures; the reason is named.
    """
    found = Sightings(shots={s.name: s for s in shots})
    paths = [(i, side, p) for i, s in enumerate(shots) for side, p in ((0, s.left), (1, s.right)) if p is not None]
    corners: dict[tuple[int, int], Corners | None] = {}
    sizes: dict[int, dict[Size, list[str]]] = {0: {}, 1: {}}
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for (i, side, path), (size, seen) in zip(
                paths, pool.map(lambda job: _look(load, job[2], board), paths), strict=True
            ):
                corners[i, side] = seen
                sizes[side].setdefault(size, []).append(path.name)
                advance(path.name)
    finally:
        cv2.setNumThreads(before)
    found.left_size, found.right_size = _one_size(sizes)
    found.detected_left = sum(c is not None for (_, side), c in corners.items() if side == 0)
    found.detected_right = sum(c is not None for (_, side), c in corners.items() if side == 1)
    _explain_nothing(found, [(p, side) for _, side, p in paths], board, load)
    _not_part_of_larger([p for i, side, p in paths if corners[i, side] is not None], board, load)
    _collect(found, shots, corners, board)
    return found


def _look(load: Load, path: Path, board: Board) -> tuple[Size, Corners | None]:
    grey = load(path)
    return (grey.shape[1], grey.shape[0]), find_corners(grey, board)


def _one_size(sizes: dict[int, dict[Size, list[str]]]) -> tuple[Size, Size]:
    chosen: list[Size] = []
    for side in (0, 1):
        if len(sizes[side]) > 1:
            (a, names_a), (b, names_b) = sorted(sizes[side].items(), key=lambda item: -len(item[1]))[:2]
            raise CalibrationError(
                f"{names_b[0]} is {b[0]}x{b[1]} but {names_a[0]} is {a[0]}x{a[1]}; one camera must give one size"
            )
        chosen.append(next(iter(sizes[side])))
    left, right = chosen
    if left != right:
        raise CalibrationError(
            f"the left pictures are {left[0]}x{left[1]} and the right ones {right[0]}x{right[1]}: one camera was set "
            "to another size or its pictures were rescaled; record both at one size"
        )
    return left, right


def _explain_nothing(found: Sightings, paths: list[tuple[Path, int]], board: Board, load: Load) -> None:
    for side, count in ((0, found.detected_left), (1, found.detected_right)):
        if count:
            continue
        mine = [p for p, s in paths if s == side]
        name = ("left", "right")[side]
        for path in mine[:3]:
            grey = load(path)
            if looks_mirrored(grey, board):
                raise CalibrationError(f"the {name} pictures are mirrored ({path.name}); switch mirroring off")
            other = seen_size(grey) if board.kind == "chessboard" else None
            if other is not None and other not in (board.corners, board.corners[::-1]):
                raise CalibrationError(
                    f"no {board.corners[0]}x{board.corners[1]} board in the {name} pictures, but {path.name} shows "
                    f"{other[0]}x{other[1]} inner corners; pass --board chessboard:{other[0]}x{other[1]}:SIZE"
                )
        raise CalibrationError(
            f"no board {board.spec} found in any of {len(mine)} {name} pictures; check --board (chessboards count "
            "inner corners, ChArUco squares), the light, and that the whole board is visible"
        )


def _not_part_of_larger(detected: list[Path], board: Board, load: Load) -> None:
    """A count that is too small fits somewhere into the real board: ask the first pictures what they show."""
    if board.kind == "charuco":
        return
    for path in detected[:3]:
        seen = seen_size(load(path))
        if seen is None:
            continue
        if sorted(seen) != sorted(board.corners) and min(np.subtract(sorted(seen), sorted(board.corners))) >= 0:
            raise CalibrationError(
                f"{path.name} shows {seen[0]}x{seen[1]} inner corners, more than --board {board.spec} says; pass "
                f"--board chessboard:{seen[0]}x{seen[1]}:SIZE"
            )
        return


def _collect(found: Sightings, shots: list[Shot], corners: dict[tuple[int, int], Corners | None], board: Board) -> None:
    widths = [c.edge_width_px for c in corners.values() if c is not None and np.isfinite(c.edge_width_px)]
    usual_px = float(np.median(widths)) if widths else float("nan")
    kept: list[tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, str]] = []
    nothing = np.zeros((0, 3)), np.zeros((0, 2))
    for i, shot in enumerate(shots):
        left, right = corners.get((i, 0)), corners.get((i, 1))
        if left is None and right is None:
            found.rejected.append(Rejected(shot.name, "no board found in it"))
            continue
        sides = [("left", left), ("right", right)]
        soft = [(n, c.edge_width_px) for n, c in sides if c is not None and c.edge_width_px > BLURRED_PX + usual_px]
        if soft:
            name, width_px = soft[0]
            wide = f"edges {width_px:.1f} px wide where others have {usual_px:.1f}"
            why = f"the {name} picture is blurred ({wide}): hold the board still"
            found.rejected.append(Rejected(shot.name, why))
            continue
        if left is not None and right is not None:
            right = _same_way(left, right, board)
        elif shot.left is not None and shot.right is not None:
            side = "right" if right is None else "left"
            found.notes.append(f"{shot.name}: no board in the {side} picture, used for the other lens only")
        spots = tuple(_full(c, board) for c in (left, right))
        twin = next((k[2] for k in kept if _same_pose(spots, k[:2], found.left_size[0])), None)
        if twin is not None:
            found.rejected.append(Rejected(shot.name, f"shows the same pose as {twin}: it adds nothing"))
            continue
        kept.append((spots[0], spots[1], shot.name))
        parts = [(board.points_m[c.ids], c.points_px) if c is not None else nothing for c in (left, right)]
        found.views.append(View(shot.name, *parts[0], *parts[1]))


def _same_way(left: Corners, right: Corners, board: Board) -> Corners:
    """A plain board may be counted from either end: the right view follows the left."""
    if board.kind == "charuco":
        return right
    a, b = (c.points_px[-1] - c.points_px[0] for c in (left, right))
    return right.reversed(board) if float(a @ b) < 0 else right


def _full(corners: Corners | None, board: Board) -> NDArray[np.float64] | None:
    if corners is None:
        return None
    spots = np.full((len(board.points_m), 2), np.nan)
    spots[corners.ids] = corners.points_px
    return spots


def _same_pose(
    a: tuple[NDArray[np.float64] | None, ...], b: tuple[NDArray[np.float64] | None, ...], width_px: int
) -> bool:
    """Whether no camera saw the board move: then the view repeats another and its errors would count twice."""
    for x, y in zip(a, b, strict=True):
        if (x is None) != (y is None):
            return False
        if x is None or y is None:
            continue
        moved = np.linalg.norm(x - y, axis=1)
        if not np.isfinite(moved).sum() >= 4 or float(np.nanmean(moved)) > SAME_POSE * width_px:
            return False
    return True
