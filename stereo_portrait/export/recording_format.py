"""What a recording consists of: its file names, its header and its table of frames. Writer and reader share this."""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from stereo_portrait.core.errors import InputError, OutputError

FORMAT = "stereo-portrait-recording 1"
COLUMNS = ("time_ms", "number", "device_ms", "skew_ms", "captured_at", "crc_first", "crc_second")
VIEWS = {"pair": ("left", "right"), "rgbd": ("photo", "depth")}
MAX_HEADER_BYTES = 1_000_000
Kind = Literal["pair", "rgbd"]
Codec = Literal["mkv", "png"]


@dataclass(frozen=True, slots=True)
class Header:
    """recording.json: written when the recording begins, and again with its count when it is closed."""

    kind: Kind
    codec: Codec
    joined: bool  # both views side by side in one video
    width_px: int  # of one view
    height_px: int
    rate_hz: float | None
    source: str
    depth_unit_m: float | None = None
    camera: dict[str, Any] | None = None  # intrinsics of the photo in frames with depth
    frames: int | None = None  # None: the recording was not closed
    format: str = FORMAT


@dataclass(frozen=True, slots=True)
class Row:
    """One frame in the table; numbers are written so that reading gives them back exactly."""

    time_ms: int  # of its pictures in the video files
    number: int
    device_ms: float | None
    skew_ms: float | None
    captured_at: float | None
    crc_first: int  # CRC-32 of the view's pixels
    crc_second: int

    def text(self) -> str:
        """The row as a line of the table."""
        numbers = (self.time_ms, self.number, self.device_ms, self.skew_ms, self.captured_at)
        return (
            ",".join("" if v is None else repr(v) for v in numbers) + f",{self.crc_first:08x},{self.crc_second:08x}\n"
        )


@dataclass(frozen=True, slots=True)
class Names:
    """Where the parts of a recording lie: inside a folder, or beside a video of the same name."""

    header: Path
    table: Path
    rig: Path
    folder: Path
    joined: Path | None = None

    def video(self, view: str) -> Path:
        """The video of one view."""
        return self.joined or self.folder / f"{view}.mkv"

    def picture(self, view: str, index: int) -> Path:
        """One picture of one view."""
        return self.folder / f"{view}_{index:06d}.png"


def names_of(target: Path) -> Names:
    """DIR: recording.json, frames.csv, rig.yaml in it; FILE.mkv: FILE.json, FILE.csv, FILE.rig.yaml beside it."""
    if target.suffix.lower() == ".mkv":
        beside = [target.with_suffix(suffix) for suffix in (".json", ".csv", ".rig.yaml")]
        return Names(beside[0], beside[1], beside[2], target.parent, target)
    return Names(target / "recording.json", target / "frames.csv", target / "rig.yaml", target)


def check_target(target: Path) -> None:
    """Whether a recording can have this name.

    Raises:
        OutputError: it ends like a file of a format that is not written.
    """
    suffix = target.suffix.lower()
    if target.is_dir() or suffix == ".mkv" or not re.fullmatch(r"\.[a-z][a-z0-9]{1,4}", suffix):
        return
    if suffix == ".db3":
        raise OutputError(f"{target}: only 'record realsense' writes .db3; name a folder or FILE.mkv")
    raise OutputError(f"cannot record into {target}; name a folder, FILE.mkv, or FILE.db3 for a RealSense camera")


def header_text(header: Header) -> str:
    """The header as JSON."""
    return json.dumps(asdict(header), indent=1) + "\n"


def read_header(path: Path) -> Header:
    """The header in a recording.json.

    Raises:
        InputError: unreadable, or of another version.
    """
    try:
        if path.stat().st_size > MAX_HEADER_BYTES:
            raise InputError(f"{path} is too large for a recording's header")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise InputError(f"{path}: format {str(found['format'])[:40]!r}, expected {FORMAT!r}; update the program")
        header = Header(**found)
        if header.kind not in VIEWS or header.codec not in ("mkv", "png"):
            raise InputError(f"{path}: unknown kind {header.kind!r} or codec {header.codec!r}")
        return header
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: it is not a recording's header ({error})") from error


def read_table(path: Path) -> list[Row]:
    """Every whole line of a frames.csv; the last one may have been cut off.

    Raises:
        InputError: unreadable, or not a table of frames.
    """
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged: it is not a table of frames") from error
    if lines[0] != ",".join(COLUMNS):
        raise InputError(f"{path} is damaged: its first line is {lines[0][:60]!r}, expected {','.join(COLUMNS)!r}")
    rows = []
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            parts = line.split(",")
            device_ms, skew_ms, captured_at = (float(v) if v else None for v in parts[2:5])
            if not all(math.isfinite(v) for v in (device_ms, skew_ms, captured_at) if v is not None):
                raise ValueError("a time without end")
            sums = int(parts[5], 16), int(parts[6], 16)
            rows.append(Row(int(parts[0]), int(parts[1]), device_ms, skew_ms, captured_at, *sums))
        except (ValueError, IndexError, TypeError) as error:
            raise InputError(f"{path} is damaged in line {number}: {line[:60]!r}") from error
    return rows
