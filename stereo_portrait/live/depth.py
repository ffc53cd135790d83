"""The depth stage: a frame becomes a photo with depth on its grid, at a working size that keeps up with the stream."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.config import Settings
from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image, RectifiedPair, RgbdFrame, StereoPair
from stereo_portrait.core.depth import DepthMap, DisparityMap, Flaw, Origin
from stereo_portrait.core.errors import InputError
from stereo_portrait.core.rig import RectifiedRig, RigCalibration
from stereo_portrait.core.stream import Frame
from stereo_portrait.geometry.rectify import RectifySettings, fitted, rectification
from stereo_portrait.live import kernels
from stereo_portrait.live.matching import Brightness, SearchRange, match, pinned
from stereo_portrait.live.settings import LiveSettings
from stereo_portrait.live.steadying import Steadier
from stereo_portrait.refinement.weighted_median import WeightedMedianRefiner, WeightedMedianSettings

Map = NDArray[np.float32]
Rig = RigCalibration | RectifiedRig
RigFor = Callable[[tuple[int, int]], Rig]
SENSOR_BASELINE_M = 0.05  # a sensor's depth is steadied and enlarged as if a pair this far apart had seen it
FILLED_CONFIDENCE = 0.15
MEDIAN = WeightedMedianSettings(radius_px=2, colour_sigma=10.0)


@dataclass(frozen=True, slots=True, eq=False)
class LiveDepth:
    """A photo, its depth, and where both came from."""

    frame: Frame
    photo: Image  # (H, W, 3), rectified
    calm: Image  # (H, W, 3), the same with less noise where nothing moves: for what is out of focus
    inverse_per_m: Map  # (H, W), known everywhere
    depth: DepthMap  # (h, w) on the working grid: what focus is chosen by, and what views show
    rig: Rig | None  # that fits the frame's pair


class DepthStage:
    """Rectifies, matches, steadies and enlarges; one stream, one thread."""

    def __init__(self, settings: Settings, rig_for: RigFor | None) -> None:
        self.settings, self.rig_for = settings, rig_for
        live: LiveSettings = settings["live"]
        self.working_width_px = live.working_width_px or live.most_working_width_px
        self._brightness = Brightness()
        self._steadier = Steadier(live.steadiness)
        self._refiner = WeightedMedianRefiner(MEDIAN)
        self._range: SearchRange | None = None
        self._size: tuple[int, int] | None = None  # of the camera's frames
        self._rig: Rig | None = None
        self._maps: list[tuple[NDArray, NDArray]] | None = None

    def process(self, frame: Frame) -> LiveDepth:
        """One frame's depth.

        Raises:
            RigError: frames of a size that the rig does not fit.
            InputError: frames too small, or stereo frames without a rig.
        """
        if isinstance(frame.capture, RgbdFrame):
            return self._from_sensor(frame, frame.capture)
        return self._from_pair(frame, frame.capture)

    def close(self) -> None:
        """Let go of threads."""
        if self._range is not None:
            self._range.close()

    def _from_pair(self, frame: Frame, pair: StereoPair) -> LiveDepth:
        left, right, rig = self._rectified(pair)
        size = self._working_size(rig.width_px, rig.height_px)
        small_left, small_right = (cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (left, right))
        guide, calm = self._steadier.watch(small_left, left)
        assert self._range is not None
        low_px, high_px = self._range.limits_px(small_left, small_right)
        greys = [cv2.cvtColor(v, cv2.COLOR_RGB2GRAY) for v in (small_left, small_right)]
        right_grey = self._brightness.equalised(greys[0], greys[1])
        found, confidence = match(greys[0], right_grey, low_px, high_px, self.settings["sgbm"])
        if pinned(found, high_px):
            self._range.hurry()
        steadied = self._refined(self._steadier.steadied(found), confidence, guide, rig.resized(*size))
        gain = 1 / (rig.focal_px * rig.baseline_m)
        scale = rig.width_px / size[0]
        return self._finished(frame, (left, calm), guide, steadied, gain * scale, gain * rig.doffs_px)

    def _rectified(self, pair: StereoPair) -> tuple[Image, Image, RectifiedRig]:
        height_px, width_px = pair.left.shape[:2]
        if min(height_px, width_px) < 32:
            raise InputError(f"'{pair.name}' is {width_px}x{height_px}: too small for depth; at least 32 pixels a side")
        if self._size != (width_px, height_px):
            self._prepare((width_px, height_px), pair.name)
        if self._maps is None:
            assert isinstance(self._rig, RectifiedRig)
            return pair.left, pair.right, self._rig
        assert isinstance(self._rig, RigCalibration)
        left, right = (
            cv2.remap(view, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for view, maps in zip((pair.left, pair.right), self._maps, strict=True)
        )
        return left, right, rectification(self._rig, self.settings["rectify"]).rig

    def _prepare(self, size_px: tuple[int, int], name: str) -> None:
        if self.rig_for is None:
            raise InputError("this source gives pairs; matching them needs --rig RIG")
        rectify: RectifySettings = self.settings["rectify"]
        changed = self._size is not None
        rig = fitted(self.rig_for(size_px), size_px, name, rectify.resize_rig or changed)
        maps = None
        if isinstance(rig, RigCalibration):
            plan = rectification(rig, rectify)
            maps = [cv2.convertMaps(m[..., 0], m[..., 1], cv2.CV_16SC2) for m in (plan.left_map, plan.right_map)]
        self.close()
        self._range = SearchRange(self.settings["sgbm"], size_px[0])
        self._rig, self._maps, self._size = rig, maps, size_px
        self._steadier.forget()

    def _working_size(self, width_px: int, height_px: int) -> tuple[int, int]:
        width = min(self.working_width_px, width_px)
        return width, max(16, round(height_px * width / width_px))

    def _refined(self, steadied: Map, confidence: Map, guide: Image, rig: RectifiedRig) -> DisparityMap:
        holes = np.isnan(steadied)
        filled = np.empty_like(steadied)
        in_bands(kernels.fill_rows, len(filled), filled.size, steadied, filled)
        if np.isnan(filled).any():
            filled = _without_empty_rows(filled)
        trust = np.where(holes, np.float32(FILLED_CONFIDENCE), np.maximum(confidence, np.float32(0.2)))
        flaws = np.where(holes, np.uint8(Flaw.FILLED), np.uint8(0))
        everywhere = np.ones(filled.shape, np.bool_)
        pair = RectifiedPair(guide, guide, everywhere, everywhere, rig)
        return self._refiner.refine(DisparityMap(filled, trust, flaws, rig), pair)

    def _from_sensor(self, frame: Frame, capture: RgbdFrame) -> LiveDepth:
        photo, depth = capture.photo.pixels, capture.depth
        height_px, width_px = photo.shape[:2]
        if min(height_px, width_px) < 32:
            raise InputError(f"a frame of {width_px}x{height_px} is too small; at least 32 pixels a side")
        size = self._working_size(width_px, height_px)
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        guide, calm = self._steadier.watch(small, photo)
        inverse = cv2.resize(depth.inverse_depth_per_m, size, interpolation=cv2.INTER_NEAREST)
        confidence = cv2.resize(depth.confidence, size, interpolation=cv2.INTER_NEAREST)
        focal_px = float(size[0])
        rig = RectifiedRig(*size, focal_px, SENSOR_BASELINE_M, (size[0] - 1) / 2, (size[0] - 1) / 2, (size[1] - 1) / 2)
        per_px = 1 / (focal_px * SENSOR_BASELINE_M)
        steadied = self._steadier.steadied((inverse / np.float32(per_px)).astype(np.float32))
        refined = self._refined(steadied, confidence, guide, rig)
        return self._finished(frame, (photo, calm), guide, refined, per_px, 0.0)

    def _finished(
        self,
        frame: Frame,
        photos: tuple[Image, Image],
        guide: Image,
        small: DisparityMap,
        gain: float,
        offset: float,
    ) -> LiveDepth:
        photo, calm = photos
        inverse = np.empty(photo.shape[:2], np.float32)
        in_bands(kernels.enlarge, len(inverse), inverse.size, small.disparity_px, guide, photo, gain, offset, inverse)
        np.maximum(inverse, 0, out=inverse)
        origin: Origin = "sensor" if isinstance(frame.capture, RgbdFrame) else "stereo"
        rig = self._rig if isinstance(frame.capture, StereoPair) else None
        return LiveDepth(frame, photo, calm, inverse, small.to_depth(origin), rig)


def _without_empty_rows(filled: Map) -> Map:
    """Rows without any answer copy the nearest row that has one; none at all becomes zero."""
    known = ~np.isnan(filled).any(axis=1)
    if not known.any():
        return np.zeros_like(filled)
    good = np.flatnonzero(known)
    nearest = good[np.abs(good[None, :] - np.arange(len(filled))[:, None]).argmin(axis=1)]
    out: Map = filled[nearest]
    return out
