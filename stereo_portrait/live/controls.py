"""What the viewer asks for, from any thread: aperture, focus, view, freeze, save."""

import dataclasses
import threading
from dataclasses import dataclass
from typing import Literal

from stereo_portrait.core.errors import InputError

View = Literal["portrait", "photo", "depth", "confidence"]
Follow = Literal["auto", "face", "subject", "point", "distance"]
VIEWS: tuple[View, ...] = ("portrait", "photo", "depth", "confidence")
F_NUMBERS = (0.7, 32.0)  # what keys and sliders reach
WORKING_WIDTHS = (64, 2048)


@dataclass(frozen=True, slots=True)
class Wish:
    """Everything the viewer has asked for so far."""

    f_number: float
    follow: Follow = "auto"
    point: tuple[float, float] | None = None  # of the picture's width and height, each in [0, 1)
    distance_m: float | None = None
    view: View = "portrait"
    frozen: bool = False
    working_width_px: int | None = None  # None: chosen to hold the frame rate
    saves: int = 0  # how often a save was asked for


class Controls:
    """The current wish; every change makes a new one."""

    def __init__(self, wish: Wish) -> None:
        self._lock = threading.Lock()
        self._wish = wish

    @property
    def wish(self) -> Wish:
        """The newest one."""
        with self._lock:
            return self._wish

    def set_f_number(self, f_number: float) -> None:
        """Open or close the aperture; held within what a lens can do."""
        self._change(f_number=min(max(float(f_number), F_NUMBERS[0]), F_NUMBERS[1]))

    def focus_at(self, x_share: float, y_share: float) -> None:
        """Focus on what lies at a point, given as shares of width and height.

        Raises:
            InputError: a point outside the picture.
        """
        if not (0 <= x_share < 1 and 0 <= y_share < 1):
            raise InputError(f"the point {x_share:g},{y_share:g} lies outside the picture (shares from 0 to 1)")
        self._change(follow="point", point=(float(x_share), float(y_share)))

    def follow(self, what: Follow) -> None:
        """Focus on a face, the subject, or whatever is near and central.

        Raises:
            InputError: something else.
        """
        if what not in ("auto", "face", "subject"):
            raise InputError(f"focus follows auto, face or subject, found '{str(what)[:40]}'")
        self._change(follow=what, point=None)

    def show(self, view: str) -> None:
        """Choose what is shown.

        Raises:
            InputError: no such view.
        """
        if view not in VIEWS:
            raise InputError(f"no view '{view}'; known: {', '.join(VIEWS)}")
        self._change(view=view)

    def freeze(self, frozen: bool) -> None:
        """Hold the picture; focus and aperture go on working."""
        self._change(frozen=bool(frozen))

    def set_working_width(self, width_px: int | None) -> None:
        """Width at which disparity is measured; None lets the runner choose."""
        if width_px is not None:
            width_px = min(max(int(width_px), WORKING_WIDTHS[0]), WORKING_WIDTHS[1])
        self._change(working_width_px=width_px)

    def save(self) -> None:
        """Keep the frame that is being shown as a full portrait."""
        with self._lock:
            self._wish = dataclasses.replace(self._wish, saves=self._wish.saves + 1)

    def _change(self, **values: object) -> None:
        with self._lock:
            self._wish = dataclasses.replace(self._wish, **values)  # type: ignore[arg-type]
