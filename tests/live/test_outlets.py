"""What leaves the stream besides the picture: portraits, recordings, keys, other programs' cameras."""

import json
import os
import shutil
import subprocess
import sys
import threading
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.config import load_settings
from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import DeviceError
from stereo_portrait.live.controls import Controls, Wish
from stereo_portrait.live.display import has_display
from stereo_portrait.live.figures import Figures
from stereo_portrait.live.focus_puller import Rack
from stereo_portrait.live.picture import Picture
from stereo_portrait.live.runner import LiveRunner
from stereo_portrait.live.saving import Saver
from stereo_portrait.live.screen import Nowhere
from stereo_portrait.live.tee import Tee
from stereo_portrait.live.virtual_camera import VirtualCamera
from stereo_portrait.live.window import press
from tests.live.streams import MadeSource, motorcycle

PAIR, RIG = motorcycle(192, 144)


def test_a_saved_frame_becomes_a_full_portrait_while_the_stream_goes_on(tmp_path: Path) -> None:
    settings = load_settings(None, ("live.rack_s=0",))
    live = LiveRunner(
        lambda: MadeSource(lambda n: PAIR, 10**9, rate_hz=10),
        lambda size: RIG,
        settings,
        Controls(Wish(1.2, "point", (0.5, 0.6))),
    )
    saver = Saver(tmp_path, settings, live.figures)
    shown_while_saving: list[Picture] = []

    class Saving(Nowhere):
        def show(self, picture: Picture) -> bool:
            if live.figures.frames_shown == 5:
                live.controls.save()
            shown_while_saving.append(picture)
            return live.figures.saved + live.figures.failed_saves == 0

    report = live.run(Saving(), 120, saver)
    (folder,) = tmp_path.iterdir()
    assert report["portraits"] == {"saved": 1, "failed": 0}
    assert len(shown_while_saving) > 10
    result = json.loads((folder / "report.json").read_text())
    saved = next(p for p in shown_while_saving if folder.name.endswith(f"frame{p.seen.frame.number:06d}"))
    assert result["lens"]["f_number"] == 1.2
    assert result["focus"]["distance_m"] == pytest.approx(saved.focus.distance_m, rel=1e-3)
    portrait = cv2.imread(str(folder / "portrait.png"))
    assert portrait.shape == PAIR.left.shape
    assert {"depth.png", "disparity.pfm", "confidence.png", "overview.png"} <= {p.name for p in folder.iterdir()}


def test_a_frame_can_be_saved_while_the_source_is_silent(tmp_path: Path) -> None:
    quiet, saved = threading.Event(), threading.Event()

    def two_then_silence(number: int) -> StereoPair:
        if number >= 2:
            quiet.set()
            saved.wait(60)
        return PAIR

    live = LiveRunner(
        lambda: MadeSource(two_then_silence, 4, rate_hz=20), lambda size: RIG, load_settings(), Controls(Wish(1.8))
    )

    class Ordered:
        """Stands in for the process that makes portraits."""

        def __init__(self) -> None:
            self.numbers: list[int] = []

        def save(self, picture: Picture) -> None:
            self.numbers.append(picture.seen.frame.number)
            saved.set()

        def collect(self) -> None: ...

        def close(self) -> None: ...

    class Waiting(Nowhere):
        def idle(self) -> bool:
            if quiet.is_set() and live.figures.frames_shown and not live.controls.wish.saves:
                live.controls.save()
            return True

    ordered = Ordered()
    live.run(Waiting(), 40, ordered)  # type: ignore[arg-type]
    assert ordered.numbers in ([0], [1])


def test_a_portrait_that_cannot_be_written_is_said_and_the_stream_goes_on(tmp_path: Path) -> None:
    blocked = tmp_path / "portraits"
    blocked.write_text("a file where the folder should be")
    figures = Figures()
    saver = Saver(blocked, load_settings(), figures)
    live = LiveRunner(lambda: MadeSource(lambda n: PAIR, 3), lambda size: RIG, load_settings(), Controls(Wish(1.8)))
    kept: list[Picture] = []

    class Keeping(Nowhere):
        def show(self, picture: Picture) -> bool:
            kept.append(picture)
            return True

    live.run(Keeping())
    saver.save(kept[-1])
    saver.close()
    assert (figures.saved, figures.failed_saves) == (0, 1)
    assert "portraits" in figures.notes[-1]


def test_a_tee_gives_every_frame_to_a_taker_and_never_waits_for_a_slow_one() -> None:
    source = MadeSource(lambda n: PAIR, 40)
    tee, taken = Tee(source), list[int]()
    taker = threading.Thread(target=lambda: taken.extend(frame.number for frame in tee))
    for frame in source:
        tee.offer(frame)
    assert tee.health.dropped == 40 - tee.health.frames > 0  # nobody has taken anything yet
    taker.start()
    tee.close()
    taker.join(10)
    assert taken == list(range(tee.health.frames))


def test_the_focus_racks_smoothly_and_arrives_without_overshooting() -> None:
    rack = Rack(0.5)
    way = [rack.step(1.5, 0.02, 0.5) for _ in range(75)]
    steps = np.diff([0.5, *way])
    assert (steps > 0).all()
    assert steps[0] < 0.5 * steps.max()  # starts gently
    assert way[24] == pytest.approx(1.45, abs=0.01)  # 95 % of the way after rack_s
    assert way[-1] == pytest.approx(1.5, abs=1e-3)
    coarse = Rack(0.5)
    for _ in range(5):
        at = coarse.step(1.5, 0.1, 0.5)
    assert at == pytest.approx(way[24], abs=1e-9)  # whatever the frame rate


def test_keys_ask_for_what_they_say() -> None:
    controls = Controls(Wish(2.0))
    for key in "]]3 su?":
        press(key, controls)
    wish = controls.wish
    assert wish.f_number == pytest.approx(2.0 * 2**0.5)
    assert (wish.view, wish.frozen, wish.saves, wish.follow) == ("depth", True, 1, "subject")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is always a display here")
@pytest.mark.parametrize("named", [{}, {"DISPLAY": ":4077"}, {"WAYLAND_DISPLAY": "wayland-77"}])
def test_a_window_without_a_display_is_one_line_and_not_an_abort(tmp_path: Path, named: dict[str, str]) -> None:
    without = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")} | named
    ended = subprocess.run(
        [sys.executable, "-m", "stereo_portrait", "live", f"folder:{tmp_path}", "--window"],
        env=without, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no display")


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no virtual display on this machine")
def test_a_display_that_is_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    read, write = os.pipe()  # the server chooses a free number and writes it there
    with subprocess.Popen(["Xvfb", "-displayfd", str(write)], pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        try:
            monkeypatch.setenv("DISPLAY", f":{os.read(read, 20).decode().strip()}")
            assert has_display.__wrapped__()
        finally:
            server.terminate()
            os.close(read)
            os.close(write)


def test_a_missing_package_or_device_for_the_virtual_camera_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(DeviceError, match=r"pip install 'stereo-portrait\[virtual-camera\]'"):
        VirtualCamera(30)

    def no_device(**options: object) -> None:
        raise RuntimeError("no loopback device found")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", types.SimpleNamespace(Camera=no_device))
    with pytest.raises(DeviceError, match="v4l2loopback"):
        VirtualCamera(30).show(types.SimpleNamespace(image=PAIR.left))  # type: ignore[arg-type]


def test_the_virtual_camera_keeps_its_first_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[np.ndarray] = []

    class Fake:
        def __init__(self, width: int, height: int, fps: float) -> None:
            self.width, self.height, self.device = width, height, "/dev/video9"

        def send(self, image: np.ndarray) -> None:
            sent.append(image)

        def close(self) -> None:
            sent.append(np.zeros(0))

    monkeypatch.setitem(sys.modules, "pyvirtualcam", types.SimpleNamespace(Camera=Fake))
    camera = VirtualCamera(30)
    for image in (PAIR.left, PAIR.left[:100, :90]):
        assert camera.show(types.SimpleNamespace(image=image))  # type: ignore[arg-type]
    camera.close()
    assert [s.shape for s in sent] == [PAIR.left.shape, PAIR.left.shape, (0,)]
