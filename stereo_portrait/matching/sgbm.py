"""OpenCV's semi-global matching at its best: equalised, padded, checked from both sides, sub-pixel corrected."""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, RectifiedPair
from stereo_portrait.core.depth import DisparityMap, Flaw, MatchEvidence
from stereo_portrait.core.errors import ConfigError, InputError
from stereo_portrait.matching.consistency import left_right_difference, outside_overlap, texture
from stereo_portrait.matching.fill import filled_from_background
from stereo_portrait.matching.photometric import equalised
from stereo_portrait.matching.search_range import find_range, searched_top
from stereo_portrait.matching.subpixel import refine_subpixel, unbent
from stereo_portrait.matching.working_size import at_working_size, working_size

MODES = {"3way": cv2.STEREO_SGBM_MODE_SGBM_3WAY, "hh": cv2.STEREO_SGBM_MODE_HH, "sgbm": cv2.STEREO_SGBM_MODE_SGBM}
FIXED_POINT = 16  # SGBM counts in 1/16 px
CHANNELS = 3


@dataclass(frozen=True)
class SgbmSettings:
    """Semi-global block matching (Hirschmueller, PAMI 2008) as in cv2.StereoSGBM."""

    mode: Literal["3way", "hh", "sgbm"] = "3way"
    min_disparity_px: int | None = None
    max_disparity_px: int | None = None
    block_px: int = 3
    small_jump_cost: int = 6
    large_jump_cost: int = 48
    prefilter_cap: int = 31
    uniqueness_percent: int = 2
    speckle_px: int = 50
    speckle_range_px: float = 1.0
    left_right_limit_px: float = 1.0
    flat_below: float = 0.5
    equalise: bool = True
    subpixel: bool = True
    fill: bool = True
    working_megapixels: float = 2.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("block_px", 1, 21),
            ("small_jump_cost", 1, 1000),
            ("large_jump_cost", 2, 5000),
            ("prefilter_cap", 1, 63),
            ("uniqueness_percent", 0, 50),
            ("speckle_px", 0, 100_000),
            ("speckle_range_px", 0.1, 64),
            ("left_right_limit_px", 0.1, 64),
            ("flat_below", 0, 255),
            ("working_megapixels", 0.01, 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"sgbm.{name} must be between {low} and {high}, found {value:g}")
        if self.block_px % 2 == 0:
            raise ConfigError(f"sgbm.block_px must be odd, found {self.block_px}")
        if self.small_jump_cost >= self.large_jump_cost:
            raise ConfigError("sgbm.large_jump_cost must be larger than sgbm.small_jump_cost")
        low_px, high_px = self.min_disparity_px, self.max_disparity_px
        if low_px is not None and high_px is not None and high_px <= low_px:
            raise ConfigError(f"sgbm.max_disparity_px ({high_px}) must be larger than min_disparity_px ({low_px})")


@dataclass(frozen=True, slots=True, eq=False)
class RawMatch:
    """Both views' SGBM answers before anything is rejected; NaN = no answer."""

    left_px: NDArray[np.float32]  # without speckles
    right_px: NDArray[np.float32]
    difference_px: NDArray[np.float32]  # left-right difference, +inf where unknown
    every_left_px: NDArray[np.float32]  # speckles too
    every_right_px: NDArray[np.float32]


class SgbmMatcher:
    """Measures disparity by SGBM; see `SgbmSettings`."""

    def __init__(self, settings: SgbmSettings | None = None) -> None:
        self.settings = settings or SgbmSettings()

    def match(self, pair: RectifiedPair) -> DisparityMap:
        """Disparity of the left view.

        Large pictures are matched at `working_megapixels` and brought back edge-aware.

        Raises:
            InputError: pictures too small to hold any disparity.
        """
        height_px, width_px = pair.left.shape[:2]
        if min(height_px, width_px) < 16:
            raise InputError(f"'{pair.name}' is {width_px}x{height_px}: too small to match; at least 16 pixels a side")
        return at_working_size(pair, self.settings.working_megapixels, self._match)

    def _match(self, pair: RectifiedPair, scale: float) -> DisparityMap:
        left, right = equalised(pair.left, pair.right) if self.settings.equalise else (pair.left, pair.right)
        low_px, high_px = self._range(left, right, scale)
        raw = self.raw(left, right, low_px, high_px)
        found = self._judged(raw, replace(pair, left=left, right=right), low_px, high_px)
        filled = filled_from_background(found)
        evidence = MatchEvidence(left, right, unbent(raw.every_left_px), raw.every_right_px, filled)
        return replace(filled if self.settings.fill else found, evidence=evidence)

    def searched_px(self, width_px: int, height_px: int) -> tuple[float, float] | None:
        """Lowest and highest disparity that a pair of this size is searched for; None where the pair decides it.

        The settings' range is widened at its near end to a whole multiple of 16 px of the working size.
        """
        scale = working_size(width_px, height_px, self.settings.working_megapixels)[0] / width_px
        low_px, high_px = self._set_range(scale)
        if low_px is None or high_px is None:
            return None
        return low_px / scale, searched_top(low_px, high_px) / scale

    def _set_range(self, scale: float) -> tuple[int | None, int | None]:
        """The settings' range in pixels of the working size."""
        low, high = self.settings.min_disparity_px, self.settings.max_disparity_px
        return None if low is None else int(np.floor(low * scale)), None if high is None else int(np.ceil(high * scale))

    def _range(self, left: Image, right: Image, scale: float) -> tuple[int, int]:
        low_px, high_px = self._set_range(scale)
        if low_px is None or high_px is None:
            seen_low, seen_high = find_range(left, right)
            low_px = seen_low if low_px is None else low_px
            high_px = max(seen_high, low_px + 16) if high_px is None else high_px
        return low_px, searched_top(low_px, high_px)

    def raw(self, left: Image, right: Image, low_px: int, high_px: int) -> RawMatch:
        """Match both ways: the right view's answer is the left view's of the mirrored, exchanged pair."""
        left_px, every_left_px = self._one_way(left, right, low_px, high_px)
        mirrored = self._one_way(right[:, ::-1], left[:, ::-1], low_px, high_px)
        right_px, every_right_px = (np.ascontiguousarray(m[:, ::-1]) for m in mirrored)
        difference_px = left_right_difference(left_px, right_px)
        return RawMatch(left_px, right_px, difference_px, every_left_px, every_right_px)

    def _one_way(
        self, left: Image, right: Image, low_px: int, high_px: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, W) disparity without speckles, and with them."""
        s = self.settings
        count = searched_top(low_px, high_px) - low_px
        pad_left, pad_right = max(0, low_px + count), max(0, -low_px)
        views = [
            cv2.copyMakeBorder(np.ascontiguousarray(v[..., ::-1]), 0, 0, pad_left, pad_right, cv2.BORDER_REPLICATE)
            for v in (left, right)
        ]
        area = CHANNELS * s.block_px**2
        engine = cv2.StereoSGBM.create(
            minDisparity=low_px,
            numDisparities=count,
            blockSize=s.block_px,
            P1=s.small_jump_cost * area,
            P2=s.large_jump_cost * area,
            disp12MaxDiff=-1,
            preFilterCap=s.prefilter_cap,
            uniquenessRatio=s.uniqueness_percent,
            speckleWindowSize=0,
            speckleRange=0,
            mode=MODES[s.mode],
        )
        fixed = engine.compute(views[0], views[1])
        fixed = np.ascontiguousarray(fixed[:, pad_left : fixed.shape[1] - pad_right if pad_right else None])
        every_px = _in_pixels(fixed, low_px)
        if not s.speckle_px:
            return every_px, every_px
        limit = max(1, int(s.speckle_range_px * FIXED_POINT))
        cv2.filterSpeckles(fixed, (low_px - 1) * FIXED_POINT, s.speckle_px, limit)
        return _in_pixels(fixed, low_px), every_px

    def _judged(self, raw: RawMatch, pair: RectifiedPair, low_px: int, high_px: int) -> DisparityMap:
        s = self.settings
        no_match = np.isnan(raw.left_px)
        inconsistent = ~no_match & (raw.difference_px > s.left_right_limit_px)
        outside = outside_overlap(np.where(no_match, np.float32(low_px), raw.left_px), pair.right_valid)
        slope = texture(pair.left)
        flaws = (
            no_match * np.uint8(Flaw.NO_MATCH)
            | inconsistent * np.uint8(Flaw.INCONSISTENT)
            | outside * np.uint8(Flaw.OUTSIDE_OVERLAP)
            | (slope < s.flat_below) * np.uint8(Flaw.FLAT)
        ).astype(np.uint8)
        flaws[~pair.left_valid] |= np.uint8(Flaw.OUTSIDE_OVERLAP)
        keep = ~(no_match | inconsistent | outside) & pair.left_valid
        disparity_px = np.where(keep, raw.left_px, np.float32(np.nan)).astype(np.float32)
        if s.subpixel:
            disparity_px = refine_subpixel(disparity_px, pair.left, pair.right)
        confidence = self._confidence(raw, disparity_px, slope, low_px, high_px)
        return DisparityMap(disparity_px, confidence, flaws, pair.rig)

    def _confidence(
        self,
        raw: RawMatch,
        disparity_px: NDArray[np.float32],
        slope: NDArray[np.float32],
        low_px: int,
        high_px: int,
    ) -> NDArray[np.float32]:
        """Product of three doubts, each in [0, 1]: left-right difference, lonely neighbourhood, little texture."""
        known = ~np.isnan(disparity_px)
        agree = np.exp(-np.where(known, raw.difference_px, 0) / np.float32(0.7))
        company = cv2.boxFilter(known.astype(np.float32), -1, (11, 11))
        textured = slope / (slope + np.float32(0.7))
        value = agree * (0.3 + 0.7 * company**2) * (0.4 + 0.6 * textured)
        pinned = (disparity_px >= high_px - 1) | (disparity_px <= low_px)
        return np.where(known, np.where(pinned & (low_px > 0), 0.3 * value, value), 0).astype(np.float32)


def _in_pixels(fixed: NDArray[np.int16], low_px: int) -> NDArray[np.float32]:
    """SGBM's sixteenths of a pixel as pixels, its sentinel as NaN."""
    return np.where(fixed < low_px * FIXED_POINT, np.nan, fixed / np.float32(FIXED_POINT)).astype(np.float32)


class SgbmHhMatcher(SgbmMatcher):
    """SGBM over all eight directions: three times slower, steadier on weak texture.

    Eight paths agree on a surface more firmly than three, so that half of `large_jump_cost` is enough.
    """

    def __init__(self, settings: SgbmSettings | None = None) -> None:
        given = settings or SgbmSettings()
        large = max(given.small_jump_cost + 1, given.large_jump_cost // 2)
        super().__init__(replace(given, mode="hh", large_jump_cost=large))
