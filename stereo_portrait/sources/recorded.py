"""Pairs in files: two files, one side-by-side or top-bottom picture, MPO, or a folder of pairs."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as PillowImage

from stereo_portrait.core.capture import Photo, StereoPair
from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings, read_frames, read_photo

Layout = Literal["side-by-side", "top-bottom", "side-by-side-swapped", "top-bottom-swapped"]
LAYOUTS: tuple[Layout, ...] = ("side-by-side", "top-bottom", "side-by-side-swapped", "top-bottom-swapped")

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".ppm", ".pgm", ".heic")
NAME_PAIRS = (("im0", "im1"), ("im2", "im6"), ("view1", "view5"), ("left", "right"), ("l", "r"), ("L", "R"))
ENDINGS = (("_L", "_R"), ("_l", "_r"), ("_left", "_right"), ("-left", "-right"), ("_0", "_1"), ("L", "R"))
FOLDER_PAIRS = (("image_2", "image_3"), ("image_02", "image_03"), ("image_0", "image_1"), ("cam0", "cam1"))
SIDE_FOLDERS = (*FOLDER_PAIRS, ("left", "right"), ("Left", "Right"), ("colored_0", "colored_1"))
RIG_NAMES = ("rig.yaml", "calib.txt", "calib_cam_to_cam.txt", "camchain.yaml", "calibration.yml", "stereo.yml")


@dataclass(frozen=True)
class PairFiles:
    """Where a pair lies on the disk, and the rig file found nearest to it."""

    left: Path
    right: Path
    name: str
    rig: Path | None = None


def read_pair(left: Path, right: Path, settings: ImageSettings = DEFAULT, name: str | None = None) -> StereoPair:
    """Two files of one size.

    Raises:
        InputError: unreadable, or of different sizes.
    """
    first, second = read_photo(left, settings), read_photo(right, settings)
    return pair_of(first, second, name or _common_name(left, right), f"{left} and {right}")


def pair_of(first: Photo, second: Photo, name: str, where: str) -> StereoPair:
    """Two photos as a pair.

    Raises:
        InputError: different sizes.
    """
    if first.pixels.shape != second.pixels.shape:
        sizes = " and ".join(f"{p.pixels.shape[1]}x{p.pixels.shape[0]}" for p in (first, second))
        raise InputError(f"{where}: left and right differ in size ({sizes}); give two pictures of one size")
    return StereoPair(first.pixels, second.pixels, name, metadata=first.metadata)


def read_joined_pair(path: Path, layout: Layout, settings: ImageSettings = DEFAULT) -> StereoPair:
    """Both views in one picture, halves of equal size; "swapped" puts the right (or lower) half first.

    Raises:
        InputError: unreadable, or a side that cannot be halved.
    """
    photo = read_photo(path, settings)
    axis = 1 if layout.startswith("side") else 0
    length = photo.pixels.shape[axis]
    if length % 2:
        raise InputError(f"{path}: {length} pixels cannot be halved for the layout '{layout}'")
    first, second = np.split(photo.pixels, 2, axis=axis)
    if layout.endswith("swapped"):
        first, second = second, first
    left, right = np.ascontiguousarray(first), np.ascontiguousarray(second)
    return StereoPair(left, right, path.stem, metadata=photo.metadata)


def read_pair_in_one_file(path: Path, settings: ImageSettings = DEFAULT) -> StereoPair | None:
    """The pair inside an MPO or a spatial HEIC; None where the file holds one picture.

    Raises:
        InputError: unreadable.
    """
    if path.suffix.lower() not in (".mpo", ".jpg", ".jpeg", ".heic", ".heif"):
        return None
    photos = read_frames(path, settings)
    same = [p for p in photos if p.pixels.shape == photos[0].pixels.shape]
    return pair_of(same[0], same[1], path.stem, str(path)) if len(same) >= 2 else None


def second_view(path: Path) -> bool:
    """Whether a JPEG holds another picture of the same size (an MPO of a stereo camera); headers only.

    A phone's second picture (its gain map, its preview) is smaller. Unreadable files hold nothing.
    """
    if path.suffix.lower() not in (".mpo", ".jpg", ".jpeg"):
        return False
    try:
        with PillowImage.open(path) as picture:
            first = picture.size
            if getattr(picture, "n_frames", 1) < 2:
                return False
            picture.seek(1)
            return picture.size == first
    except (OSError, SyntaxError, ValueError, EOFError, ArithmeticError, struct.error):
        return False


def find_pairs(folder: Path) -> Iterator[PairFiles]:
    """Every pair in a folder and the folders below it, by name: im0/im1, left/right, *_L/*_R, KITTI's image_2/image_3.

    Raises:
        InputError: not a folder, or no pair in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    found = 0
    for place in [folder, *sorted(p for p in folder.rglob("*") if p.is_dir() and not p.name.startswith("."))]:
        for pair in (*_pairs_by_name(place, folder), *_pairs_by_side(place, folder)):
            found += 1
            yield pair
    if not found:
        raise InputError(
            f"{folder}: no stereo pair found; known names: im0/im1, left/right, NAME_L/NAME_R, folders image_2/image_3"
        )


def _pairs_by_name(place: Path, top: Path) -> list[PairFiles]:
    files = {p.stem: p for p in sorted(place.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file()}
    for left, right in NAME_PAIRS:
        if left in files and right in files:
            return [PairFiles(files[left], files[right], _scene_name(place, top), find_rig(place, top))]
    pairs = []
    for stem, path in files.items():
        for left, right in ENDINGS:
            if stem.endswith(left) and (partner := files.get(stem.removesuffix(left) + right)):
                name = stem.removesuffix(left).strip("_-") or stem
                pairs.append(PairFiles(path, partner, name, find_rig(place, top)))
                break
    return pairs


def _pairs_by_side(place: Path, top: Path) -> list[PairFiles]:
    pairs = []
    for left, right in SIDE_FOLDERS:
        if (place / left).is_dir() and (place / right).is_dir():
            partners = {p.name: p for p in (place / right).iterdir() if p.suffix.lower() in SUFFIXES}
            for path in sorted((place / left).iterdir()):
                if path.name in partners:
                    pairs.append(PairFiles(path, partners[path.name], path.stem, find_rig(place, top)))
    return pairs


def find_rig(place: Path, top: Path) -> Path | None:
    """The rig file beside a pair, or in a folder above it up to `top`."""
    for folder in (place, *place.parents):
        for name in RIG_NAMES:
            if (folder / name).is_file():
                return folder / name
        if folder == top:
            return None
    return None


def _scene_name(place: Path, top: Path) -> str:
    return place.name if place == top else str(place.relative_to(top)).replace("/", "_")


def _common_name(left: Path, right: Path) -> str:
    shared = left.stem
    while shared and not right.stem.startswith(shared):
        shared = shared[:-1]
    return shared.strip("_-. ") or left.parent.name or "pair"
