"""A SOURCE text -> an open stream of frames."""

from pathlib import Path

from stereo_portrait.core.errors import DeviceError
from stereo_portrait.core.stream import FrameSource
from stereo_portrait.sources.realsense_settings import RealSenseSettings
from stereo_portrait.sources.source_text import SourceText, parse_source
from stereo_portrait.sources.stream_settings import StreamSettings

DEFAULT, DEFAULT_REALSENSE = StreamSettings(), RealSenseSettings()


def open_source(
    text: str,
    real_time: bool = False,
    streams: StreamSettings = DEFAULT,
    realsense: RealSenseSettings = DEFAULT_REALSENSE,
    record_to: Path | None = None,
) -> FrameSource:
    """The stream that SOURCE names; files are looked at and devices opened before this returns.

    `real_time` plays files at the speed they were taken, passing over what comes too late; otherwise as fast as they
    are read. Devices always run at their own speed. `record_to` names a .db3 that the SDK writes while a RealSense
    camera streams.

    Raises:
        InputError: not a SOURCE, or files that are absent or damaged.
        DeviceError: a camera or its driver that is absent or refuses.
    """
    from stereo_portrait.sources.recording_stream import RecordingStream

    source = parse_source(text)
    recording = _recording(source)
    if recording is not None:
        return RecordingStream(recording, real_time)
    if source.kind == "folder":
        from stereo_portrait.sources.folder_stream import FolderStream

        return FolderStream(Path(source.targets[0]))
    if source.kind == "video":
        from stereo_portrait.sources.video_stream import VideoStream

        return VideoStream(tuple(Path(t) for t in source.targets), source.layout, real_time, streams.max_skew_frames)
    if source.kind in ("uvc", "http"):
        return _live(source, streams)
    if source.targets:
        from stereo_portrait.sources.realsense_recording import RealSenseRecording

        return RealSenseRecording(Path(source.targets[0]), realsense, streams, real_time)
    from stereo_portrait.sources.realsense import RealSenseCamera

    return RealSenseCamera(realsense, streams, record_to)


def _recording(source: SourceText) -> Path | None:
    """The recording of ours that a folder, a video or two videos of one folder are, so that its own times count."""
    from stereo_portrait.sources.recording_stream import is_recording

    if source.kind not in ("folder", "video"):
        return None
    paths = [Path(t) for t in source.targets]
    if len(paths) == 2:
        if [p.name for p in paths] != ["left.mkv", "right.mkv"] or paths[0].parent != paths[1].parent:
            return None
        return paths[0].parent if is_recording(paths[0].parent) else None
    suits = source.kind == "folder" or source.layout == "side-by-side"
    return paths[0] if suits and is_recording(paths[0]) else None


def _live(source: SourceText, settings: StreamSettings) -> FrameSource:
    from stereo_portrait.sources.live_reader import LiveView
    from stereo_portrait.sources.live_stereo import LiveStereo
    from stereo_portrait.sources.mjpeg_http import MjpegStream
    from stereo_portrait.sources.uvc import UvcCamera, lock_and_match

    cameras = [UvcCamera(t, settings) for t in source.targets] if source.kind == "uvc" else []
    views: list[LiveView] = [*cameras] or [MjpegStream(t, settings) for t in source.targets]
    opened: list[LiveView] = []
    try:
        for view in views:
            view.open()
            opened.append(view)
        notes = lock_and_match(cameras) if cameras and settings.lock_exposure else []
    except DeviceError:
        for view in opened:
            view.close()
        raise
    stream = LiveStereo(views, source.layout, settings)
    for text in notes:
        stream.health.note(text)
    return stream
