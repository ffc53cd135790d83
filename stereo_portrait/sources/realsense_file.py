"""Is a RealSense recording whole? The SDK plays a damaged one up to the damage and calls that its end."""

import re
import sqlite3
import struct
import zlib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from stereo_portrait.core.errors import InputError

PNG_START = b"\x89PNG\r\n\x1a\n"
BAG_START = b"#ROSBAG V2.0\n"
BAG_CONNECTION, BAG_CHUNK_INFO = 7, 6


@dataclass(slots=True)
class Contents:
    """What a recording holds, stream by stream ("Depth_0", "Color_0", ...)."""

    pictures: Counter[str] = field(default_factory=Counter)  # stream -> pictures that are whole
    damaged: int = 0
    first_damage_s: float | None = None
    numbers: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # stream -> (ns, frame number), in order

    def begins_with(self, found: dict[str, int]) -> bool | None:
        """Whether a set of frames (stream -> frame number) is the first one of the recording; None: not known."""
        tables = [self.numbers.get(stream, []) for stream in found]
        if not all(tables):
            return None
        together_ns = max(table[0][0] for table in tables)  # streams do not begin at the same moment
        for table, number in zip(tables, found.values(), strict=True):
            first = sum(at_ns < together_ns for at_ns, _ in table)
            if number not in [n for _, n in table[max(0, first - 1) : first + 1]]:
                return False
        return True


def look_into(path: Path) -> Contents:
    """Check every picture of a .db3, and the index of a .bag.

    Raises:
        InputError: absent, not a recording, or so damaged that it cannot be opened; says what is wrong.
    """
    if not path.is_file():
        raise InputError(f"no recording {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; the recording was not begun, or not copied")
    return _look_into_bag(path) if path.suffix.lower() == ".bag" else _look_into_db3(path)


def _look_into_db3(path: Path) -> Contents:
    contents = Contents()
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("pragma quick_check(1)").fetchone()[0]
            if found != "ok":
                raise InputError(f"{path} is damaged ({found}); copy it again from where it was recorded")
            names = dict(database.execute("select id, name from topics where name like '%/image/data%'"))
            marks = ",".join("?" * len(names))
            rows = f"select timestamp, topic_id, data from messages where topic_id in ({marks}) order by timestamp"
            for stamp_ns, topic, data in database.execute(rows, tuple(names)):
                if picture_is_whole(bytes(data)):
                    contents.pictures[_stream(names[topic])] += 1
                else:
                    contents.damaged += 1
                    if contents.first_damage_s is None:
                        contents.first_damage_s = stamp_ns / 1e9
            contents.numbers = _frame_numbers(database)
    except sqlite3.Error as error:
        raise InputError(
            f"{path} is damaged or no RealSense recording ({error}); copy it again from where it was recorded"
        ) from error
    if not contents.pictures and not contents.damaged:
        raise InputError(f"{path} holds no pictures; was a camera streaming when it was recorded?")
    return contents


def _frame_numbers(database: sqlite3.Connection) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    rows = (
        "select messages.timestamp, topics.name, messages.data from messages join topics on topics.id = topic_id "
        "where topics.name like '%/image/metadata' order by messages.timestamp"
    )
    for stamp_ns, name, data in database.execute(rows):
        if (number := re.search(rb"Frame number=(\d+)", bytes(data)[:200])) is not None:
            found.setdefault(_stream(name), []).append((stamp_ns, int(number[1])))
    return found


def picture_is_whole(message: bytes) -> bool:
    """Whether a PNG inside a message has all its parts with their right checksums; other formats carry none."""
    at = message.find(PNG_START, 0, 256)
    if at < 0:
        return b"png" not in message[:256]
    at += len(PNG_START)
    while at + 12 <= len(message):
        (length,) = struct.unpack_from(">I", message, at)
        if at + 12 + length > len(message):
            return False
        (checksum,) = struct.unpack_from(">I", message, at + 8 + length)
        if zlib.crc32(message[at + 4 : at + 8 + length]) != checksum:
            return False
        if message[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def _look_into_bag(path: Path) -> Contents:
    """Counts from the index at a bag's end; one that was cut off has none."""
    contents = Contents()
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            if file.read(len(BAG_START)) != BAG_START:
                raise InputError(f"{path} is not a ROS bag (version 2.0); is it a RealSense recording?")
            header, _ = _record(file.read(8192))
            index_at = struct.unpack("<Q", header[b"index_pos"])[0]
            if not 0 < index_at < size:
                raise InputError(
                    f"{path} is cut off: the index at its end is missing; copy it again, or mend it with rosbag reindex"
                )
            file.seek(index_at)
            index = file.read()
        topics: dict[int, str] = {}
        counts: Counter[int] = Counter()
        while index:
            header, length = _record(index)
            kind = header[b"op"][0]
            data, index = index[length[0] : length[0] + length[1]], index[length[0] + length[1] :]
            if kind == BAG_CONNECTION:
                topics[struct.unpack("<I", header[b"conn"])[0]] = header[b"topic"].decode("utf-8", "replace")
            elif kind == BAG_CHUNK_INFO:
                for topic, count in struct.iter_unpack("<II", data):
                    counts[topic] += count
    except (struct.error, KeyError, IndexError) as error:
        raise InputError(f"{path} is damaged: its index cannot be read; copy it again") from error
    for topic, name in topics.items():
        if name.endswith("/image/data"):
            contents.pictures[_stream(name)] += counts[topic]
    if not contents.pictures:
        raise InputError(f"{path} holds no pictures of a RealSense camera")
    return contents


def _record(data: bytes) -> tuple[dict[bytes, bytes], tuple[int, int]]:
    """A bag record's header fields; where its data begin, and how long they are."""
    (header_length,) = struct.unpack_from("<I", data, 0)
    fields, at = {}, 4
    while at < 4 + header_length:
        (length,) = struct.unpack_from("<I", data, at)
        name, _, value = data[at + 4 : at + 4 + length].partition(b"=")
        fields[name] = value
        at += 4 + length
    (data_length,) = struct.unpack_from("<I", data, 4 + header_length)
    return fields, (8 + header_length, data_length)


def _stream(topic: str) -> str:
    return topic.split("/image/")[0].rpartition("/")[2]
