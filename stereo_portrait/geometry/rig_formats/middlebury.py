"""Middlebury's calib.txt: cam0, cam1, doffs, baseline in mm; always an already rectified pair."""

import re
from pathlib import Path

import numpy as np

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.geometry.rig_formats.reading import matrix, number, size

_LINE = re.compile(r"^\s*([A-Za-z_]\w*)\s*=\s*(.+?)\s*$", re.MULTILINE)


def recognises(text: str) -> bool:
    """Whether there is a cam0= line."""
    return re.search(r"^\s*cam0\s*=\s*\[", text, re.MULTILINE) is not None


def values(text: str, path: Path) -> dict[str, str]:
    """Every "name=value" line; other keys (ndisp, isint, vmin, ...) are the evaluation's to read.

    Raises:
        RigError: a key that appears twice.
    """
    found: dict[str, str] = {}
    for name, value in _LINE.findall(text):
        if name in found:
            raise RigError(f"{path}: '{name}' appears twice; keep one")
        found[name] = value
    return found


def read(text: str, path: Path, size_px: tuple[int, int] | None) -> RectifiedRig:
    """The rectified rig; the baseline in the file is in millimetres.

    Raises:
        RigError: missing or impossible values, or doffs that contradicts the principal points.
    """
    found = values(text, path)
    for key in ("cam0", "cam1", "baseline"):
        if key not in found:
            raise RigError(f"{path}: '{key}=' is missing; the calib.txt is truncated, fetch it again")
    cams = [matrix(re.split(r"[\s;,]+", found[c].strip("[] \t")), (3, 3), c, path) for c in ("cam0", "cam1")]
    left, right = cams
    if "width" in found and "height" in found:
        size_px = size([found["width"], found["height"]], "width and height", path)
    if size_px is None:
        raise RigError(f"{path}: holds no width and height; add the lines width=W and height=H")
    if abs(left[0, 0] - right[0, 0]) > 1e-3 * left[0, 0]:
        raise RigError(f"{path}: cam0 and cam1 differ in focal length; a calib.txt describes a rectified pair")
    doffs = number(found["doffs"], "doffs", path) if "doffs" in found else right[0, 2] - left[0, 2]
    if abs(doffs - (right[0, 2] - left[0, 2])) > 0.5:
        apart = right[0, 2] - left[0, 2]
        raise RigError(f"{path}: doffs={doffs:g} but the principal points lie {apart:g} px apart; mend the calib.txt")
    baseline_mm = number(found["baseline"], "baseline", path)
    focal_px, cx_left_px, cx_right_px, cy_px = (float(v) for v in (left[0, 0], left[0, 2], right[0, 2], left[1, 2]))
    return RectifiedRig(*size_px, focal_px, baseline_mm / 1000, cx_left_px, cx_right_px, cy_px)


def write(rig: RectifiedRig) -> str:
    """The text of a calib.txt."""
    f, cy = rig.focal_px, rig.cy_px
    cams = [f"[{f!r} 0 {cx!r}; 0 {f!r} {cy!r}; 0 0 1]" for cx in (rig.cx_left_px, rig.cx_right_px)]
    lines = [f"cam{i}={cam}" for i, cam in enumerate(cams)]
    lines += [f"doffs={rig.doffs_px!r}", f"baseline={_thousandfold(rig.baseline_m)!r}"]
    return "\n".join([*lines, f"width={rig.width_px}", f"height={rig.height_px}"]) + "\n"


def _thousandfold(metres: float) -> float:
    """Millimetres that give the same metres back when divided by 1000."""
    mm = metres * 1000
    return next((c for c in (mm, np.nextafter(mm, 0), np.nextafter(mm, np.inf)) if float(c) / 1000 == metres), mm)
