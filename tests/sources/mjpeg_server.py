"""A loopback MJPEG server that does what a test tells it, good or bad."""

import http.server
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

Action = bytes | float | str  # a JPEG, a pause in seconds, or "raw:..." bytes sent as they are


def jpeg(number: int, width_px: int = 64, height_px: int = 48) -> bytes:
    """A JPEG whose grey level tells its number: 8 grey levels a step."""
    picture = np.full((height_px, width_px, 3), (8 * number) % 256, np.uint8)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def noise_for_ever(width_px: int = 320, height_px: int = 120, interval_s: float = 0.01) -> Iterator[Action]:
    """JPEGs that do not compress well, until the listener hangs up."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (height_px, width_px, 3), np.uint8) for _ in range(4)]
    coded = [bytes(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]) for p in pictures]
    while True:
        for data in coded:
            yield data
            yield interval_s


def number_of(picture: np.ndarray) -> int:
    return round(float(picture.mean()) / 8)


@contextmanager
def serving(
    plan: Callable[[int], Iterable[Action]], kind: str = "multipart/x-mixed-replace; boundary=frame", sized: bool = True
) -> Iterator[str]:
    """Serve `plan(connection number)` to each connection; yields the address. An empty plan answers 503."""
    connections = iter(range(1000))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            actions = plan(next(connections))
            if isinstance(actions, list) and not actions:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                for action in actions:
                    self.act(action)
            except OSError:
                return

        def act(self, action: Action) -> None:
            if isinstance(action, float):
                time.sleep(action)
            elif isinstance(action, str):
                self.wfile.write(action.removeprefix("raw:").encode("latin-1"))
            else:
                size = f"Content-Length: {len(action)}\r\n" if sized else ""
                head = f"\r\n--frame\r\nContent-Type: image/jpeg\r\n{size}\r\n"
                self.wfile.write(head.encode() + action)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stream"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)
