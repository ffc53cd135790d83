"""Moves the focus smoothly to where it is wanted, and looks beside the stream for what that is."""

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stereo_portrait.core.capture import Image
from stereo_portrait.core.depth import DepthMap
from stereo_portrait.core.errors import InputError, WeightsError
from stereo_portrait.core.portrait import Focus
from stereo_portrait.fallback.subject import SubjectFinder, SubjectSettings
from stereo_portrait.live.controls import Wish
from stereo_portrait.live.depth import LiveDepth
from stereo_portrait.live.settings import LiveSettings
from stereo_portrait.rendering.focus import FocusSettings, at_point, choose_focus

SETTLED_SHARE = 0.05  # of the way that is left after rack_s
SETTLED_AT = 4.744  # (1 + a) exp(-a) = SETTLED_SHARE
DEAD_BAND_PER_M = 0.02  # 1/m: smaller wishes are the measurement's noise
CASCADE = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
REST = 8.0  # times as long as a look took, before the next: at most a ninth of a core
NEAREST_M, FARTHEST_M = 0.05, 1000.0


@dataclass(slots=True)
class Rack:
    """A critically damped spring in inverse depth, where equal steps look equal: it arrives and never overshoots."""

    at_per_m: float
    speed: float = 0.0

    def step(self, target_per_m: float, elapsed_s: float, rack_s: float) -> float:
        """Move on and say where the focus is: after `rack_s` 95 % of the way is done.

        x(t) = target + (x0 + (v0 + w x0) t) exp(-w t), the solution of x'' + 2 w x' + w^2 x = 0.
        """
        if rack_s <= 0:
            self.at_per_m, self.speed = target_per_m, 0.0
            return target_per_m
        w, t = SETTLED_AT / rack_s, max(elapsed_s, 0.0)
        away, decay = self.at_per_m - target_per_m, math.exp(-SETTLED_AT / rack_s * max(elapsed_s, 0.0))
        along = self.speed + w * away
        self.at_per_m = target_per_m + (away + along * t) * decay
        self.speed = (self.speed - w * along * t) * decay
        return self.at_per_m


class FocusPuller:
    """Chooses the target a few times a second in a thread of its own, and walks there with every picture."""

    def __init__(self, live: LiveSettings, focus: FocusSettings, subject: SubjectSettings) -> None:
        self.live, self.focus = live, focus
        self._finder = SubjectFinder(subject)
        self._faces: cv2.CascadeClassifier | None = None
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="live-focus")
        self._looking: Future[Focus | None] | None = None
        self._asked: tuple[object, ...] = ()
        self._looked_s = -math.inf
        self._took_s = 0.0  # the last look
        self._rack: Rack | None = None
        self._target_per_m = 0.0
        self._last_s = 0.0
        self.how = ""
        self.notes: list[str] = []

    def pull(self, seen: LiveDepth, wish: Wish) -> Focus:
        """Where the lens is focused in this picture."""
        now_s = time.monotonic()
        asked = (wish.follow, wish.point, wish.distance_m)
        if self._rack is None:
            first = self._look(seen, wish) or Focus(2.0, None, "none")
            self._target_per_m, self.how = 1 / first.distance_m, first.how
            self._rack, self._asked, self._last_s = Rack(self._target_per_m), asked, now_s
        if self._looking is not None and self._looking.done():
            self._take(self._looking.result())
            self._looking = None
        rest_s = max(self.live.refocus_s, REST * self._took_s)
        due = asked != self._asked or now_s - self._looked_s >= rest_s
        if self._looking is None and due:
            self._asked, self._looked_s = asked, now_s
            self._looking = self._beside.submit(self._timed_look, seen, wish)
        at_per_m = self._rack.step(self._target_per_m, now_s - self._last_s, self.live.rack_s)
        self._last_s = now_s
        return Focus(1 / max(at_per_m, 1 / FARTHEST_M), None, self.how)

    def close(self) -> None:
        """Let go of the thread."""
        self._beside.shutdown(wait=True, cancel_futures=True)

    def _take(self, found: Focus | None) -> None:
        if found is None:
            return
        per_m = 1 / min(max(found.distance_m, NEAREST_M), FARTHEST_M)
        if abs(per_m - self._target_per_m) > DEAD_BAND_PER_M or found.how != self.how:
            self._target_per_m, self.how = per_m, found.how

    def _timed_look(self, seen: LiveDepth, wish: Wish) -> Focus | None:
        began_s = time.monotonic()
        found = self._look(seen, wish)
        self._took_s = time.monotonic() - began_s
        return found

    def _look(self, seen: LiveDepth, wish: Wish) -> Focus | None:
        """The wish's target in this picture; None where it cannot be seen, and the focus stays."""
        depth = seen.depth
        height, width = depth.depth_m.shape
        try:
            if wish.follow == "distance" and wish.distance_m is not None:
                return Focus(wish.distance_m, None, "distance")
            if wish.follow == "point" and wish.point is not None:
                return at_point(depth, int(wish.point[0] * width), int(wish.point[1] * height), "point")
            if wish.follow in ("auto", "face") and (face := self._face(seen.photo, depth)) is not None:
                return face
            if wish.follow == "subject":
                return self._subject(seen.photo, depth)
            return choose_focus(depth, FocusSettings()) if wish.follow == "auto" else None
        except InputError:
            return None

    def _face(self, photo: Image, depth: DepthMap) -> Focus | None:
        """The largest face, by OpenCV's frontal cascade (Viola and Jones, CVPR 2001)."""
        if self._faces is None:
            self._faces = cv2.CascadeClassifier(str(CASCADE))
        height, width = depth.depth_m.shape
        grey = cv2.cvtColor(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        found = self._faces.detectMultiScale(cv2.equalizeHist(grey), 1.25, 5, minSize=(height // 7, height // 7))
        if len(found) == 0:
            return None
        x, y, w, h = max(np.asarray(found).tolist(), key=lambda box: box[2] * box[3])
        return at_point(depth, int(x + w / 2), int(y + h / 2), "face")

    def _subject(self, photo: Image, depth: DepthMap) -> Focus | None:
        height, width = depth.depth_m.shape
        small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
        try:
            subject = self._finder.find(small)
        except WeightsError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))
            return choose_focus(depth, FocusSettings())
        return choose_focus(depth, FocusSettings(), subject.alpha) if subject.found else None
