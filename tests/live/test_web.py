"""The page and its WebSocket: pictures wait for their acknowledgement, and strangers are turned away."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from stereo_portrait.config import load_settings
from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.live.controls import Controls, Wish
from stereo_portrait.live.runner import LiveRunner
from stereo_portrait.live.web import MOST_VIEWERS, Browser
from stereo_portrait.live.wishes import MOST_BYTES, obey
from tests.live.chromium import installed, page_at
from tests.live.streams import MadeSource, motorcycle

PAIR, RIG = motorcycle(192, 144)


@contextlib.contextmanager
def streaming(host: str = "127.0.0.1") -> Iterator[tuple[LiveRunner, Browser]]:
    """A running stream behind a page."""
    settings = load_settings(None, ("live.rack_s=0", "live.refocus_s=0.05"))
    live = LiveRunner(
        lambda: MadeSource(lambda n: PAIR, 10**9, rate_hz=20), lambda size: RIG, settings, Controls(Wish(1.8))
    )
    browser = Browser(live.controls, live.status, 0, host)
    running = threading.Thread(target=live.run, args=(browser,))
    running.start()
    try:
        yield live, browser
    finally:
        live.stop()
        running.join(20)
        browser.close()
        assert not running.is_alive()


@pytest.fixture(scope="module")
def stream() -> Iterator[tuple[LiveRunner, Browser]]:
    with streaming() as both:
        yield both


def socket(browser: Browser, **options: object) -> ClientConnection:
    query = f"?token={browser.token}" if browser.token else ""
    return connect(f"ws://127.0.0.1:{browser.port}/stream{query}", **options)  # type: ignore[arg-type]


def get(browser: Browser, path: str, **headers: str) -> tuple[int, str]:
    wire = HTTPConnection("127.0.0.1", browser.port, timeout=10)
    wire.request("GET", path, headers=headers)
    answer = wire.getresponse()
    return answer.status, answer.read().decode()


def next_picture(wire: ClientConnection, timeout_s: float = 10) -> tuple[int, np.ndarray]:
    until_s = time.monotonic() + timeout_s
    while True:
        message = wire.recv(timeout=max(0.0, until_s - time.monotonic()))
        if isinstance(message, bytes):
            picture = cv2.imdecode(np.frombuffer(message[8:], np.uint8), cv2.IMREAD_COLOR)
            return int.from_bytes(message[:8], "big"), picture


def next_word(wire: ClientConnection, key: str) -> dict:
    while True:
        message = wire.recv(timeout=10)
        if isinstance(message, bytes):
            wire.send(json.dumps({"ack": int.from_bytes(message[:8], "big")}))
        elif key in (told := json.loads(message)):
            return told


def test_a_picture_is_sent_only_after_the_last_was_acknowledged(stream: tuple[LiveRunner, Browser]) -> None:
    with socket(stream[1]) as wire:
        first, picture = next_picture(wire)
        assert picture.shape == (144, 192, 3)
        with pytest.raises(TimeoutError):
            next_picture(wire, 1.0)  # twenty have been drawn meanwhile
        wire.send(json.dumps({"ack": first}))
        second, _ = next_picture(wire)
        assert second > first + 5  # the newest, not the next


def test_wishes_reach_the_stream(stream: tuple[LiveRunner, Browser]) -> None:
    _, browser = stream
    with socket(browser) as wire:
        for wish in ({"f_number": 0.95}, {"focus": [0.5, 0.6]}, {"view": "depth"}, {"working_width_px": 128}):
            wire.send(json.dumps(wish))
        until_s = time.monotonic() + 10
        while (told := next_word(wire, "wish")["wish"])["working_width_px"] != 128:
            assert time.monotonic() < until_s
        assert (told["f_number"], told["follow"], told["point"], told["view"]) == (0.95, "point", [0.5, 0.6], "depth")
        number, before = next_picture(wire)
        wire.send(json.dumps({"view": "photo"}))
        time.sleep(0.5)
        wire.send(json.dumps({"ack": number}))
        _, after = next_picture(wire)
        assert np.abs(after.astype(int) - PAIR.left[..., ::-1]).mean() < 6
        assert np.abs(before.astype(int) - after).mean() > 20
        wire.send(json.dumps({"working_width_px": None}))
        wire.send(json.dumps({"view": "portrait"}))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        "[" * 900,
        '{"focus": 3}',
        '{"focus": [2, 0]}',
        '{"focus": [NaN, 0]}',
        '{"focus": ["a", null]}',
        '{"focus": [true, false]}',
        '{"f_number": "wide"}',
        '{"f_number": Infinity}',
        '{"f_number": 1e999}',
        '{"view": "attic"}',
        '{"follow": ["auto"]}',
        '{"follow": {"a": 1}}',
        '{"working_width_px": "all"}',
        '{"f_number": ' + "9" * 400 + "}",
        '{"quit": 1}',
        '{"f_number": 2, "view": "photo"}',
        b"\x00\x01",
        "x" * (MOST_BYTES + 1),
    ],
)
def test_a_message_that_makes_no_sense_changes_nothing(message: str | bytes) -> None:
    controls = Controls(Wish(1.8))
    with pytest.raises(InputError):
        obey(message, controls)
    assert controls.wish == Wish(1.8)


def test_numbers_beyond_what_a_lens_can_do_are_held() -> None:
    controls = Controls(Wish(1.8))
    for asked, kept in ((1e-9, 0.7), (-4, 0.7), (1e9, 32.0)):
        obey(json.dumps({"f_number": asked}), controls)
        assert controls.wish.f_number == kept
    obey('{"working_width_px": 100000}', controls)
    assert controls.wish.working_width_px == 2048


def test_a_bad_message_is_answered_and_the_stream_goes_on(stream: tuple[LiveRunner, Browser]) -> None:
    with socket(stream[1]) as wire:
        wire.send('{"view": "attic"}')
        assert "attic" in next_word(wire, "error")["error"]
        wire.send(json.dumps({"ack": next_picture(wire)[0]}))
        next_picture(wire)


def test_a_long_message_ends_its_own_connection_only(stream: tuple[LiveRunner, Browser]) -> None:
    with socket(stream[1]) as other, socket(stream[1]) as wire:
        wire.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as ended:
            while True:
                wire.recv(timeout=10)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1009
        next_picture(other)


def test_a_flood_of_messages_ends_its_own_connection_only(stream: tuple[LiveRunner, Browser]) -> None:
    with socket(stream[1]) as other, socket(stream[1]) as wire:
        with pytest.raises(ConnectionClosed) as ended:
            for _ in range(5000):
                wire.send('{"f_number": 2}')
            while True:
                wire.recv(timeout=10)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1008
        next_picture(other)


def test_another_site_may_not_look(stream: tuple[LiveRunner, Browser]) -> None:
    _, browser = stream
    for origin in ("https://example.org", "http://127.0.0.1:1", "null"):
        with pytest.raises(InvalidStatus) as refused, socket(browser, origin=origin):
            pass
        assert refused.value.response.status_code == 403
    with socket(browser, origin=f"http://127.0.0.1:{browser.port}") as wire:
        next_picture(wire)


def test_only_this_machines_own_names_are_served(stream: tuple[LiveRunner, Browser]) -> None:
    _, browser = stream
    assert get(browser, "/", Host="example.org")[0] == 403
    assert get(browser, "/", Host=f"example.org:{browser.port}")[0] == 403
    assert get(browser, "/nothing")[0] == 404
    status, page = get(browser, "/", Host=f"localhost:{browser.port}")
    assert status == 200
    assert "NONCE" not in page


def test_an_address_that_cannot_be_read_is_refused_without_a_word_in_the_log(
    stream: tuple[LiveRunner, Browser], caplog: pytest.LogCaptureFixture
) -> None:
    assert get(stream[1], "/?a=1&b=2&c=3&d=4&e=5&f=6")[0] == 400
    assert not caplog.records


def test_on_port_80_a_browser_names_the_host_alone() -> None:
    browser = Browser(Controls(Wish(1.8)), dict, 0)
    browser.close()
    browser.port = 80
    hosts = ("127.0.0.1", "localhost", "LOCALHOST:80", "example.org", "127.0.0.1:81")
    assert [browser._known_host(host) for host in hosts] == [True, True, True, False, False]


def test_viewers_are_limited(stream: tuple[LiveRunner, Browser]) -> None:
    _, browser = stream
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_VIEWERS):
            stack.enter_context(socket(browser))
        with pytest.raises(InvalidStatus) as refused, socket(browser):
            pass
        assert refused.value.response.status_code == 503


def test_beyond_loopback_the_address_holds_a_token() -> None:
    browser = Browser(Controls(Wish(1.8)), dict, 0, "0.0.0.0")
    try:
        assert browser.token is not None
        assert len(browser.token) >= 32
        assert browser.token in browser.address
        assert get(browser, "/")[0] == 403
        assert get(browser, "/?token=" + "x" * 32)[0] == 403
        assert get(browser, f"/?token={browser.token}", Host="camera.home:80")[0] == 200
        with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{browser.port}/stream"):
            pass
        with socket(browser):
            pass
    finally:
        browser.close()


def test_a_host_that_is_no_name_is_said_in_one_line() -> None:
    with pytest.raises(DeviceError, match=r"cannot serve on a\.\.b"):
        Browser(Controls(Wish(1.8)), dict, 0, "a..b")


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    before = [t.name for t in threading.enumerate()].count("live-http")
    first = Browser(Controls(Wish(1.8)), dict, 0)
    try:
        with pytest.raises(DeviceError, match="choose another --http PORT"):
            Browser(Controls(Wish(1.8)), dict, first.port)
    finally:
        first.close()
    assert [t.name for t in threading.enumerate()].count("live-http") <= before


@pytest.mark.skipif(installed() is None, reason="no Chromium on this machine")
def test_the_page_shows_the_stream_and_obeys_clicks_in_a_browser(tmp_path: Path) -> None:
    with streaming() as (live, browser), page_at(browser.address, tmp_path / "profile") as page:
        page.wait_for("Number(document.body.dataset.frames) > 3")
        assert page.run("[document.querySelector('canvas').width, document.querySelector('canvas').height]") == [
            192,
            144,
        ]
        assert (
            page.run(
                "(c => { const d = c.getContext('2d').getImageData(0, 0, 192, 144).data; return new Set(d).size; })"
                "(document.querySelector('canvas'))"
            )
            > 50
        )
        page.click("canvas", 0.25, 0.75)
        page.wait_for("document.querySelector('#focus').textContent.includes('point')")
        assert live.controls.wish.point == pytest.approx((0.25, 0.75), abs=0.01)
        page.run("const a = document.querySelector('#aperture'); a.value = 4; a.dispatchEvent(new Event('input'))")
        page.wait_for("document.querySelector('#f').textContent === 'f/4.0'")
        page.click("[data-view=depth]")
        page.wait_for("document.querySelector('[data-view=depth]').getAttribute('aria-pressed') === 'true'")
        page.click("#freeze")
        page.wait_for("document.querySelector('#freeze').getAttribute('aria-pressed') === 'true'")
        assert live.controls.wish.f_number == pytest.approx(4.0)
        assert (live.controls.wish.view, live.controls.wish.frozen) == ("depth", True)
        assert "pictures/s" in page.run("document.querySelector('#figures').textContent")
        page.picture(tmp_path / "page.png")
        assert not page.complaints
