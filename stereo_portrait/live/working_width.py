"""What is given up to hold the frame rate: the width at which disparity is measured, and the size of the blur."""

import time

from stereo_portrait.live.figures import Figures
from stereo_portrait.live.settings import LiveSettings

WIDTHS_PX = (64, 96, 128, 160, 192, 224, 256, 288, 320, 360, 400, 480, 560, 640, 800, 1024, 1280, 1600, 2048)
SETTLE_S = 1.5  # after a change, before the next
PATIENCE_S = 6.0  # before trying a larger width again; doubled each time that one proves too large
FULL, SLACK = 0.9, 0.65  # of the time a frame may take: above the one a smaller width, below the other a larger one
BY_A_STEP = 0.35  # of that time: stages that take so much more are worth a further step at once
ROOM = 0.3  # of that time: a draft that takes less may be drawn at full size again, which takes up to 2.6 times as long


class WorkingWidth:
    """Steps down at once when stages cannot keep up, and up again cautiously."""

    def __init__(self, live: LiveSettings, rate_hz: float | None) -> None:
        limits = live.least_working_width_px, live.most_working_width_px
        self.widths = [w for w in WIDTHS_PX if limits[0] <= w <= limits[1]] or [limits[0]]
        wanted = min(live.target_fps, rate_hz) if rate_hz else live.target_fps
        self.allowed_ms = 1000 / wanted
        self.at = len(self.widths) - 1
        self.draft = False  # the lens blur is drawn at half the size
        self._changed_s = time.monotonic()
        self._patience_s = PATIENCE_S
        self._last_was_up = False

    @property
    def width_px(self) -> int:
        """The width now."""
        return self.widths[self.at]

    def update(self, figures: Figures) -> int:
        """The width for the next frame, from how long stages took of late."""
        since_s = time.monotonic() - self._changed_s
        if since_s < SETTLE_S:
            return self.width_px
        depth_ms, render_ms = (figures.stages[name].busy.recent_ms() or 0.0 for name in ("depth", "render"))
        slowest_ms = max(depth_ms, render_ms)
        if slowest_ms > FULL * self.allowed_ms:
            hurries = render_ms > FULL * self.allowed_ms and not self.draft
            if hurries or self.at > 0:
                self._patience_s = min(self._patience_s * 2, 120.0) if self._last_was_up else self._patience_s
                far = 1 + int((slowest_ms / self.allowed_ms - FULL) / BY_A_STEP)
                self._step(0 if hurries else -min(far, self.at), hurries or self.draft, figures)
        elif slowest_ms < SLACK * self.allowed_ms and since_s > self._patience_s:
            if self.draft and render_ms < ROOM * self.allowed_ms:
                self._step(0, False, figures)
            elif self.at + 1 < len(self.widths):
                self._step(1, self.draft, figures)
        return self.width_px

    def _step(self, by: int, draft: bool, figures: Figures) -> None:
        self._last_was_up = by > 0 or (self.draft and not draft)
        self.at += by
        self.draft = draft
        self._changed_s = time.monotonic()
        for name in ("depth", "render"):
            figures.stages[name].busy.forget_recent()
