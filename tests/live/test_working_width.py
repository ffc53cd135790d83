"""The working width and the size of the blur follow what the machine can do."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from stereo_portrait.live import working_width
from stereo_portrait.live.figures import Figures
from stereo_portrait.live.settings import LiveSettings
from stereo_portrait.live.working_width import WorkingWidth


class Machine:
    """A clock that is turned by hand, and stages whose time grows with the width."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate_hz: float | None = None) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(working_width, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.figures, self.width = Figures(), WorkingWidth(LiveSettings(), rate_hz)

    def run(self, seconds: float, ms_a_pixel: float, render_ms: float = 10.0) -> list[int]:
        widths = []
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 1 / 30
            widths.append(self.width.update(self.figures))
            self.figures.stages["depth"].busy.add(widths[-1] * ms_a_pixel / 1000)
            self.figures.stages["render"].busy.add(render_ms / 1000)
        return widths


def test_a_quick_machine_measures_at_the_largest_width(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(Machine(monkeypatch).run(20, 0.05)) == {LiveSettings().most_working_width_px}


def test_a_slow_machine_settles_at_a_width_that_holds_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = Machine(monkeypatch).run(60, 0.1)
    assert widths[-1] * 0.1 < 1000 / 30
    assert widths[-1] >= 224  # not smaller than needed
    late = widths[-600:]
    assert sum(a != b for a, b in pairwise(late)) <= 2  # it does not hunt


def test_the_width_comes_back_when_the_machine_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    assert machine.run(30, 0.2)[-1] == LiveSettings().least_working_width_px
    assert machine.run(120, 0.04)[-1] == LiveSettings().most_working_width_px


def test_a_slow_source_allows_more_time_for_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine(monkeypatch, rate_hz=10).run(20, 0.2)[-1] == LiveSettings().most_working_width_px


def test_a_slow_blur_is_drawn_at_half_size_before_depth_has_to_suffer(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    machine.run(2, 0.05, render_ms=50)
    assert machine.width.draft
    assert machine.run(10, 0.05, render_ms=20)[-1] == LiveSettings().most_working_width_px


def test_a_slow_matcher_does_not_cost_the_blur_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    machine.run(30, 0.2)
    assert not machine.width.draft


def test_the_blur_is_drawn_whole_again_once_there_is_room_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    machine.run(4, 0.05, render_ms=50)
    machine.run(60, 0.05, render_ms=19)  # at full size it would take 50 again
    assert machine.width.draft
    machine.run(60, 0.05, render_ms=6)
    assert not machine.width.draft
