"""An MJPEG stream over HTTP (multipart/x-mixed-replace), with limits on everything that the other side sends."""

import base64
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from stereo_portrait.core.capture import Image
from stereo_portrait.core.errors import DeviceError
from stereo_portrait.sources.live_reader import Load
from stereo_portrait.sources.stream_settings import StreamSettings

MAX_LINE_BYTES = 8192
MAX_HEADER_LINES = 64
CHUNK_BYTES = 65536
MAX_MEGAPIXELS = 100.0


class MjpegStream:
    """One address; times are those of arrival, taken when a picture's header comes in."""

    rate_hz: float | None = None

    def __init__(self, address: str, settings: StreamSettings) -> None:
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname or ""
        self.name = f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"  # without password
        self._address = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        self._login = parts.netloc.rpartition("@")[0]
        self.settings = settings
        self._reply: Any = None
        self._boundary = b""
        self._buffer = bytearray()

    def open(self) -> None:
        """Connect and check that it is an MJPEG stream.

        Raises:
            DeviceError: unreachable, refusing, or sending something else.
        """
        self.close()
        self._buffer.clear()
        request = urllib.request.Request(self._address, headers={"User-Agent": "stereo-portrait"})
        if self._login:
            token = base64.b64encode(urllib.parse.unquote(self._login).encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            self._reply = urllib.request.urlopen(request, timeout=self.settings.reconnect_s)
        except urllib.error.HTTPError as error:
            error.close()
            raise DeviceError(f"{self.name} answers {error.code} {error.reason}; check the address") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise DeviceError(f"{self.name} cannot be reached ({why}); is the camera on, the address right?") from error
        kind = str(self._reply.headers.get("Content-Type", "nothing"))
        found = re.search(r'boundary="?([^";]+)"?', kind, re.IGNORECASE)
        if not kind.lower().startswith("multipart/") or found is None:
            self.close()
            raise DeviceError(f"{self.name} sends {kind[:60]}, expected an MJPEG stream (multipart/x-mixed-replace)")
        self._boundary = b"--" + found.group(1).strip().removeprefix("--").encode("latin-1", "replace")

    def grab(self) -> tuple[float, Load]:
        """The next part of the stream; its JPEG is decoded when asked for.

        Raises:
            DeviceError: the connection ended, was silent for streams.reconnect_s, or sent what is no MJPEG.
        """
        if self._reply is None:
            raise DeviceError(f"{self.name} is not connected")
        deadline_s = time.monotonic() + self.settings.reconnect_s
        try:
            self._skip_to_boundary(deadline_s)
            taken_s = time.monotonic()
            length = self._length(deadline_s)
            data = self._read(length, deadline_s) if length is not None else self._read_to_end_mark(deadline_s)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:  # closed from another thread
            raise DeviceError(f"{self.name} stopped sending ({error or type(error).__name__})") from error
        return taken_s, lambda: decode_jpeg(data)

    def close(self) -> None:
        """Hang up."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.close()

    def _more(self, deadline_s: float) -> None:
        """Add what has arrived to the buffer."""
        part = self._reply.read1(CHUNK_BYTES)
        if not part:
            raise DeviceError(f"{self.name} ended")
        if time.monotonic() > deadline_s:
            raise DeviceError(f"{self.name} is too slow: a picture takes over {self.settings.reconnect_s:g} s")
        self._buffer += part

    def _take(self, length: int) -> bytes:
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return data

    def _line(self, deadline_s: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= MAX_LINE_BYTES:
            self._more(deadline_s)
        if end < 0 or end > MAX_LINE_BYTES:
            raise DeviceError(f"{self.name} sends lines of over {MAX_LINE_BYTES} bytes; it is no MJPEG stream")
        return self._take(end + 1)

    def _skip_to_boundary(self, deadline_s: float) -> None:
        while not self._line(deadline_s).startswith(self._boundary):
            continue

    def _length(self, deadline_s: float) -> int | None:
        length = None
        for _ in range(MAX_HEADER_LINES):
            line = self._line(deadline_s).strip()
            if not line:
                if length is not None and not 0 <= length <= self._limit():
                    raise DeviceError(
                        f"{self.name} announces a picture of {length} bytes; streams.max_jpeg_mb limits it"
                    )
                return length
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        raise DeviceError(f"{self.name} sends more than {MAX_HEADER_LINES} header lines")

    def _limit(self) -> int:
        return int(self.settings.max_jpeg_mb * 1e6)

    def _read(self, length: int, deadline_s: float) -> bytes:
        while len(self._buffer) < length:
            self._more(deadline_s)
        return self._take(length)

    def _read_to_end_mark(self, deadline_s: float) -> bytes:
        """A part without Content-Length: up to the JPEG's end mark."""
        searched = 0
        while (end := self._buffer.find(b"\xff\xd9", searched)) < 0:
            if len(self._buffer) > self._limit():
                raise DeviceError(f"{self.name} sends a picture of over {self.settings.max_jpeg_mb:g} MB")
            searched = max(0, len(self._buffer) - 1)
            self._more(deadline_s)
        return self._take(end + 2)


def decode_jpeg(data: bytes) -> Image | None:
    """(H, W, 3) RGB, or None where the data are cut off or damaged as far as the decoder can tell."""
    import simplejpeg  # says what OpenCV's decoder paints over

    whole = data.rstrip(b"\r\n\0")
    if not whole.startswith(b"\xff\xd8") or not whole.endswith(b"\xff\xd9"):
        return None
    try:
        height, width = simplejpeg.decode_jpeg_header(whole)[:2]
        if height * width > MAX_MEGAPIXELS * 1e6:
            return None
        picture: Image = simplejpeg.decode_jpeg(whole, "RGB", strict=True)
    except ValueError:
        return None
    return picture
