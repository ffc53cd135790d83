"""A folder of unlabelled photographs, and which of them a student never sees.

The folder holds one sub-folder per set and a MANIFEST.tsv with the columns `file` and `set`. Scenes recur inside a
set, so the strict test leaves whole sets out; the mild one leaves out every twentieth photograph of the others.
"""

import csv
import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HELD_OUT_SETS = ("jetson", "u2net", "rembg")
HELD_OUT_EVERY = 20


@dataclass(frozen=True)
class Photograph:
    """One file and the part it plays: "train", "near" (its set is trained on) or "far" (its set is not)."""

    path: Path
    part: str


def photographs(folder: Path) -> list[Photograph]:
    """Every photograph of the folder in a fixed order."""
    with (folder / "MANIFEST.tsv").open(encoding="utf-8") as stream:
        rows = sorted({(row["set"], row["file"]) for row in csv.DictReader(stream, delimiter="\t")})
    found: list[Photograph] = []
    counts: dict[str, int] = {}
    for group, name in rows:
        counts[group] = counts.get(group, 0) + 1
        far = group in HELD_OUT_SETS
        near = not far and counts[group] % HELD_OUT_EVERY == 0
        found.append(Photograph(folder / name, "far" if far else "near" if near else "train"))
    return found


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise FileNotFoundError(path)
    return np.ascontiguousarray(pixels[..., ::-1])


def random_window(
    height_px: int, width_px: int, aspect: float, smallest: float, chooser: random.Random
) -> tuple[int, int, int, int]:
    """x, y, width, height of a window with the given width / height, `smallest` to 1 of the largest that fits."""
    share = chooser.uniform(smallest, 1.0)
    width = min(width_px, height_px * aspect) * share
    w, h = max(1, round(width)), max(1, round(width / aspect))
    w, h = min(w, width_px), min(h, height_px)
    return chooser.randint(0, width_px - w), chooser.randint(0, height_px - h), w, h
