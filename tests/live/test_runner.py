"""The runner's promises: fresh frames, honest counts, and nothing that a source does stops it."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from stereo_portrait.config import Settings, load_settings
from stereo_portrait.core.capture import Photo, RgbdFrame, StereoPair
from stereo_portrait.core.depth import DepthMap
from stereo_portrait.core.errors import DeviceError, RigError
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.core.stream import Frame, FrameSource
from stereo_portrait.live.controls import Controls, Wish
from stereo_portrait.live.picture import Picture
from stereo_portrait.live.runner import LiveRunner
from stereo_portrait.live.screen import Nowhere
from tests.live.streams import MadeSource, motorcycle

PAIR, RIG = motorcycle(192, 144)


def settings(*changes: str) -> Settings:
    return load_settings(None, ("live.stall_s=0.2", "live.reopen_s=3", *changes))


def runner(opener: Callable[[], FrameSource], *changes: str, rig: RectifiedRig | None = RIG) -> LiveRunner:
    return LiveRunner(opener, None if rig is None else lambda size: rig, settings(*changes), Controls(Wish(1.8)))


def same_pair(number: int) -> StereoPair:
    return PAIR


class Keeping(Nowhere):
    """Remembers what was shown, and may take its time over it."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s, self.shown = delay_s, list[Picture]()

    def show(self, picture: Picture) -> bool:
        time.sleep(self.delay_s)
        self.shown.append(picture)
        return True


def add_up(report: dict) -> bool:
    return report["frames_in"] == report["frames_shown"] + report["frames_dropped"] + report["frames_unusable"]


def test_a_recording_is_shown_frame_by_frame_and_in_order() -> None:
    screen = Keeping()
    report = runner(lambda: MadeSource(same_pair, 12)).run(screen)
    assert [p.seen.frame.number for p in screen.shown] == list(range(12))
    assert report["frames_shown"] == report["frames_in"] == 12
    assert report["frames_dropped"] == 0
    assert set(report["stages_ms"]) == {"capture", "depth", "render", "show"}
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"]


def test_no_thread_is_left_at_the_end() -> None:
    runner(lambda: MadeSource(same_pair, 3)).run(Nowhere())
    before = threading.active_count()
    runner(lambda: MadeSource(same_pair, 3)).run(Nowhere())
    assert threading.active_count() == before
    assert not [t for t in threading.enumerate() if t.name.startswith("live")]


def test_a_slow_consumer_sees_fresh_frames_and_every_frame_is_accounted_for() -> None:
    screen = Keeping(delay_s=0.15)
    report = runner(lambda: MadeSource(same_pair, 60, rate_hz=40)).run(screen)
    assert add_up(report)
    assert report["frames_dropped"] > 10
    ages_s = [report["stages"]["show"][f"age_p{p}_ms"] / 1000 for p in (50, 95)]
    assert max(ages_s) < 0.15 + 0.6  # its own delay and one pass through the stages, however long the stream


def test_the_time_is_kept_even_if_the_source_goes_on_for_ever() -> None:
    report = runner(lambda: MadeSource(same_pair, 10**9, rate_hz=50)).run(Nowhere(), seconds=0.5)
    assert 0 < report["frames_shown"] < 60
    assert add_up(report)


def test_a_source_that_stalls_is_waited_for_and_the_silence_is_counted() -> None:
    def stalling(number: int) -> StereoPair:
        if number == 3:
            time.sleep(0.5)
        return PAIR

    report = runner(lambda: MadeSource(stalling, 30, rate_hz=20)).run(Nowhere())
    assert report["health"]["silences"] == 1
    assert report["health"]["longest_silence_s"] > 0.4
    assert report["frames_shown"] >= 3
    assert add_up(report)


class Dying(MadeSource):
    """Is lost after a few frames."""

    def __iter__(self) -> Iterator[Frame]:
        yield from super().__iter__()
        raise DeviceError("the cable was pulled")


def test_a_source_that_dies_is_opened_again_when_it_comes_back() -> None:
    tries: list[float] = []

    def opener() -> FrameSource:
        tries.append(time.monotonic())
        if len(tries) in (2, 3):
            raise DeviceError("not there yet")
        return Dying(same_pair, 4) if len(tries) == 1 else MadeSource(same_pair, 5)

    report = runner(opener).run(Nowhere())
    assert report["frames_shown"] == 9
    assert report["health"]["reopened"] == 1
    assert any("cable" in note for note in report["health"]["notes"])


def test_a_source_that_stays_away_ends_the_run_with_its_own_words() -> None:
    tries: list[int] = []

    def opener() -> FrameSource:
        tries.append(1)
        if len(tries) > 1:
            raise DeviceError("not there")
        return Dying(same_pair, 2)

    with pytest.raises(DeviceError, match=r"cable was pulled.*did not come back within 1 s"):
        runner(opener, "live.reopen_s=1").run(Nowhere())


def test_frames_of_another_size_are_resized_to_or_passed_over_and_said() -> None:
    half, _ = motorcycle(96, 72)
    odd = StereoPair(PAIR.left[:100], PAIR.right[:100], "odd")

    def changing(number: int) -> StereoPair:
        return (PAIR, half, odd, PAIR)[number // 4]

    screen = Keeping()
    report = runner(lambda: MadeSource(changing, 16)).run(screen)
    assert report["frames_unusable"] == 4
    assert report["frames_shown"] == 12
    assert {p.image.shape[1] for p in screen.shown} == {192, 96}
    assert any("192x100" in note for note in report["health"]["notes"])


def test_a_rig_that_fits_no_frame_is_an_error_at_once() -> None:
    wrong = RectifiedRig(640, 400, 500.0, 0.1, 319.5, 319.5, 199.5)
    with pytest.raises(RigError, match="640x400"):
        runner(lambda: MadeSource(same_pair, 4), rig=wrong).run(Nowhere())


def test_a_failure_inside_a_stage_ends_the_run_and_is_not_swallowed() -> None:
    def broken(number: int) -> StereoPair:
        if number == 2:
            raise ZeroDivisionError("a bug")
        return PAIR

    with pytest.raises(ZeroDivisionError):
        runner(lambda: MadeSource(broken, 5)).run(Nowhere())


def test_a_sensors_depth_is_used_as_it_is() -> None:
    photo = Photo(PAIR.left, "photo")
    depth_m = np.full(PAIR.left.shape[:2], np.float32(3.0))
    depth_m[40:100, 60:140] = 1.5
    depth_m[::7, ::5] = np.nan
    known = ~np.isnan(depth_m)
    depth = DepthMap(depth_m, known.astype(np.float32), (~known).astype(np.uint8), "sensor")
    screen = Keeping()
    report = runner(lambda: MadeSource(lambda number: RgbdFrame(photo, depth), 5), rig=None).run(screen)
    assert report["frames_shown"] == 5
    inverse = screen.shown[-1].seen.inverse_per_m
    assert np.allclose(inverse[50:90, 70:130], 1 / 1.5, atol=0.01)
    assert np.allclose(inverse[5:30, 5:180], 1 / 3.0, atol=0.01)


def test_a_frozen_picture_stays_while_the_aperture_goes_on_working() -> None:
    live = runner(lambda: MadeSource(same_pair, 10**9, rate_hz=30))

    class Freezing(Keeping):
        def show(self, picture: Picture) -> bool:
            super().show(picture)
            if len(self.shown) == 3:
                live.controls.freeze(True)
            if len(self.shown) >= 3 and live.controls.wish.frozen:
                live.controls.set_f_number(picture.lens.f_number + 1)
            if len(self.shown) == 12:
                live.controls.freeze(False)
            return len(self.shown) < 16

    screen = Freezing()
    report = live.run(screen)
    held = [p for p in screen.shown if p.again]
    assert len(held) >= 7
    assert len({p.seen.frame.number for p in held}) == 1
    assert held[-1].lens.f_number > held[0].lens.f_number
    assert screen.shown[-1].seen.frame.number > held[-1].seen.frame.number
    assert report["frames_shown"] == 16 - len(held)
    assert add_up(report)
    assert report["latency_ms"]["p95"] < 1000  # what lay waiting while the picture was frozen is not shown afterwards
