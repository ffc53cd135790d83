"""What a SOURCE on the command line names: its kind, its parts and the layout of the views."""

import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stereo_portrait.core.errors import InputError
from stereo_portrait.sources.recorded import LAYOUTS, Layout

Kind = Literal["folder", "video", "uvc", "http", "realsense"]
KINDS = (
    "realsense, realsense:FILE.db3, uvc:0,1, uvc:0?layout=side-by-side, video:LEFT,RIGHT, "
    "video:FILE?layout=side-by-side, folder:DIR or http://HOST/STREAM"
)
RECORDINGS = (".db3", ".bag")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A SOURCE, taken apart."""

    kind: Kind
    targets: tuple[str, ...]  # one or two files, cameras or addresses; none for the first RealSense camera
    layout: Layout | None = None  # how both views lie in one picture; None where each has its own target


def is_source(text: str) -> bool:
    """Whether a text is meant as a SOURCE, not as a file name."""
    return text == "realsense" or bool(re.match(r"(realsense|uvc|video|folder):|https?://", text))


def without_login(text: str) -> str:
    """A SOURCE as it may be written down: without the user and password of an address."""
    return re.sub(r"(https?://)[^/@,]*@", r"\1", text)


def parse_source(text: str) -> SourceText:
    """Take a SOURCE apart; whether its parts exist is for those who open them.

    Raises:
        InputError: no SOURCE, a wrong number of parts, or an unknown layout.
    """
    if re.match(r"https?://", text):
        return _http(text)
    kind, _, rest = text.partition(":")
    if kind == "realsense":
        return _realsense(text, rest)
    if kind == "folder" and rest:
        return SourceText("folder", (rest,))
    if kind not in ("video", "uvc") or not rest:
        raise InputError(f"cannot read the source '{text}'; expected {KINDS}")
    where, mark, query = rest.rpartition("?")
    if not mark:
        where, query = rest, ""
    layout = _layout(query) if mark else None
    targets = (where,) if layout else _halves(where) if kind == "video" else tuple(where.split(","))
    if any(re.match(r"https?://", target) for target in targets):
        raise InputError(f"a network stream is named without '{kind}:', {rest}")
    if len(targets) != (1 if layout else 2) or not all(targets):
        raise InputError(f"'{text}' needs two parts, {kind}:LEFT,RIGHT, or one with ?layout=side-by-side")
    if kind == "video":
        return SourceText("video", targets, layout)
    for target in targets:
        if not target.isdigit() and not target.startswith("/dev/"):
            raise InputError(f"a camera is named by its number or its /dev path, found '{target}'; for example uvc:0,1")
    if len(set(targets)) != len(targets):
        raise InputError(f"'{text}' names one camera twice; for both views in one picture add ?layout=side-by-side")
    return SourceText("uvc", targets, layout)


def _layout(query: str) -> Layout:
    key, _, value = query.partition("=")
    for layout in LAYOUTS:
        if key == "layout" and value == layout:
            return layout
    raise InputError(f"cannot read '?{query}'; expected ?layout= and one of {', '.join(LAYOUTS)}")


def _http(text: str) -> SourceText:
    """Addresses may hold commas and queries of their own: only ",http" separates, only a last "layout=" is ours."""
    targets = tuple(re.split(r",(?=https?://)", text))
    address, mark, query = targets[-1], "", ""
    found = re.search(r"[?&](layout=[^&]*)$", address)
    if found:
        address, mark, query = address[: found.start()], "?", found.group(1)
    layout = _layout(query) if mark else None
    targets = (*targets[:-1], address)
    if len(targets) != (1 if layout else 2):
        raise InputError(
            f"'{text}' needs two addresses, http://A,http://B, or one with ?layout=side-by-side at its end"
        )
    for target in targets:
        try:
            parts = urllib.parse.urlsplit(target)
            usable = bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", target)
        except ValueError:  # brackets that do not close, a port beyond 65535
            usable = False
        if not usable:
            raise InputError(f"cannot read the address '{target}'; expected http://HOST/PATH or http://HOST:PORT/PATH")
    return SourceText("http", targets, layout)


def _realsense(text: str, rest: str) -> SourceText:
    if text == "realsense":
        return SourceText("realsense", ())
    if Path(rest).suffix.lower() not in RECORDINGS:
        raise InputError(
            f"'{text}': a RealSense recording ends in {' or '.join(RECORDINGS)}; a camera is just 'realsense'"
        )
    return SourceText("realsense", (rest,))


def _halves(text: str) -> tuple[str, ...]:
    """LEFT,RIGHT; where the names hold commas themselves, the one cut that gives two files."""
    cuts = [(text[: m.start()], text[m.end() :]) for m in re.finditer(",", text)]
    for left, right in cuts:
        if Path(left).is_file() and Path(right).is_file():
            return left, right
    return cuts[0] if cuts else (text,)
