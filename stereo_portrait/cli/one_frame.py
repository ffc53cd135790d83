"""One frame of a SOURCE (a recording, a video, a camera) as a job for portrait and depth."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from stereo_portrait.cli.inputs import Given, Job, rig_for
from stereo_portrait.core.errors import InputError

if TYPE_CHECKING:
    from stereo_portrait.config import Settings

SETTLING_FRAMES = 30  # a camera's exposure needs about a second


def source_in(path: Path) -> str | None:
    """The SOURCE that was typed where a file is expected; None where it is a file after all."""
    from stereo_portrait.sources.source_text import is_source

    text = re.sub(r"^(https?):/(?=[^/])", r"\1://", str(path))  # a path has lost one of its slashes
    return text if is_source(text) and not path.exists() else None


def job_of_source(text: str, given: Given, settings: "Settings") -> Job:
    """The frame that --frame names; without it the first of a recording, or a camera's once it has settled.

    Raises:
        InputError, RigError, DeviceError: a source that cannot be opened, or that ends before that frame.
    """
    from stereo_portrait.core.capture import StereoPair
    from stereo_portrait.sources.open_stream import open_source

    stream = open_source(text, streams=settings["streams"], realsense=settings["realsense"])
    wanted = given.frame if given.frame is not None else SETTLING_FRAMES if stream.paced else 0
    last = None
    try:
        for frame in stream:
            last = frame.number
            if last >= wanted:
                break
        else:
            raise InputError(f"{text} has no frame {wanted}" + ("" if last is None else f"; its last one is {last}"))
    finally:
        stream.close()
    capture, name = frame.capture, f"{stream.name} {frame.number}"
    warnings = tuple(stream.health.notes)
    if not isinstance(capture, StereoPair):
        return Job(name, photo=capture.photo, depth=capture.depth, warnings=warnings)
    if given.rig is None and not given.rectified and stream.rig is not None:
        return Job(name, capture, stream.rig, warnings=warnings)
    return Job(name, capture, rig_for(capture, given, Path(text.partition(":")[2])), warnings=warnings)
