"""A long run: memory, threads and latency at its end are what they were at its beginning."""

import os
import threading
import time

import psutil
import pytest

from stereo_portrait.config import load_settings
from stereo_portrait.live.controls import Controls, Wish
from stereo_portrait.live.picture import Picture
from stereo_portrait.live.runner import LiveRunner
from stereo_portrait.live.screen import Nowhere
from tests.live.streams import MadeSource, panned

SECONDS = float(os.environ.get("STEREO_PORTRAIT_SOAK_S", "12"))  # 600 for the long one
SETTLED_S = min(30.0, SECONDS / 2)
MOST_GROWTH_MB = 30


class Weighing(Nowhere):
    """Notes memory and frame age as time goes by, and keeps the viewer's hands busy."""

    def __init__(self, controls: Controls) -> None:
        self.controls, self.started_s = controls, time.monotonic()
        self.memory_mb: list[tuple[float, float]] = []
        self.ages_s: list[tuple[float, float]] = []
        self.process = psutil.Process()

    def show(self, picture: Picture) -> bool:
        now_s = time.monotonic()
        at_s = now_s - self.started_s
        self.ages_s.append((at_s, now_s - picture.seen.frame.arrived_s))
        if not self.memory_mb or at_s - self.memory_mb[-1][0] >= 0.5:
            self.memory_mb.append((at_s, self.process.memory_info().rss / 1e6))
            self.controls.set_f_number(1.0 + len(self.memory_mb) % 5)
            self.controls.focus_at(0.1 + len(self.memory_mb) % 8 / 10, 0.5)
        return True


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_memory_threads_and_latency_stay_as_they_were() -> None:
    frames, rig = panned(320, 240, 60)
    controls = Controls(Wish(1.8))
    live = LiveRunner(
        lambda: MadeSource(lambda n: frames[n % 60], 10**9, rate_hz=30), lambda size: rig, load_settings(), controls
    )
    before = {t.ident for t in threading.enumerate()}
    screen = Weighing(controls)
    report = live.run(screen, SECONDS)
    left = [t.name for t in threading.enumerate() if t.ident not in before and not t.name.startswith("lens-blur")]
    assert left == []
    settled = [mb for at_s, mb in screen.memory_mb if at_s >= SETTLED_S]
    early = [age for at_s, age in screen.ages_s if SETTLED_S / 2 <= at_s < SETTLED_S]
    late = [age for at_s, age in screen.ages_s if at_s >= SECONDS - SETTLED_S / 2]
    growth_mb = max(settled) - settled[0]
    print(
        f"\n{SECONDS:.0f} s, {report['frames_shown']} frames, {report['fps']} a second, latency {report['latency_ms']}"
    )
    print(
        f"memory {settled[0]:.0f} MB, then at most {growth_mb:+.1f} MB, at the end {settled[-1] - settled[0]:+.1f} MB"
    )
    print(f"median age {1000 * median(early):.0f} ms early, {1000 * median(late):.0f} ms late, load {os.getloadavg()}")
    assert growth_mb < MOST_GROWTH_MB
    assert median(late) < 2 * median(early) + 0.05
    assert report["frames_in"] == report["frames_shown"] + report["frames_dropped"]


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
