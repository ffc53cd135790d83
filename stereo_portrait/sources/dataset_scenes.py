"""Public stereo sets, described in datasets/*.yaml, as scenes with truth."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask, RectifiedPair, Scene
from stereo_portrait.core.errors import DatasetError, InputError
from stereo_portrait.core.pfm import read_pfm
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.geometry.rig_file import read_rig
from stereo_portrait.geometry.rig_formats import middlebury
from stereo_portrait.geometry.rig_formats.reading import number, read_text
from stereo_portrait.sources.image_file import DEFAULT, ImageSettings, read_photo

NON_OCCLUDED = 255
NOMINAL_FOCAL_SHARE = 1.0  # of the picture's width, for sets that publish no calibration
NOMINAL_BASELINE_M = 0.1
CONSISTENT_PX = 1.0


@dataclass(frozen=True)
class SetDescription:
    """One public set."""

    name: str
    body: dict[str, Any]

    @property
    def title(self) -> str:
        """The set's name for people."""
        return str(self.body["title"])


def descriptions() -> dict[str, SetDescription]:
    """Every set that datasets/*.yaml describes, by name.

    Raises:
        DatasetError: the descriptions are not installed.
    """
    folder = _description_folder()
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        found[path.stem] = SetDescription(path.stem, yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def _description_folder() -> Path:
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent / "datasets", package / "datasets"):
        if any(folder.glob("*.yaml")):
            return folder
    raise DatasetError("the data set descriptions are missing from this installation; reinstall stereo-portrait")


def load_scenes(name: str, root: Path | None = None, settings: ImageSettings = DEFAULT) -> Iterator[Scene]:
    """The scenes of a set by name (below `root`, or where `datasets pull` puts them), or of a folder.

    A folder is read in the layout that fits: Middlebury 2014's first (im0.png, im1.png, disp0GT.pfm, calib.txt), then
    every described one; scenes may lie in sub-folders.

    Raises:
        DatasetError: no such set or folder, or no scene in it.
        InputError: a scene's file is damaged; it is named.
    """
    known = descriptions()
    if name in known:
        folder = (root or data_folder()) / ("" if root and not (root / name).is_dir() else name)
        if not folder.is_dir():
            raise DatasetError(
                f"the set '{name}' is not in {folder}; run stereo-portrait datasets pull {name}, or pass --root DIR"
            )
        yield from _scenes_below(folder, [known[name]], settings)
        return
    folder = Path(name) if root is None else root / name
    if not folder.is_dir():
        raise DatasetError(f"'{name}' is neither a folder nor a set; sets: {', '.join(known)}")
    order = [known["middlebury2014"], *(d for d in known.values() if d.name != "middlebury2014")]
    yield from _scenes_below(folder, order, settings)


def data_folder() -> Path:
    """Where pulled sets live: $STEREO_PORTRAIT_SETS, else the user's cache."""
    import os

    import pooch

    return Path(os.environ.get("STEREO_PORTRAIT_SETS") or pooch.os_cache("stereo-portrait") / "datasets")


def _scenes_below(top: Path, candidates: list[SetDescription], settings: ImageSettings) -> Iterator[Scene]:
    found = 0
    for place in [top, *sorted(p for p in top.rglob("*") if p.is_dir() and not p.name.startswith("."))]:
        for description in candidates:
            frames = _frames(place, description)
            for frame in frames:
                found += 1
                yield _scene(frame, place, top, description, settings)
            if frames:
                break
    if not found:
        raise DatasetError(
            f"{top}: no scene found; a scene is a folder with im0.png, im1.png, disp0GT.pfm, mask0nocc.png, calib.txt, "
            f"or the layout of {', '.join(d.name for d in candidates)}"
        )


def _frames(place: Path, description: SetDescription) -> list[dict[str, Path]]:
    """The files of every frame in one folder: a role -> path dictionary for each; empty if the layout does not fit."""
    layout = description.body["layout"]
    roles: dict[str, list[Path]] = {}
    for role, names in layout.items():
        for name in [names] if isinstance(names, str) else names:
            paths = sorted(place.glob(name)) if "*" in name else [place / name]
            paths = [p for p in paths if p.is_file()]
            if paths:
                roles[role] = paths
                break
    if not all(role in roles for role in ("left", "right", "truth")):
        return []
    if len(roles["left"]) == 1:
        return [{role: paths[0] for role, paths in roles.items()}]
    stems = {role: {p.stem: p for p in paths} for role, paths in roles.items()}
    shared = [s for s in stems["left"] if s in stems["right"] and s in stems["truth"]]
    return [{role: by_stem[s] for role, by_stem in stems.items() if s in by_stem} for s in shared]


def _scene(
    frame: dict[str, Path], place: Path, top: Path, description: SetDescription, settings: ImageSettings
) -> Scene:
    left, right = read_photo(frame["left"], settings), read_photo(frame["right"], settings)
    if left.pixels.shape != right.pixels.shape:
        raise InputError(f"{frame['left']} and {frame['right']} differ in size")
    truth = _truth(frame["truth"], place.name, left.pixels.shape[1], description)
    height_px, width_px = left.pixels.shape[:2]
    if truth.shape != (height_px, width_px):
        size = f"{truth.shape[1]}x{truth.shape[0]}"
        raise InputError(f"{frame['truth']} is {size} but {frame['left']} is {width_px}x{height_px}")
    name = "_".join(place.relative_to(top).parts) or place.name
    if "*" in str(description.body["layout"]["left"]) and frame["left"].stem != "left":
        name = frame["left"].stem if name == place.name else f"{name}_{frame['left'].stem}"
    fields = _calibration_fields(frame)
    rig = _rig(frame, width_px, height_px, description)
    valid = np.ones((height_px, width_px), np.bool_)
    pair = RectifiedPair(left.pixels, right.pixels, valid, valid, rig, name, metadata=left.metadata)
    top_px = fields.get("ndisp") or description.body["truth"].get("max_disparity_px")
    if not top_px or not np.isfinite(top_px):
        top_px = 16 * int(np.ceil((np.nanmax(truth) + 4) / 16)) if np.isfinite(truth).any() else width_px // 4
    weight = float(description.body.get("weights", {}).get(place.name, 1.0))
    return Scene(
        name,
        pair,
        truth,
        _non_occluded(frame, truth, place.name, width_px, description),
        int(top_px),
        fields.get("isint", 0) == 1,
        weight,
    )


def _truth(path: Path, scene: str, width_px: int, description: SetDescription) -> NDArray[np.float32]:
    rule = description.body["truth"]
    if rule["kind"] == "pfm":
        values = read_pfm(path)
        values = np.abs(values) if rule.get("absolute") else values
        known = np.isfinite(values) & (values >= 0)
    else:
        raw = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if raw is None:
            raise InputError(f"{path}: not a picture that can be read")
        raw = raw[..., 0] if raw.ndim == 3 else raw
        known = raw != rule["unknown"]
        values = raw.astype(np.float32) / np.float32(_divisor(rule, scene, width_px))
    if values.ndim != 2:
        raise InputError(f"{path}: a disparity map has one channel, found shape {values.shape}")
    return np.where(known, values, np.float32(np.nan)).astype(np.float32)


def _divisor(rule: dict[str, Any], scene: str, width_px: int) -> float:
    by_scene = rule.get("divisor_by_scene", {})
    if scene in by_scene:
        return float(by_scene[scene])
    for least_px, divisor in sorted(rule.get("divisor_by_width", {}).items(), reverse=True):
        if width_px >= least_px:
            return float(divisor)
    return float(rule["divisor"])


def _non_occluded(
    frame: dict[str, Path], truth: NDArray[np.float32], scene: str, width_px: int, description: SetDescription
) -> Mask | None:
    """The set's own mask, or left-right consistency of the two truths, or visibility by warping the left truth."""
    if "non_occluded" in frame:
        mask = cv2.imdecode(np.fromfile(frame["non_occluded"], np.uint8), cv2.IMREAD_GRAYSCALE)
        if mask is None or mask.shape != truth.shape:
            raise InputError(f"{frame['non_occluded']}: not a mask of the scene's size")
        return np.asarray(mask == NON_OCCLUDED)
    if "occluded" in frame:
        mask = cv2.imdecode(np.fromfile(frame["occluded"], np.uint8), cv2.IMREAD_GRAYSCALE)
        if mask is None or mask.shape != truth.shape:
            raise InputError(f"{frame['occluded']}: not a mask of the scene's size")
        return np.asarray(mask == 0)
    if "truth_non_occluded" in frame:
        return ~np.isnan(_truth(frame["truth_non_occluded"], scene, width_px, description))
    if "truth_right" in frame:
        return consistent(truth, _truth(frame["truth_right"], scene, width_px, description))
    return visible(truth)


def consistent(left_px: NDArray[np.float32], right_px: NDArray[np.float32]) -> Mask:
    """(H, W) True where the right view's truth agrees within a pixel: seen by both cameras."""
    columns = np.arange(left_px.shape[1])
    known = ~np.isnan(left_px)
    at = np.rint(columns[None, :] - np.where(known, left_px, 0)).astype(int)
    inside = known & (at >= 0) & (at < left_px.shape[1])
    there = np.take_along_axis(right_px, np.clip(at, 0, left_px.shape[1] - 1), axis=1)
    return inside & (np.abs(there - left_px) <= CONSISTENT_PX)


def visible(truth: NDArray[np.float32]) -> Mask:
    """(H, W) True where no nearer left pixel lands on the same right pixel."""
    height, width = truth.shape
    known = ~np.isnan(truth)
    at = np.rint(np.arange(width)[None, :] - np.where(known, truth, 0)).astype(int)
    inside = known & (at >= 0) & (at < width)
    rows = np.broadcast_to(np.arange(height)[:, None], truth.shape)
    nearest = np.full((height, width), -np.inf, np.float32)
    np.maximum.at(nearest, (rows[inside], at[inside]), truth[inside])
    there = np.take_along_axis(nearest, np.clip(at, 0, width - 1), axis=1)
    return inside & (truth >= there - CONSISTENT_PX)


def _calibration_fields(frame: dict[str, Path]) -> dict[str, float]:
    """The numbers of calib.txt that only an evaluation needs."""
    if "calibration" not in frame:
        return {}
    path = frame["calibration"]
    found = middlebury.values(read_text(path), path)
    return {name: number(found[name], name, path) for name in ("ndisp", "isint") if name in found}


def _rig(frame: dict[str, Path], width_px: int, height_px: int, description: SetDescription) -> RectifiedRig:
    if "calibration" in frame:
        rig = read_rig(frame["calibration"], (width_px, height_px))
        if not isinstance(rig, RectifiedRig):
            raise InputError(f"{frame['calibration']}: expected the calibration of a rectified pair")
        if description.body.get("baseline_unit") == "m":
            rig = replace(rig, baseline_m=rig.baseline_m * 1000)  # read as millimetres
        return rig if (rig.width_px, rig.height_px) == (width_px, height_px) else rig.resized(width_px, height_px)
    given = description.body.get("rig", {})
    focal_px = float(given.get("focal_px", NOMINAL_FOCAL_SHARE * width_px))
    if "focal_px_full_width" in given:
        focal_px = float(given["focal_px_full_width"]) * width_px / float(given["full_width_px"])
    cx_px, cy_px = (width_px - 1) / 2, (height_px - 1) / 2
    baseline_m = float(given.get("baseline_m", NOMINAL_BASELINE_M))
    return RectifiedRig(width_px, height_px, focal_px, baseline_m, cx_px, cx_px, cy_px)
