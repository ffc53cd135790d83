"""Pairs of frames for guided capture, from a folder, from videos or from two cameras."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import DeviceError, InputError
from stereo_portrait.geometry.views import pair_up

Picture = NDArray[np.uint8]
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
LAYOUTS = ("side-by-side", "top-bottom")
TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """Two frames of one moment."""

    left: Picture  # (H, W, 3) RGB
    right: Picture
    name: str


class FramePairs(Protocol):
    """A source of pairs; `continuous` says whether one follows the last closely, so that standing still can be seen."""

    continuous: bool

    def __iter__(self) -> Iterator[FramePair]: ...


def open_pairs(source: str) -> FramePairs:
    """The source that SOURCE names: folder:DIR, video:LEFT,RIGHT or FILE?layout=side-by-side, uvc:0,1 or 0?layout=...

    Raises:
        InputError: not a SOURCE, or files that are absent.
        DeviceError: a camera that does not open.
    """
    kind, _, rest = source.partition(":")
    where, _, query = rest.partition("?")
    layout = None
    if query:
        key, _, layout = query.partition("=")
        if key != "layout" or layout not in LAYOUTS:
            raise InputError(f"cannot read '?{query}'; expected ?layout=side-by-side or ?layout=top-bottom")
    if kind == "folder" and where:
        return _Folder(Path(where))
    if kind in ("video", "uvc") and where:
        parts = where.split(",")
        if len(parts) == 2 and layout is None:
            return _Streams([_target(kind, p) for p in parts], None, kind == "uvc")
        if len(parts) == 1 and layout is not None:
            return _Streams([_target(kind, where)], layout, kind == "uvc")
        raise InputError(f"'{source}' needs two parts, {kind}:LEFT,RIGHT, or one with ?layout=side-by-side")
    raise InputError(
        f"cannot read the source '{source}'; guided capture takes uvc:0,1, uvc:0?layout=side-by-side, "
        "video:LEFT,RIGHT, video:FILE?layout=side-by-side or folder:DIR"
    )


def _target(kind: str, text: str) -> str | int:
    if kind == "video":
        if not text.startswith(("http://", "https://")) and not Path(text).is_file():
            raise InputError(f"no video {text}; check the path")
        return text
    if not text.isdigit():
        raise InputError(f"a camera is named by its number, found '{text}'; for example uvc:0,1")
    return int(text)


class _Folder:
    continuous = False

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"no folder {folder}; check the path")
        names = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        sides = [[p for p in names if _side(p.relative_to(folder)) == side] for side in (0, 1)]
        if not sides[0] or not sides[1]:
            raise InputError(f"{folder} holds no pairs; name them left_01, right_01, ... or use left/ and right/")
        self.shots = [s for s in pair_up(*sides)[0] if s.left is not None and s.right is not None]

    def __iter__(self) -> Iterator[FramePair]:
        for shot in self.shots:
            left, right = (_read(p) for p in (shot.left, shot.right) if p is not None)
            yield FramePair(left, right, shot.name)


def _side(path: Path) -> int | None:
    text = str(path).lower()
    at = [text.rfind("left"), text.rfind("right")]
    return None if max(at) < 0 else int(at[1] > at[0])


def _read(path: Path) -> Picture:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise InputError(f"cannot read {path} as a picture; remove it from the folder")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


class _Streams:
    """One or two video streams; of two, both are grabbed before either is decoded."""

    def __init__(self, targets: list[str | int], layout: str | None, live: bool) -> None:
        self.targets, self.layout, self.continuous = targets, layout, True
        self.live = live

    def __iter__(self) -> Iterator[FramePair]:
        streams = [_opened(t) for t in self.targets]
        started_s = time.monotonic()
        count = 0
        try:
            while True:
                grabbed = [s.grab() for s in streams]  # both before either is decoded, so that they stay in step
                if not all(grabbed):
                    break
                frames = [s.retrieve()[1] for s in streams]
                if any(f is None for f in frames):
                    return
                count += 1
                pictures = [np.asarray(cv2.cvtColor(f, cv2.COLOR_BGR2RGB), np.uint8) for f in frames]
                left, right = pictures if self.layout is None else _split(pictures[0], self.layout)
                yield FramePair(left, right, f"frame {count} ({time.monotonic() - started_s:.1f} s)")
            if count == 0 and self.live:
                raise DeviceError(f"camera {self.targets} gives no frames; is another program using it?")
        finally:
            for stream in streams:
                stream.release()


def _opened(target: str | int) -> Any:
    if isinstance(target, int):
        stream = cv2.VideoCapture(target)
    else:
        stream = cv2.VideoCapture(
            target,
            cv2.CAP_ANY,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS],
        )
    if not stream.isOpened():
        if isinstance(target, int):
            raise DeviceError(f"camera {target} does not open; is it plugged in, and not in use by another program?")
        raise InputError(f"cannot play {target}; is it a video?")
    return stream


def _split(picture: Picture, layout: str) -> tuple[Picture, Picture]:
    height, width = picture.shape[:2]
    if layout == "side-by-side":
        half = width // 2
        return np.ascontiguousarray(picture[:, :half]), np.ascontiguousarray(picture[:, half : 2 * half])
    half = height // 2
    return np.ascontiguousarray(picture[:half]), np.ascontiguousarray(picture[half : 2 * half])
