"""The live picture in a browser: a page, and a WebSocket that carries pictures out and wishes in."""

import asyncio
import contextlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from importlib import resources
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.live.controls import Controls
from stereo_portrait.live.picture import Picture
from stereo_portrait.live.wishes import MOST_BYTES, obey

MOST_VIEWERS = 8
MESSAGES_A_SECOND, BURST = 150.0, 300.0  # of one viewer; an acknowledged picture is one message
STATUS_S = 0.25
START_S = 10.0


class Allowance:
    """How many messages a viewer may still send: a bucket that fills with time."""

    def __init__(self, a_second: float = MESSAGES_A_SECOND, burst: float = BURST) -> None:
        self.a_second, self.burst = a_second, burst
        self._left, self._last_s = burst, time.monotonic()

    def take(self) -> bool:
        """Use one; False when there is none left."""
        now_s = time.monotonic()
        self._left = min(self.burst, self._left + (now_s - self._last_s) * self.a_second)
        self._last_s = now_s
        self._left -= 1
        return self._left >= 0


class Browser:
    """Serves on loopback unless told otherwise, and then only to who knows the token in the address."""

    def __init__(
        self,
        controls: Controls,
        status: Callable[[], dict[str, Any]],
        port: int,
        host: str = "127.0.0.1",
        jpeg_quality: int = 85,
    ) -> None:
        """Open the port.

        Raises:
            DeviceError: the port cannot be had.
        """
        self.controls, self.status, self.host, self.jpeg_quality = controls, status, host, jpeg_quality
        self.token = None if is_loopback(host) else secrets.token_urlsafe(24)
        self.port = port
        self._picture: Picture | None = None
        self._number = 0
        self._coded: tuple[int, bytes] = (0, b"")
        self._fresh: set[asyncio.Event] = set()  # one a viewer, set with every new picture
        self._viewers: set[ServerConnection] = set()
        self._failed: OSError | OverflowError | UnicodeError | None = None
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._coder = ThreadPoolExecutor(1, thread_name_prefix="live-jpeg")
        self._thread = threading.Thread(target=self._run, name="live-http", daemon=True)
        self._thread.start()
        self._ready.wait(START_S)
        if self._failed is not None:
            self._thread.join()
            self._coder.shutdown()
            raise DeviceError(
                f"cannot serve on {host} port {port}: {self._failed}; choose another --http PORT"
            ) from self._failed

    @property
    def address(self) -> str:
        """What to open."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        shown = {"0.0.0.0": "THIS-MACHINE", "[::]": "THIS-MACHINE"}.get(host, host)
        return f"http://{shown}:{self.port}/" + (f"?token={self.token}" if self.token else "")

    def show(self, picture: Picture) -> bool:
        """Make it the newest; viewers that are ready for one get it."""
        self._picture = picture
        self._number += 1
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._tell)
        return True

    def idle(self) -> bool:
        """Nothing to do."""
        return True

    def close(self) -> None:
        """Say goodbye to every viewer and let go of the port."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._coder.shutdown()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        try:
            server: Server = await serve(
                self._attend,
                self.host,
                self.port,
                process_request=self._admit,
                max_size=MOST_BYTES,
                max_queue=8,
                compression=None,
                open_timeout=5,
                close_timeout=1,
                ping_interval=10,
                ping_timeout=20,
                server_header=None,
            )
        except (OSError, OverflowError, UnicodeError) as error:  # taken, out of range, no host name
            self._failed = error
            return
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    def _tell(self) -> None:
        for fresh in self._fresh:
            fresh.set()

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets a WebSocket begin; anything else is answered here."""
        try:
            parts = urlsplit(request.path)
            given = parse_qs(parts.query, max_num_fields=4).get("token", [""])[0]
        except ValueError:
            return connection.respond(HTTPStatus.BAD_REQUEST, "this address cannot be read\n")
        if self.token is not None and not hmac.compare_digest(given.encode(), self.token.encode()):
            return connection.respond(HTTPStatus.FORBIDDEN, "open the whole address, with its token\n")
        if not self._known_host(request.headers.get("Host", "")):
            return connection.respond(HTTPStatus.FORBIDDEN, "this host name is not served\n")
        if parts.path == "/":
            return self._page(connection, request)
        if parts.path != "/stream":
            return connection.respond(HTTPStatus.NOT_FOUND, "no such page\n")
        if request.headers.get("Origin") not in (None, f"http://{request.headers.get('Host')}"):
            return connection.respond(HTTPStatus.FORBIDDEN, "another site may not look\n")
        if len(self._viewers) >= MOST_VIEWERS:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_VIEWERS} viewers are the limit\n")
        return None

    def _known_host(self, host: str) -> bool:
        """A page elsewhere that makes its own name point here (DNS rebinding) sends its own name."""
        if self.token is not None:
            return True  # only who has the address knows the token
        names = {"127.0.0.1", "localhost", "[::1]", self.host, f"[{self.host}]"}
        return host.lower().removesuffix(f":{self.port}") in names and (
            host.endswith(f":{self.port}") or self.port == 80
        )

    def _page(self, connection: ServerConnection, request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        text = resources.files("stereo_portrait.live").joinpath("page.html").read_text(encoding="utf-8")
        body = text.replace("NONCE", nonce).encode()
        here = request.headers.get("Host", "")
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob:; "
            f"connect-src ws://{here}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = Headers(
            {
                "Content-Type": "text/html; charset=utf-8",
                "Content-Length": str(len(body)),
                "Content-Security-Policy": policy,
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "Connection": "close",
            }
        )
        return Response(HTTPStatus.OK, "OK", headers, body)

    async def _attend(self, viewer: ServerConnection) -> None:
        """One viewer: pictures out, each after the last was acknowledged; wishes in; figures now and then."""
        self._viewers.add(viewer)
        ready = asyncio.Event()
        ready.set()
        tasks = [
            asyncio.create_task(work)
            for work in (self._send_pictures(viewer, ready), self._send_status(viewer), self._listen(viewer, ready))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._viewers.discard(viewer)
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionClosed):
                    raise outcome

    async def _send_pictures(self, viewer: ServerConnection, ready: asyncio.Event) -> None:
        sent = 0
        fresh = asyncio.Event()
        self._fresh.add(fresh)
        try:
            while True:
                await ready.wait()
                while self._number == sent:
                    fresh.clear()
                    await fresh.wait()
                number, coded = await self._newest()
                sent = number
                ready.clear()
                await viewer.send(number.to_bytes(8, "big") + coded)
        finally:
            self._fresh.discard(fresh)

    async def _newest(self) -> tuple[int, bytes]:
        """The newest picture's number and JPEG; coded once for all viewers."""
        number, picture = self._number, self._picture
        assert picture is not None
        if self._coded[0] != number:
            self._coded = number, await self._loop.run_in_executor(self._coder, self._code, picture)
        return self._coded

    def _code(self, picture: Picture) -> bytes:
        quality = [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality]
        return cv2.imencode(".jpg", cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()

    async def _send_status(self, viewer: ServerConnection) -> None:
        while True:
            await viewer.send(json.dumps(self.status()))
            await asyncio.sleep(STATUS_S)

    async def _listen(self, viewer: ServerConnection, ready: asyncio.Event) -> None:
        allowance = Allowance()
        async for message in viewer:
            if not allowance.take():
                await viewer.close(1008, "too many messages")
                return
            try:
                if obey(message, self.controls):
                    ready.set()
            except InputError as error:
                await viewer.send(json.dumps({"error": str(error)}))


def is_loopback(host: str) -> bool:
    """True where only this machine can connect."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
