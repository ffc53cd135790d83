"""What a live or recorded source hands over, frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from stereo_portrait.core.capture import RgbdFrame, StereoPair
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One moment of a stream: two views, or a photo with the depth a sensor measured."""

    number: int  # counted by the source from 0; a gap means that the device dropped frames
    capture: StereoPair | RgbdFrame
    arrived_s: float  # time.monotonic() when both views were complete on this machine
    device_ms: float | None = None  # the device's own clock; a recording gives back what it was recorded with
    skew_ms: float | None = None  # time between the two views, right minus left; None where it cannot be known


@dataclass(slots=True)
class SourceHealth:
    """What went wrong so far and was survived; the source writes it, anyone may read it."""

    frames: int = 0
    dropped: int = 0  # known to be lost: gaps in the device's counter, views without a partner
    damaged: int = 0  # could not be decoded, or of another size
    stalls: int = 0  # no frame for longer than the source's time-out, then it went on
    reconnects: int = 0
    worst_skew_ms: float = 0.0
    notes: list[str] = field(default_factory=list)  # plain words, each said once

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


class FrameSource(Protocol):
    """An open stream. Iterating gives frames until the end; `close` may be called at any time, from any thread.

    Iterating raises DeviceError when the device is lost for good, InputError when a recording turns out to be damaged.
    """

    name: str
    rate_hz: float | None  # as the device or the file states it
    paced: bool  # True: frames come at their own times and are lost if not taken; False: as fast as they are read
    health: SourceHealth
    rig: RigCalibration | RectifiedRig | None  # of a stereo stream, where the source itself knows it
    camera: Camera | None  # of the photo in frames with depth, where the source itself knows it

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...
