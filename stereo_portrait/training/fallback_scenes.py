"""Scenes on which the fallback is judged, and the ways in which they are spoilt."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask, RectifiedPair, Scene
from stereo_portrait.fallback.measures import carried_inwards
from stereo_portrait.fallback.subject import SubjectFinder
from stereo_portrait.matching.fill import background_fill
from stereo_portrait.matching.search_range import find_range, searched_top
from stereo_portrait.matching.sgbm import SgbmMatcher
from stereo_portrait.sources import synthetic
from stereo_portrait.sources.dataset_scenes import load_scenes

FloatMap = NDArray[np.float32]
SETS = ("middlebury2001", "middlebury2003", "middlebury2006", "middlebury2014", "kitti2015")


def scenes(data: Path) -> Iterator[Scene]:
    """Public scenes below `data`, and exact ones."""
    for name in SETS:
        yield from load_scenes(str(data / name))
    yield from aloe(data)
    for near, far in ((40.0, 12.0), (25.0, 10.0), (60.0, 30.0)):
        scene = synthetic.square_in_front(near, far, 480, 320, seed=int(near), side_px=150)
        yield replace(scene, name=f"square {near:g} before {far:g}")


def aloe(data: Path) -> Iterator[Scene]:
    """The aloe scene at half size; its file names are those of OpenCV's samples."""
    folder = data / "middlebury2006" / "aloe_full_opencv"
    if not folder.is_dir():
        return
    views = [cv2.imread(str(folder / f"aloe{side}.jpg"))[..., ::-1] for side in "LR"]
    left, right = (cv2.resize(v, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for v in views)
    truth = cv2.imread(str(folder / "aloeGT.png"), cv2.IMREAD_GRAYSCALE)[::2, ::2].astype(np.float32) / 2
    truth[truth == 0] = np.nan
    height, width = left.shape[:2]
    valid = np.ones((height, width), np.bool_)
    pair = RectifiedPair(left, right, valid, valid, synthetic.rig_of(width, height), "aloe")
    yield Scene("aloe", pair, np.ascontiguousarray(truth[:height, :width]), None, 128)


def dense_truth(scene: Scene) -> FloatMap:
    """The true disparity, holes closed; where it is sparse (lidar), SGBM's."""
    truth = scene.truth_disparity_px
    if np.isfinite(truth).mean() < 0.5:
        return SgbmMatcher().match(scene.pair).disparity_px
    return background_fill(truth)


def subject_of(scene: Scene, finder: SubjectFinder) -> Mask:
    """The salient subject; in scenes without one, what stands in front by Otsu's threshold on the true disparity."""
    found = finder.find(scene.pair.left)
    if found.found and 0.02 < found.share < 0.7:
        return found.alpha > 0.5
    truth = dense_truth(scene)
    low, high = np.percentile(truth, (1, 99))
    levels = np.clip((truth - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return np.asarray(levels > threshold)


def seen_from_right(left: NDArray[np.uint8], disparity: FloatMap) -> NDArray[np.uint8]:
    """The right view of a scene whose left view and disparity are given."""
    height, width = disparity.shape
    other = np.full((height, width), np.nan, np.float32)
    columns = np.arange(width)
    for y in range(height):
        at = np.rint(columns - disparity[y]).astype(int)
        inside = (at >= 0) & (at < width)
        order = np.argsort(disparity[y][inside], kind="stable")  # nearer ones are written last
        other[y, at[inside][order]] = disparity[y][inside][order]
    other = background_fill(other)
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, 1)
    return cv2.remap(
        left, (columns[None] + other).astype(np.float32), rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def sabotages(scene: Scene, subject: Mask) -> Iterator[tuple[str, RectifiedPair, tuple[int, int] | None]]:
    """(name, pair, search range or None for the matcher's own) of every case."""
    pair, truth = scene.pair, dense_truth(scene)
    low, _ = find_range(pair.left, pair.right)
    cut = int(np.percentile(truth[subject], 10) - 0.05 * np.ptp(np.percentile(truth, (5, 95))))
    cut = max(cut, low + 3)
    low = cut - (searched_top(low, cut) - low)  # the search ends where it is said to end
    yield "untouched", pair, None
    yield "too near", pair, (low, cut)
    yield "too near, no second search", pair, (low, cut)
    wide = cv2.dilate(subject.astype(np.uint8), np.ones((15, 15))) > 0
    flat = np.where(subject, carried_inwards(truth, ~wide), truth).astype(np.float32)
    yield "too far", replace(pair, right=seen_from_right(pair.left, flat)), None
    yield "overexposed", replace(pair, right=np.clip(pair.right * 4.0, 0, 255).astype(np.uint8)), None
    yield "underexposed", replace(pair, right=(pair.right * 0.05).astype(np.uint8)), None
    yield "2 px vertical", replace(pair, right=np.roll(pair.right, 2, axis=0)), None
