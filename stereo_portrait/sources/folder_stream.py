"""folder:DIR: pictures on the disk as a stream: left/right pairs, or photos with depth."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame, SourceHealth
from stereo_portrait.sources.depth_map import read_depth
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings, read_photo
from stereo_portrait.sources.recorded import SUFFIXES, PairFiles, find_pairs, pair_of
from stereo_portrait.sources.sensor_depth import sensor_depth

SIDES = ("left", "right")
PHOTO_AND_DEPTH = (("photo", "depth"), ("rgb", "depth"), ("color", "depth"), ("colour", "depth"))
MILLIMETRES = 1000.0


@dataclass(frozen=True, slots=True)
class _Shot:
    first: Path
    second: Path
    has_depth: bool


class FolderStream:
    """Every pair or photo with depth (16-bit millimetres) in a folder, in the order of their numbers."""

    rate_hz: float | None = None
    paced = False
    rig: RigCalibration | RectifiedRig | None = None
    camera: Camera | None = None

    def __init__(self, folder: Path, settings: ImageSettings = DEFAULT) -> None:
        """Look for the pictures.

        Raises:
            InputError: no folder, or no pair in it.
        """
        if not folder.is_dir():
            raise InputError(f"no folder {folder}; check the path")
        self.name, self.settings, self.health = folder.name or str(folder), settings, SourceHealth()
        self.shots = _shots(folder)
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for number, shot in enumerate(self.shots):
            if self._closed.is_set():
                return
            try:
                capture = self._capture(shot)
            except InputError as error:
                self.health.damaged += 1
                self.health.note(f"{error}; such pictures are left out")
                continue
            self.health.frames += 1
            yield Frame(number, capture, time.monotonic())
        if self.health.frames == 0:
            raise InputError(f"{self.name}: none of {len(self.shots)} pairs can be read: {self.health.notes[0]}")

    def _capture(self, shot: _Shot) -> StereoPair | RgbdFrame:
        first = read_photo(shot.first, self.settings)
        if not shot.has_depth:
            names = f"{shot.first.name} + {shot.second.name}"
            return pair_of(first, read_photo(shot.second, self.settings), names, names)
        depth_m = read_depth(shot.second, MILLIMETRES, self.settings)
        if depth_m.shape != first.pixels.shape[:2]:
            raise InputError(f"{shot.second}: depth and photo differ in size; align the depth to the photo")
        return RgbdFrame(first, sensor_depth(depth_m))

    def close(self) -> None:
        """End the iteration; from any thread."""
        self._closed.set()


def _shots(folder: Path) -> list[_Shot]:
    files = sorted((p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()), key=_natural)
    for words in (SIDES, *PHOTO_AND_DEPTH):
        sides = [[p for p in files if _word(p.relative_to(folder), words) == side] for side in (0, 1)]
        if sides[0] and sides[1]:
            shots = [_Shot(a, b, words != SIDES) for a, b in _partners(*sides)]
            if shots:
                return shots
    try:
        found: list[PairFiles] = list(find_pairs(folder))
    except InputError as error:
        raise InputError(
            f"{folder} holds no pairs; name them left_01, right_01, ... or use left/ and right/ "
            "(photo_01, depth_01 for photos with depth in 16-bit millimetres)"
        ) from error
    return [_Shot(p.left, p.right, False) for p in found]


def _word(path: Path, words: tuple[str, str]) -> int | None:
    """Which of two words stands last in a path: the file's own name counts before its folder's."""
    at = [str(path.with_suffix("")).lower().rfind(word) for word in words]
    return None if max(at) < 0 else int(at[1] > at[0])


def _partners(first: list[Path], second: list[Path]) -> list[tuple[Path, Path]]:
    """By the last number in their names, else by order where the counts agree."""
    numbers = [{_number(p): p for p in side} for side in (first, second)]
    shared = sorted(numbers[0].keys() & numbers[1].keys() - {-1})
    if len(numbers[0]) == len(first) and len(numbers[1]) == len(second) and shared:
        return [(numbers[0][n], numbers[1][n]) for n in shared]
    return list(zip(first, second, strict=True)) if len(first) == len(second) else []


def _number(path: Path) -> int:
    found = re.findall(r"\d+", path.stem)
    return int(found[-1]) if found else -1


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(path))]
