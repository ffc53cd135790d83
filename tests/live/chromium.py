"""A headless Chromium, driven over its own debugging protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
START_S = 30.0


def installed() -> str | None:
    """The browser's program, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One open page."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire, self._number = wire, 0
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; what the page complains of meanwhile is kept."""
        self._number += 1
        self._wire.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._wire.recv(timeout=START_S))
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(answer["params"])[:500])
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20.0) -> Any:
        """The expression's value as soon as it is true."""
        until_s = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < until_s, f"{script} never came true; {self.complaints}"
            time.sleep(0.05)
        return value

    def click(self, selector: str, x_share: float = 0.5, y_share: float = 0.5) -> None:
        """A click of the mouse on an element."""
        box = self.run(
            f"(r => [r.x, r.y, r.width, r.height])(document.querySelector('{selector}').getBoundingClientRect())"
        )
        place = {"x": box[0] + box[2] * x_share, "y": box[1] + box[3] * y_share, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **place)

    def picture(self, path: Path) -> None:
        """A screenshot."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def page_at(address: str, folder: Path) -> Iterator[Page]:
    """The page at an address in a fresh browser that ends with the block."""
    program = installed()
    assert program is not None
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1000,1100")
    with subprocess.Popen(
        [program, *options, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as browser:
        try:
            port = _port(folder / "DevToolsActivePort")
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=START_S) as answer:
                target = next(t for t in json.load(answer) if t["type"] == "page")
            with connect(target["webSocketDebuggerUrl"], max_size=2**26, open_timeout=START_S) as wire:
                page = Page(wire)
                page.call("Page.navigate", url=address)
                yield page
        finally:
            browser.terminate()


def _port(file: Path) -> int:
    until_s = time.monotonic() + START_S
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < until_s, "the browser did not start"
        time.sleep(0.05)
    return int(file.read_text().split()[0])
