"""Disparity in a few milliseconds: both ways on a small grey pair, within the range that the scene is known to hold."""

import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image
from stereo_portrait.live import kernels
from stereo_portrait.matching.photometric import LEAST_DIFFERENCE, QUANTILES, tone_table
from stereo_portrait.matching.search_range import find_range, searched_top
from stereo_portrait.matching.sgbm import FIXED_POINT, SgbmSettings

Map = NDArray[np.float32]
Grey = NDArray[np.uint8]
SHRINK = 0.25  # of the way towards a narrower range, each time it is looked for
LOOK_EVERY = 30  # frames
SOONEST = 5  # frames between two looks, however urgent
TRIM_PX = 3.0  # of the margin that the search range comes with
PINNED_SHARE = 0.01  # of the picture at the near end of the search: something is nearer, look at once


class SearchRange:
    """Where disparities lie, looked for now and then beside the stream; wider at once, narrower slowly."""

    def __init__(self, settings: SgbmSettings, full_width_px: int) -> None:
        self._fixed = [
            None if v is None else v / full_width_px for v in (settings.min_disparity_px, settings.max_disparity_px)
        ]
        self._found: tuple[float, float] | None = None  # shares of the width
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="live-range")
        self._looking: Future[tuple[float, float]] | None = None
        self._age = 0
        self._lock = threading.Lock()

    def limits_px(self, left: Image, right: Image) -> tuple[int, int]:
        """(lowest, highest) disparity of this pair in its own pixels; the first call looks, later ones look behind."""
        width = left.shape[1]
        low, high = self._fixed
        if low is None or high is None:
            self._keep_up(left, right)
            seen_low, seen_high = self._found or (0.0, 0.25)
            low = seen_low if low is None else low
            high = max(seen_high, low) if high is None else high
        low_px = int(np.floor(low * width))
        return low_px, low_px + _steps(high * width - low_px)

    def _keep_up(self, left: Image, right: Image) -> None:
        if self._found is None:
            self._found = _looked(left, right)
            return
        if self._looking is not None and self._looking.done():
            low, high = self._looking.result()
            old_low, old_high = self._found
            self._looking, self._age = None, 0
            self._found = (
                low if low < old_low else old_low + SHRINK * (low - old_low),
                high if high > old_high else old_high + SHRINK * (high - old_high),
            )
        self._age += 1
        if self._looking is None and self._age >= LOOK_EVERY:
            self._looking = self._beside.submit(_looked, left, right)

    def hurry(self) -> None:
        """Look again as soon as may be."""
        if self._age >= SOONEST:
            self._age = LOOK_EVERY

    def close(self) -> None:
        """Let go of the thread."""
        self._beside.shutdown(wait=True, cancel_futures=True)


def _steps(span_px: float) -> int:
    """Width of the search: whole sixteens, as SGBM takes them; a little less than wanted rather than much more."""
    return 16 * max(1, math.ceil((span_px - TRIM_PX) / 16))


def _looked(left: Image, right: Image) -> tuple[float, float]:
    low, high = find_range(left, right)
    return low / left.shape[1], high / left.shape[1]


class Brightness:
    """Brings the right view to the left one's brightness by a table that is renewed now and then."""

    def __init__(self) -> None:
        self._table: NDArray[np.uint8] | None = None
        self._age = 0

    def equalised(self, left: Grey, right: Grey) -> Grey:
        """The right view, untouched where the two agree within LEAST_DIFFERENCE grey levels."""
        if self._age % LOOK_EVERY == 0:
            table = tone_table(left, right)
            levels = np.quantile(right[::4, ::4], QUANTILES)
            apart = float(np.abs(table[levels.astype(int)] - levels).mean())
            self._table = None if apart < LEAST_DIFFERENCE else np.rint(np.clip(table, 0, 255)).astype(np.uint8)
        self._age += 1
        return right if self._table is None else cv2.LUT(right, self._table)


def match(left: Grey, right: Grey, low_px: int, high_px: int, s: SgbmSettings) -> tuple[Map, Map]:
    """(h, w) left disparity, NaN where the views do not agree, and confidence in [0, 1]."""
    forward = _one_way(left, right, low_px, high_px, s)
    backward = _one_way(right[:, ::-1], left[:, ::-1], low_px, high_px, s)
    found, confidence = (np.empty(left.shape, np.float32) for _ in range(2))
    limit = round(s.left_right_limit_px * FIXED_POINT)
    in_bands(
        kernels.agree,
        len(left),
        left.size,
        forward,
        backward,
        low_px * FIXED_POINT,
        limit,
        _texture(left),
        found,
        confidence,
    )
    return found, confidence


def pinned(disparity_px: Map, high_px: int) -> bool:
    """True where too much lies at the near end of the search."""
    return float((disparity_px >= high_px - 1.5).mean()) > PINNED_SHARE


def _one_way(left: Grey, right: Grey, low_px: int, high_px: int, s: SgbmSettings) -> NDArray[np.int16]:
    count = searched_top(low_px, high_px) - low_px
    pad_left, pad_right = max(0, low_px + count), max(0, -low_px)
    views = [
        cv2.copyMakeBorder(np.ascontiguousarray(v), 0, 0, pad_left, pad_right, cv2.BORDER_REPLICATE)
        for v in (left, right)
    ]
    area = s.block_px**2
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
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    fixed = engine.compute(views[0], views[1])
    fixed = np.ascontiguousarray(fixed[:, pad_left : pad_left + left.shape[1]])
    cv2.filterSpeckles(fixed, (low_px - 1) * FIXED_POINT, max(1, s.speckle_px // 4), FIXED_POINT)
    return fixed


def _texture(grey: Grey) -> Map:
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    return np.sqrt(cv2.boxFilter(slope * slope, -1, (7, 7)))
