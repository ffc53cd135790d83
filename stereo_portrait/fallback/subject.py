"""The subject of one photo: a mask by a network, refined to hair-level alpha in a band along its outline."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.arrays import checked
from stereo_portrait.core.capture import Image, Matte
from stereo_portrait.core.errors import ConfigError, InputError
from stereo_portrait.fallback.matting import solved_alpha
from stereo_portrait.networks.contract import ask
from stereo_portrait.networks.weights import open_network

FloatMap = NDArray[np.float32]
LEAST_PX = 16
SURE = 0.95  # alpha: inside the mask beyond the band
MATTING_PIXELS = 300_000  # closed-form matting above this size runs on a smaller copy of the band's surroundings
UNDECIDED_PIXELS = 60_000  # the same for the band itself: what is solved for costs more than what lies around
GUIDED_EPS = (0.02 * 255) ** 2


@dataclass(frozen=True)
class SubjectSettings:
    """Which network finds the subject, and how fine its outline is drawn."""

    network: str = "built-in"
    threshold: float = 0.5
    least_share: float = 0.004
    matting: Literal["closed-form", "guided", "none"] = "closed-form"
    band_share: float = 0.015
    threads: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("threshold", 0.05, 0.95),
            ("least_share", 0.0, 0.5),
            ("band_share", 0.001, 0.1),
            ("threads", 0, 256),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"subject.{name} must be between {low} and {high}, found {value:g}")


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What was found: alpha in [0, 1], how many separate subjects, which picture borders cut them, in words."""

    alpha: FloatMap  # (H, W)
    count: int
    share: float  # of the picture
    borders: tuple[str, ...]  # "left", "right", "top", "bottom" where a subject leaves the picture
    certainty: float  # mean of |2 p - 1| over the outline's surroundings: 1 = the network had no doubt
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", checked(self.alpha, "alpha", ("H", "W"), np.float32))

    @property
    def found(self) -> bool:
        """True where there is any subject."""
        return self.count > 0


class SubjectFinder:
    """Finds the salient subject of single photos; opens its network at the first photo."""

    def __init__(self, settings: SubjectSettings | None = None) -> None:
        self.settings = settings or SubjectSettings()

    def find(self, photo: Image, matte: Matte | None = None) -> Subject:
        """The subject on the photo's grid; `count` 0 and an empty alpha where there is none.

        A matte that came with the photo is taken as it is if it shows the whole subject, and joined with what the
        network sees if it shows parts.

        Raises:
            WeightsError: the network is not on this machine or is damaged.
            InputError: a photo too small to show anything.
        """
        height, width = photo.shape[:2]
        if min(height, width) < LEAST_PX:
            raise InputError(f"a photo of {width}x{height} is too small to find a subject in; at least {LEAST_PX} px")
        if matte is not None and matte.whole:
            return self._given(matte.alpha)
        session, contract = open_network(self.settings.network, "subject", self.settings.threads)
        chance = ask(session, contract, photo)
        smooth = cv2.resize(chance, (width, height), interpolation=cv2.INTER_LINEAR)
        if matte is not None:
            smooth = np.maximum(smooth, matte.alpha)
        return self.refined(np.clip(smooth, 0, 1).astype(np.float32), photo)

    def _given(self, alpha: FloatMap) -> Subject:
        """The matte of the photo's own file: already fine, and not in doubt."""
        mask, count = _kept(alpha > self.settings.threshold, self.settings.least_share)
        if count == 0:
            return Subject(np.zeros_like(alpha), 0, 0.0, (), 0.0, ("the matte in the photo is empty",))
        share, borders = float(mask.mean()), _borders(mask)
        notes = ("the subject's mask came with the photo", *_notes(count, borders, share, 1.0))
        return Subject(alpha, count, share, borders, 1.0, notes)

    def refined(self, chance: FloatMap, photo: Image) -> Subject:
        """The subject from a soft mask (H, W) on the photo's grid."""
        s = self.settings
        mask, count = _kept(chance > s.threshold, s.least_share)
        share = float(mask.mean())
        if count == 0:
            nothing = np.zeros(chance.shape, np.float32)
            return Subject(nothing, 0, 0.0, (), 0.0, ("no subject stands out in this photo",))
        band_px = max(2, round(s.band_share * min(chance.shape)))
        known = trimap(mask, chance, band_px)
        unsure = known == 0.5
        certainty = float(np.abs(2 * chance[unsure] - 1).mean()) if unsure.any() else 1.0
        if s.matting == "none" or not unsure.any():
            alpha = mask.astype(np.float32)
        elif s.matting == "guided":
            alpha = _guided(mask, known, photo, band_px)
        else:
            alpha = _closed_form(known, chance, photo)
        borders = _borders(mask)
        return Subject(alpha, count, share, borders, certainty, _notes(count, borders, share, certainty))


def trimap(mask: NDArray[np.bool_], chance: FloatMap, band_px: int) -> FloatMap:
    """(H, W): 1 surely subject, 0 surely not, 0.5 to be decided: a band along the outline, wider where soft."""
    within = cv2.distanceTransform(
        mask.astype(np.uint8), cv2.DIST_L2, 3
    )  # 0 outside; the picture's border is no outline
    beyond = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    away = np.maximum(within, beyond)
    soft = (away <= 4 * band_px) & (chance > 0.1) & (chance < 0.9)
    return np.where((away <= band_px) | soft, 0.5, np.where(mask, 1.0, 0.0)).astype(np.float32)


def _kept(mask: NDArray[np.bool_], least_share: float) -> tuple[NDArray[np.bool_], int]:
    """Subjects large enough to be one (against the picture, and against the largest), and how many."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    if count < 2 or areas.max() < least_share * mask.size:
        return np.zeros(mask.shape, np.bool_), 0
    keep = (areas >= least_share * mask.size) & (areas >= 0.05 * areas.max())
    kept: NDArray[np.bool_] = keep[labels]
    return kept, int(keep.sum())


def _guided(mask: NDArray[np.bool_], known: FloatMap, photo: Image, band_px: int) -> FloatMap:
    """He et al., "Guided Image Filtering", PAMI 2013, section 4: feathering a mask by the photo's colours."""
    soft = cv2.ximgproc.guidedFilter(photo, mask.astype(np.float32), 2 * band_px, GUIDED_EPS)
    return np.where(known == 0.5, np.clip(soft, 0, 1), known).astype(np.float32)


def _closed_form(known: FloatMap, chance: FloatMap, photo: Image) -> FloatMap:
    """Levin et al., "A Closed-Form Solution to Natural Image Matting", PAMI 2008, around the undecided band only.

    The network's chance speaks where colours leave the answer open.
    """
    window = _around(known == 0.5)
    cut_known, cut_photo = known[window], photo[window]
    undecided = int((cut_known == 0.5).sum())
    scale = min(1.0, float(np.sqrt(min(MATTING_PIXELS / cut_known.size, UNDECIDED_PIXELS / undecided))))
    size = (max(8, round(cut_known.shape[1] * scale)), max(8, round(cut_known.shape[0] * scale)))
    small_known = cv2.resize(cut_known, size, interpolation=cv2.INTER_NEAREST)
    small_photo = cv2.resize(cut_photo, size, interpolation=cv2.INTER_AREA)
    small_chance = cv2.resize(chance[window], size, interpolation=cv2.INTER_AREA)
    if not (small_known == 0.5).any():
        return known
    alpha = solved_alpha(small_known, small_chance, small_photo)
    if scale < 1:
        alpha = _guided_upsampled(alpha, small_photo, cut_photo)
    out = known.copy()
    out[window] = np.where(cut_known == 0.5, np.clip(alpha, 0, 1), cut_known)
    return out


def _guided_upsampled(alpha: FloatMap, small: Image, large: Image) -> FloatMap:
    """The local linear model alpha = a . colour + b, fitted on the small copy and applied to the large photo.

    Source: He and Sun, "Fast Guided Filter", 2015; the grey channel alone carries the detail.
    """
    guide = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    box = (5, 5)
    mean_g, mean_a = cv2.boxFilter(guide, -1, box), cv2.boxFilter(alpha, -1, box)
    variance = cv2.boxFilter(guide * guide, -1, box) - mean_g * mean_g
    slope = (cv2.boxFilter(guide * alpha, -1, box) - mean_g * mean_a) / (variance + np.float32(25.0))
    offset = mean_a - slope * mean_g
    size = (large.shape[1], large.shape[0])
    slope = cv2.resize(cv2.boxFilter(slope, -1, box), size, interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(cv2.boxFilter(offset, -1, box), size, interpolation=cv2.INTER_LINEAR)
    fine = cv2.cvtColor(large, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(slope * fine + offset, np.float32)


def _around(where: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    margin = 8
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )


def _borders(mask: NDArray[np.bool_]) -> tuple[str, ...]:
    """Borders that the subject crosses over more than 2 % of their length."""
    sides = {"left": mask[:, 0], "right": mask[:, -1], "top": mask[0], "bottom": mask[-1]}
    return tuple(name for name, line in sides.items() if line.mean() > 0.02)


def _notes(count: int, borders: tuple[str, ...], share: float, certainty: float) -> tuple[str, ...]:
    notes = []
    if count > 1:
        notes.append(f"{count} separate subjects were found; all of them stay sharp")
    cut = [b for b in borders if b != "bottom"]  # a portrait is nearly always cut at the bottom
    if cut:
        notes.append(f"the subject leaves the picture at the {' and '.join(cut)}")
    if share > 0.85:
        notes.append("the subject fills almost the whole picture; little is left to blur")
    if certainty < 0.35:
        notes.append("the outline of the subject is uncertain")
    return tuple(notes)
