"""A SOURCE text -> an open stream of frames."""

from pathlib import Path

from stereo_portrait.core.errors import InputError
from stereo_portrait.core.stream import FrameSource
from stereo_portrait.sources.source_text import parse_source


def open_source(text: str, real_time: bool = False) -> FrameSource:
    """The stream that SOURCE names; files are looked at and devices opened before this returns.

    `real_time` plays files at the speed they were taken, passing over what comes too late; otherwise as fast as they
    are read. Devices always run at their own speed.

    Raises:
        InputError: not a SOURCE, or files that are absent or damaged.
        DeviceError: a camera or its driver that is absent or refuses.
    """
    source = parse_source(text)
    if source.kind == "folder":
        from stereo_portrait.sources.folder_stream import FolderStream

        return FolderStream(Path(source.targets[0]))
    if source.kind == "video":
        from stereo_portrait.sources.video_stream import VideoStream

        return VideoStream(tuple(Path(t) for t in source.targets), source.layout, real_time)
    raise InputError(f"{source.kind} streams cannot be opened yet")
