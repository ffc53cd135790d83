"""Guided capture: frames in, coached views out, shown in a window, in the browser, or nowhere."""

import contextlib
import http.server
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.core.errors import CalibrationError, DeviceError
from stereo_portrait.core.stream import FrameSource
from stereo_portrait.geometry.board import Board
from stereo_portrait.geometry.guide import Guide, Progress
from stereo_portrait.geometry.uncertainty import coverage
from stereo_portrait.geometry.views import Shot, Sightings

Picture = NDArray[np.uint8]
MAX_VIEWS = 60  # bounds memory: two grey pictures a view
SHOW_WIDTH_PX = 640
GREEN, AMBER, WHITE = (60, 200, 90), (250, 180, 40), (245, 245, 245)


class Screen(Protocol):
    """Somewhere to show the coach's picture; `show` answers whether to go on."""

    def show(self, picture: Picture, progress: Progress) -> bool: ...

    def close(self) -> None: ...


def capture(
    source: FrameSource,
    board: Board,
    target_row_px: float = 0.05,
    keep: Path | None = None,
    port: int | None = None,
    headless: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Sightings, Callable[[Path], NDArray[np.uint8]]]:
    """Coach until the predicted row error is under the target, the source ends, or the person finishes.

    Returns what `views.sight` returns, and a loader for the pictures that were taken.

    Raises:
        InputError, DeviceError: the source is lost.
        CalibrationError: the source gives no pairs, or no view could be taken.
    """
    one_by_one = source.rate_hz is None and not source.paced  # pictures in a folder: each may be another view
    guide = Guide(board, target_row_px, continuous=not one_by_one)
    found = Sightings()
    taken: dict[Path, NDArray[np.uint8]] = {}
    screen = _screen(port, headless, say)
    try:
        for frame in source:
            pair = frame.capture
            if not isinstance(pair, StereoPair):
                raise CalibrationError(
                    f"{source.name} gives photos with depth, and calibration needs two views; a RealSense camera gives "
                    "its infrared pair with --set realsense.pair=true"
                )
            left, right = (np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (pair.left, pair.right))
            progress = guide.see(left, right, pair.name)
            if progress.took:
                _remember(found, taken, pair, left, right, len(guide.views), keep)
                say(f"view {len(guide.views)} taken; {progress.advice}{_sure(progress)}")
            if not screen.show(coach_picture(pair, guide, progress), progress) or len(guide.views) >= MAX_VIEWS:
                break
            if guide.done:
                say(f"enough: predicted row error {guide.predicted_row_px:.3f} px")
                break
    finally:
        screen.close()
        source.close()
    for note in source.health.notes:
        say(note)
    if not guide.views:
        raise CalibrationError(
            f"no view of {board.spec} could be taken from {source.name}; is --board right, is it in view?"
        )
    found.views = guide.views
    found.left_size = found.right_size = guide.size_px
    found.detected_left = found.detected_right = len(guide.views)
    if guide.missing():
        found.notes.append(f"still missing: {', '.join(guide.missing())}")
    return found, taken.__getitem__


def _sure(progress: Progress) -> str:
    return "" if progress.predicted_row_px is None else f"; predicted row error {progress.predicted_row_px:.3f} px"


def _remember(
    found: Sightings,
    taken: dict[Path, NDArray[np.uint8]],
    pair: StereoPair,
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    number: int,
    keep: Path | None,
) -> None:
    paths = [(keep or Path()) / f"{side}_{number:02d}.png" for side in ("left", "right")]
    taken[paths[0]], taken[paths[1]] = left, right
    found.shots[pair.name] = Shot(pair.name, paths[0], paths[1])
    if keep is not None:
        from stereo_portrait.export.files import staged_file, write_bytes

        for path, picture in zip(paths, (pair.left, pair.right), strict=True):
            with staged_file(path) as staged:
                write_bytes(staged, cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())


def coach_picture(pair: StereoPair, guide: Guide, progress: Progress) -> Picture:
    """Both views with corners, what has been covered, and the advice in large letters."""
    panes = []
    for side, (picture, corners) in enumerate(((pair.left, progress.left), (pair.right, progress.right))):
        scale = SHOW_WIDTH_PX / picture.shape[1]
        pane = cv2.resize(picture, (SHOW_WIDTH_PX, round(picture.shape[0] * scale)), interpolation=cv2.INTER_AREA)
        if guide.views:
            cells = coverage(guide.views, side, guide.size_px)
            veil = cv2.resize((cells > 0).astype(np.uint8), (pane.shape[1], pane.shape[0]), interpolation=0)
            tinted = (pane * 0.75 + np.array(GREEN) * 0.25).astype(np.uint8)
            pane = np.where(veil[..., None] > 0, tinted, pane)
        pane = np.ascontiguousarray(pane, np.uint8)
        if corners is not None:
            for point in corners.points_px * scale:
                at = tuple(np.rint(point).astype(int).tolist())
                cv2.circle(pane, at, 3, GREEN if progress.took else AMBER, -1, cv2.LINE_AA)
        panes.append(pane)
    joined = np.hstack(panes)
    bar = np.full((84, joined.shape[1], 3), 30, np.uint8)
    cv2.putText(bar, progress.advice, (14, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.0, WHITE, 2, cv2.LINE_AA)
    status = f"{progress.taken} views{_sure(progress)}"
    wanted = f"   wanted: {', '.join(progress.missing[:4])}" if progress.missing else ""
    cv2.putText(bar, status + wanted, (14, 70), cv2.FONT_HERSHEY_SIMPLEX, 0.55, GREEN, 1, cv2.LINE_AA)
    return np.asarray(np.vstack([joined, bar]), np.uint8)


def _screen(port: int | None, headless: bool, say: Callable[[str], None]) -> Screen:
    if headless:
        return _Nowhere()
    display = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if port is None and display:
        return _Window()
    return _Browser(port or 0, say)


class _Nowhere:
    def show(self, picture: Picture, progress: Progress) -> bool:
        return True

    def close(self) -> None:
        return


class _Window:
    title = "calibration: q finishes"

    def show(self, picture: Picture, progress: Progress) -> bool:
        cv2.imshow(self.title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return cv2.waitKey(1) not in (ord("q"), 27)

    def close(self) -> None:
        with contextlib.suppress(cv2.error):
            cv2.destroyWindow(self.title)


PAGE = """<!doctype html><meta charset="utf-8"><title>calibration</title>
<style>body{margin:0;background:#111;color:#eee;font:16px system-ui;text-align:center}img{width:100%;max-width:1280px}
button{font:inherit;padding:.6em 2em;margin:1em}</style>
<img id="view" alt="both cameras"><p id="advice" role="status"></p>
<button id="finish">Finish</button><script>
const view=document.getElementById("view"),advice=document.getElementById("advice");let over=false;
async function next(){if(over)return;try{const r=await fetch("frame.jpg");if(r.ok){const old=view.src;
view.src=URL.createObjectURL(await r.blob());URL.revokeObjectURL(old)}
advice.textContent=(await(await fetch("status.json")).json()).advice}
catch(e){over=true;advice.textContent="finished";return}
setTimeout(next,120)}
document.getElementById("finish").onclick=()=>fetch("finish",{method:"POST"});next();</script>
"""


class _Browser:
    """A page on localhost only; requests that name another host are refused."""

    def __init__(self, port: int, say: Callable[[str], None]) -> None:
        self.frame, self.status = b"", b"{}"
        self.finished = threading.Event()
        screen = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers = {
                    "/": ("text/html; charset=utf-8", PAGE.encode()),
                    "/frame.jpg": ("image/jpeg", screen.frame),
                    "/status.json": ("application/json", screen.status),
                }
                self.answer(*answers.get(self.path.split("?")[0], ("", b"")))

            def do_POST(self) -> None:
                if self.path == "/finish" and self.local():
                    screen.finished.set()
                    self.answer("application/json", b"{}")
                else:
                    self.send_error(403)

            def local(self) -> bool:
                host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
                origin = self.headers.get("Origin")
                return host in ("127.0.0.1", "localhost") and origin in (None, f"http://{self.headers.get('Host')}")

            def answer(self, kind: str, data: bytes) -> None:
                if not self.local() or not kind:
                    self.send_error(403 if kind else 404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return

        try:
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            raise DeviceError(f"cannot serve on port {port}: {error}; choose another --http PORT") from error
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://localhost:{self.server.server_address[1]}/"
        say(f"open {self.address} to see the cameras")

    def show(self, picture: Picture, progress: Progress) -> bool:
        coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        self.frame = coded.tobytes()
        status = {"advice": progress.advice, "taken": progress.taken, "missing": progress.missing}
        self.status = json.dumps(status).encode()
        return not self.finished.is_set()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
