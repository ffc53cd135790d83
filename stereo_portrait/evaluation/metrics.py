"""Disparity against truth, by the official definitions of the Middlebury evaluation kit, and at edges."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Mask, Scene

THRESHOLDS_PX = (0.5, 1.0, 2.0, 4.0)
EDGE_JUMP_PX = 2.0
EDGE_BAND_PX = 5
EDGE_REACH_PX = 1
Disparity = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Score:
    """Errors over one mask; shares in per cent of ALL masked pixels with known truth."""

    bad05: float
    bad1: float
    bad2: float
    bad4: float
    invalid: float  # holes
    totbad2: float  # bad2 + holes
    avgerr: float  # px, over valid pixels
    rms: float  # px, over valid pixels


@dataclass(frozen=True, slots=True)
class SceneScore:
    """Everything measured on one scene."""

    nonocc: Score
    all: Score
    edge_bad2: float  # per cent, holes counted, within EDGE_BAND_PX of a true jump
    edge_f1: float  # per cent
    coverage: float  # share of pixels with an answer, per cent
    ms: float = float("nan")


def score_scene(disparity_px: Disparity, scene: Scene, ms: float = float("nan")) -> SceneScore:
    """Score an (H, W) disparity map, NaN = no answer, against a scene.

    Source: Middlebury stereo evaluation SDK v3 (evaldisp): unknown truth is skipped, disparities are clipped to
    [0, ndisp], rounded only where the truth is integer, bad-N counts holes in the denominator but not as bad.
    """
    truth = scene.truth_disparity_px
    found = np.clip(disparity_px, 0, scene.max_disparity_px)
    if scene.truth_is_integer:
        found = np.floor(found + np.float32(0.5))  # C's round, as in the kit
    known = np.isfinite(truth)
    seen = known if scene.non_occluded is None else known & scene.non_occluded
    band, jumps = edge_band(truth)
    return SceneScore(
        _score(found, truth, seen),
        _score(found, truth, known),
        _bad_or_missing(found, truth, band & known, 2.0),
        edge_f1(found, truth, jumps),
        100 * float((~np.isnan(disparity_px)).mean()),
        ms,
    )


def _score(found: Disparity, truth: Disparity, mask: Mask) -> Score:
    total = max(1, int(mask.sum()))
    error = np.abs(found[mask] - truth[mask])
    missing = np.isnan(error)
    valid = error[~missing]
    bad = {t: 100 * float((valid > t).sum()) / total for t in THRESHOLDS_PX}
    invalid = 100 * float(missing.sum()) / total
    average = float(valid.mean()) if valid.size else float("nan")
    rms = float(np.sqrt((valid.astype(np.float64) ** 2).mean())) if valid.size else float("nan")
    return Score(bad[0.5], bad[1.0], bad[2.0], bad[4.0], invalid, bad[2.0] + invalid, average, rms)


def _bad_or_missing(found: Disparity, truth: Disparity, mask: Mask, threshold_px: float) -> float:
    if not mask.any():
        return float("nan")
    good = np.abs(found[mask] - truth[mask]) <= threshold_px
    return 100 * float(1 - good.mean())


def disparity_jumps(disparity_px: Disparity, jump_px: float = EDGE_JUMP_PX) -> Mask:
    """(H, W) True on the nearer pixel's side and the farther one's of every step > jump_px to a 4-neighbour."""
    jumps = np.zeros(disparity_px.shape, np.bool_)
    for axis in (0, 1):
        step = np.abs(np.diff(disparity_px, axis=axis)) > jump_px  # NaN compares false
        first = [slice(None)] * 2
        second = [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        jumps[tuple(first)] |= step
        jumps[tuple(second)] |= step
    return jumps


def edge_band(truth: Disparity) -> tuple[Mask, Mask]:
    """Pixels within EDGE_BAND_PX of a true jump > EDGE_JUMP_PX, and the jumps themselves."""
    jumps = disparity_jumps(truth)
    size = 2 * EDGE_BAND_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(jumps.astype(np.uint8), kernel) > 0, jumps


def edge_f1(found: Disparity, truth: Disparity, jumps: Mask) -> float:
    """F1 of found jumps against true ones, each counted as met within EDGE_REACH_PX, where the truth is known.

    NaN where the truth has no jump: a flat scene, or truth too sparse to show one.
    """
    reach = np.ones((2 * EDGE_REACH_PX + 1,) * 2, np.uint8)
    known = cv2.erode(np.isfinite(truth).astype(np.uint8), reach) > 0
    mine = disparity_jumps(found) & known
    theirs = jumps & known
    if not theirs.any():
        return float("nan")
    if not mine.any():
        return 0.0
    near_mine = cv2.dilate(mine.astype(np.uint8), reach) > 0
    near_theirs = cv2.dilate(theirs.astype(np.uint8), reach) > 0
    recall, precision = float(near_mine[theirs].mean()), float(near_theirs[mine].mean())
    return 100 * 2 * precision * recall / max(precision + recall, 1e-9)
