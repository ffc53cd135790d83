"""The render stage: a photo with depth becomes the picture that is shown."""

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np

from stereo_portrait.config import Settings
from stereo_portrait.core.bands import in_bands
from stereo_portrait.core.capture import Image
from stereo_portrait.core.portrait import Focus, LensModel
from stereo_portrait.export.pictures import coloured, depth_picture
from stereo_portrait.live import kernels
from stereo_portrait.live.controls import Wish
from stereo_portrait.live.depth import LiveDepth
from stereo_portrait.live.focus_puller import FocusPuller
from stereo_portrait.rendering.bokeh import BokehRenderer
from stereo_portrait.rendering.lens import WIDEST_SHARE
from stereo_portrait.rendering.light import linear_from_srgb, srgb_from_linear

SHARP_PX = 1.0  # radius up to which the frame's own light is shown, noise and all
LEAST_MOVE_PER_M = 1e-3  # of the focus, 1/m: less would not be seen


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What reaches the viewer."""

    image: Image
    seen: LiveDepth
    focus: Focus
    lens: LensModel
    wish: Wish  # that it fulfils
    again: bool = False  # a frozen frame once more


class RenderStage:
    """Focuses and blurs in preview quality, or as a draft."""

    def __init__(self, settings: Settings) -> None:
        self._renderers = {
            draft: BokehRenderer(dataclasses.replace(settings["bokeh"], quality="draft" if draft else "preview"))
            for draft in (False, True)
        }
        self.draft = False  # at half the size, where the machine is too slow for more
        self._lens: LensModel = settings["lens"].model()
        self._table = linear_from_srgb(np.arange(256, dtype=np.uint8))
        self._max_blur_px: float | None = settings["lens"].max_blur_px
        self.puller = FocusPuller(settings["live"], settings["focus"], settings["subject"])

    def process(self, seen: LiveDepth, wish: Wish) -> Picture:
        """The view that is wished for."""
        return self._picture(seen, wish, self.puller.pull(seen, wish))

    def warm_up(self) -> None:
        """Load every compiled kernel of the lens blur: near and far, steps between them, and a lamp."""
        radius = np.full((96, 128), np.float32(-6))
        radius[20:70, 30:60] = 8
        radius[40:90, 70:100] = 0
        light = np.random.default_rng(0).uniform(0.1, 0.4, (96, 128, 3)).astype(np.float32)
        light[10:12, 100:102] = 4
        for renderer in self._renderers.values():
            srgb_from_linear(renderer.render(light, radius, self._lens.aperture))

    def again(self, last: Picture, wish: Wish) -> Picture | None:
        """The same frame with a new wish, or with the focus a little further; None where nothing would change."""
        focus = self.puller.pull(last.seen, wish)
        moved_per_m = abs(1 / focus.distance_m - 1 / last.focus.distance_m)
        if wish == last.wish and moved_per_m < LEAST_MOVE_PER_M:
            return None
        return dataclasses.replace(self._picture(last.seen, wish, focus), again=True)

    def _picture(self, seen: LiveDepth, wish: Wish, focus: Focus) -> Picture:
        lens = dataclasses.replace(self._lens, f_number=wish.f_number)
        return Picture(self._view(seen, wish, focus, lens), seen, focus, lens, wish)

    def close(self) -> None:
        """Let go of threads."""
        self.puller.close()

    def _view(self, seen: LiveDepth, wish: Wish, focus: Focus, lens: LensModel) -> Image:
        size = (seen.photo.shape[1], seen.photo.shape[0])
        if wish.view == "photo":
            return seen.photo
        if wish.view == "depth":
            return cv2.resize(depth_picture(seen.depth), size, interpolation=cv2.INTER_NEAREST)
        if wish.view == "confidence":
            return cv2.resize(coloured(seen.depth.confidence, (0.0, 1.0)), size, interpolation=cv2.INTER_NEAREST)
        nearest_m = lens.focal_length_mm * 1.05e-3
        focus_m = max(focus.distance_m, nearest_m)
        per_inverse_m = lens.blur_px_per_inverse_m(focus_m, size[0]) / 2
        limit = WIDEST_SHARE * size[0] if self._max_blur_px is None else self._max_blur_px
        radius = seen.inverse_per_m - np.float32(1 / focus_m)
        radius *= np.float32(per_inverse_m)
        np.clip(radius, -limit, limit, out=radius)
        light = np.empty(seen.photo.shape, np.float32)
        in_bands(
            kernels.mixed_light, len(light), light.size, seen.photo, seen.calm, radius, SHARP_PX, self._table, light
        )
        return srgb_from_linear(self._renderers[self.draft].render(light, radius, lens.aperture))
