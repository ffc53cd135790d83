"""Every stage of the live runner, and frames a second and latency through all of them."""

import os
import time

import pytest

from stereo_portrait.config import load_settings
from stereo_portrait.core.stream import Frame
from stereo_portrait.live.controls import Controls, Wish
from stereo_portrait.live.depth import DepthStage
from stereo_portrait.live.picture import RenderStage
from stereo_portrait.live.runner import LiveRunner, warm_up
from stereo_portrait.live.screen import Nowhere
from tests.live.streams import MadeSource, panned

pytestmark = pytest.mark.speed
SIZES = {"640x480": (640, 480), "1280x720": (1280, 720)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("f_number", [1.8, 0.95])
def test_stages_one_by_one(size: str, f_number: float) -> None:
    frames, rig = panned(*SIZES[size], 24)
    settings = load_settings(None, ("live.working_width_px=320",))
    warm_up(settings)
    depth, render = DepthStage(settings, lambda _: rig), RenderStage(settings)
    wall: dict[str, list[float]] = {"depth": [], "render": []}
    used: dict[str, list[float]] = {"depth": [], "render": []}
    for number, pair in enumerate(frames):
        seen = None
        for name in wall:
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            if seen is None:
                seen = depth.process(Frame(number, pair, 0.0))
            else:
                render.process(seen, Wish(f_number))
            wall[name].append((time.perf_counter() - began_s) * 1000)
            used[name].append((time.process_time() - began_cpu_s) * 1000)
    depth.close()
    render.close()
    for name in wall:
        best, cpu = min(wall[name][6:]), sorted(used[name][6:])[9]
        load = os.getloadavg()[0]
        print(f"\n{size} f/{f_number} {name}: best {best:.1f} ms, {cpu:.1f} ms of processor, load {load:.1f}")
    assert min(wall["depth"]) < 200
    assert min(wall["render"]) < 400


@pytest.mark.parametrize("size", SIZES)
def test_the_whole_stream(size: str) -> None:
    frames, rig = panned(*SIZES[size], 60)
    live = LiveRunner(
        lambda: MadeSource(lambda n: frames[n % 60], 10**9, rate_hz=30),
        lambda _: rig,
        load_settings(),
        Controls(Wish(1.8)),
    )
    began_s = time.process_time()
    report = live.run(Nowhere(), 8)
    cpu_ms = (time.process_time() - began_s) * 1000 / report["frames_shown"]
    print(f"\n{size}: {report['fps']} frames/s, latency {report['latency_ms']}, stages {report['stages_ms']}")
    load = os.getloadavg()[0]
    print(f"working width {report['working_width_px']} px, {cpu_ms:.0f} ms of processor a frame, load {load:.1f}")
    assert report["fps"] > 2
