"""An old RealSense recording (ROS bag 2.0), written message by message as the SDK used to write them."""

import struct
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

MD5 = {
    "std_msgs/UInt32": "304a39449588c7f8ce2df6e8001c5fce",
    "std_msgs/Float32": "73fcbf46b49191e672908e50842a83d4",
    "std_msgs/String": "992ce8a1687cec8c8bd883ec73ca41d1",
    "diagnostic_msgs/KeyValue": "cf57fdc6617a881a88c16e768132149c",
    "realsense_msgs/StreamInfo": "311d7e24eac31bb87271d041bf70ff7d",
    "sensor_msgs/CameraInfo": "c9a58c1b0b154e0e6da7578cb991d214",
    "sensor_msgs/Image": "060021388200f6f0f447d0fcd9c64743",
    "geometry_msgs/Transform": "ac9eff44abf714214112b05d54a3cf9b",
}
STATIC = (0, 1)  # seconds, nanoseconds: what holds for the whole file
Time = tuple[int, int]


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def record(fields: dict[str, bytes], data: bytes = b"") -> bytes:
    header = b"".join(struct.pack("<I", len(k) + 1 + len(v)) + k.encode() + b"=" + v for k, v in fields.items())
    return struct.pack("<I", len(header)) + header + struct.pack("<I", len(data)) + data


class Bag:
    def __init__(self) -> None:
        self.connections: dict[str, tuple[int, bytes]] = {}
        self.chunk = b""
        self.places: dict[int, list[tuple[Time, int]]] = defaultdict(list)

    def add(self, topic: str, kind: str, time: Time, message: bytes) -> None:
        if topic not in self.connections:
            number = len(self.connections)
            about = b"".join(
                struct.pack("<I", len(line)) + line
                for line in (f"topic={topic}".encode(), f"type={kind}".encode(), f"md5sum={MD5[kind]}".encode(),
                             b"message_definition=-")
            )  # fmt: skip
            known = record({"op": b"\x07", "conn": struct.pack("<I", number), "topic": topic.encode()}, about)
            self.connections[topic] = (number, known)
            self.chunk += known
        number = self.connections[topic][0]
        self.places[number].append((time, len(self.chunk)))
        fields = {"op": b"\x02", "conn": struct.pack("<I", number), "time": struct.pack("<II", *time)}
        self.chunk += record(fields, message)

    def write(self, path: Path) -> None:
        start = b"#ROSBAG V2.0\n"
        size = struct.pack("<I", len(self.chunk))
        body = record({"op": b"\x05", "compression": b"none", "size": size}, self.chunk)
        for number, places in self.places.items():
            fields = {"op": b"\x04", "ver": struct.pack("<I", 1), "conn": struct.pack("<I", number)}
            fields["count"] = struct.pack("<I", len(places))
            body += record(fields, b"".join(struct.pack("<III", *time, at) for time, at in places))
        times = [time for places in self.places.values() for time, _ in places]
        counts = b"".join(struct.pack("<II", number, len(places)) for number, places in self.places.items())
        chunk_at = len(start) + 4096
        index = b"".join(known for _, known in self.connections.values())
        index += record(
            {
                "op": b"\x06",
                "ver": struct.pack("<I", 1),
                "chunk_pos": struct.pack("<Q", chunk_at),
                "start_time": struct.pack("<II", *min(times)),
                "end_time": struct.pack("<II", *max(times)),
                "count": struct.pack("<I", len(self.places)),
            },
            counts,
        )
        head_fields = {
            "op": b"\x03",
            "index_pos": struct.pack("<Q", chunk_at + len(body)),
            "conn_count": struct.pack("<I", len(self.connections)),
            "chunk_count": struct.pack("<I", 1),
        }
        bare = len(record(head_fields))
        path.write_bytes(start + record(head_fields, b" " * (4096 - bare)) + body + index)


def write_realsense_bag(path: Path, moments: Sequence[tuple[np.ndarray, np.ndarray]], unit_m: float = 0.001) -> Path:
    """Depth and colour of a camera whose two eyes are one: no offset, one lens."""
    height, width = moments[0][0].shape
    bag = Bag()
    bag.add("/file_version", "std_msgs/UInt32", STATIC, struct.pack("<I", 4))
    for key, value in (("Name", "Old D435"), ("Serial Number", "1")):
        bag.add("/device_0/info", "diagnostic_msgs/KeyValue", STATIC, text(key) + text(value))
    streams = (("sensor_0", "Stereo Module", "Depth_0", "mono16"), ("sensor_1", "RGB Camera", "Color_0", "rgb8"))
    for sensor, name, stream, encoding in streams:
        place = f"/device_0/{sensor}"
        bag.add(f"{place}/info", "diagnostic_msgs/KeyValue", STATIC, text("Name") + text(name))
        info = struct.pack("<I", 30) + text(encoding) + b"\x01"
        bag.add(f"{place}/{stream}/info", "realsense_msgs/StreamInfo", STATIC, info)
        lens = [width * 0.95, 0, (width - 1) / 2, 0, width * 0.95, (height - 1) / 2, 0, 0, 1]
        about = struct.pack("<III", 0, 0, 0) + text("") + struct.pack("<II", height, width) + text("None")
        about += struct.pack("<I5d", 5, *[0.0] * 5) + struct.pack("<9d", *lens) + struct.pack("<21d", *[0.0] * 21)
        about += struct.pack("<IIIIIIB", 0, 0, 0, 0, 0, 0, 0)
        bag.add(f"{place}/{stream}/info/camera_info", "sensor_msgs/CameraInfo", STATIC, about)
        bag.add(f"{place}/{stream}/tf/0", "geometry_msgs/Transform", STATIC, struct.pack("<7d", 0, 0, 0, 0, 0, 0, 1))
    bag.add("/device_0/sensor_0/option/Depth Units/value", "std_msgs/Float32", STATIC, struct.pack("<f", unit_m))
    bag.add("/device_0/sensor_0/option/Depth Units/description", "std_msgs/String", STATIC, text("metres"))
    for number, arrays in enumerate(moments):
        for (sensor, _, stream, encoding), array in zip(streams, arrays, strict=True):
            seen = divmod(number * 33_333_333, 1_000_000_000)
            time = (seen[0], seen[1] + 1000 + (stream == "Color_0"))
            data = np.ascontiguousarray(array).tobytes()
            message = struct.pack("<III", number, *seen) + text("0") + struct.pack("<II", height, width)
            message += text(encoding) + b"\x00" + struct.pack("<II", len(data) // height, len(data)) + data
            place = f"/device_0/{sensor}/{stream}/image"
            bag.add(f"{place}/data", "sensor_msgs/Image", time, message)
            for key, value in (("system_time", "0"), ("timestamp_domain", "Hardware Clock")):
                bag.add(f"{place}/metadata", "diagnostic_msgs/KeyValue", time, text(key) + text(value))
    bag.write(path)
    return path
