import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from stereo_portrait.core.errors import WeightsError
from stereo_portrait.networks.download import fetch

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT, honours Range; remembers what was asked."""

    asked: list[str | None] = []  # noqa: RUF012 - shared on purpose

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    Server.asked.clear()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/network.onnx"
    server.shutdown()
    server.server_close()


def test_a_download_arrives_whole_and_reports_progress(address: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch(address, SHA256, tmp_path / "models" / "n.onnx", "", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_broken_download_goes_on_where_it_stopped(address: str, tmp_path: Path) -> None:
    (tmp_path / "n.onnx.part").write_bytes(CONTENT[:1000])
    path = fetch(address, SHA256, tmp_path / "n.onnx", "")
    assert path.read_bytes() == CONTENT
    assert Server.asked == ["bytes=1000-"]
    assert not (tmp_path / "n.onnx.part").exists()


def test_a_wrong_hash_leaves_nothing_behind(address: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"wrong sha256.*put it there by hand"):
        fetch(address, "0" * 64, tmp_path / "n.onnx", "put it there by hand")
    assert list(tmp_path.iterdir()) == []


def test_no_connection_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot fetch.*put it there by hand"):
        fetch("http://127.0.0.1:9/network.onnx", SHA256, tmp_path / "n.onnx", "put it there by hand")
