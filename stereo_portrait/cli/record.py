"""stereo-portrait record: a camera, a stream or a file becomes a lossless recording."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.core.errors import InputError, OutputError

if TYPE_CHECKING:
    from stereo_portrait.config import Settings
    from stereo_portrait.core.stream import Frame, FrameSource
    from stereo_portrait.record import Progress, Writer


@click.command(epilog="Example: stereo-portrait record uvc:0,1 -o takes/one --rig rig.yaml --seconds 10")
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder, FILE.mkv, or FILE.db3 (RealSense).",
)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so much film.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--rig", help="Rig file to keep beside the recording; it is used when the recording is played.")
@click.option(
    "--format", "codec", type=click.Choice(["mkv", "png"]), help="Lossless video, or pictures.  [default: mkv]"
)
@common_options
def command(
    talk: Talk,
    source: str,
    output: Path,
    seconds: float | None,
    frames: int | None,
    rig: str | None,
    codec: str | None,
) -> int:
    """Record SOURCE without loss until its end, a limit, or Ctrl-C; what was recorded plays at any time.

    SOURCE: realsense, realsense:FILE.db3, uvc:0,1, uvc:0?layout=side-by-side, video:LEFT,RIGHT, video:FILE?layout=...,
    folder:DIR, http://HOST/STREAM (one with ?layout=, or two separated by a comma). Play a recording as folder:DIR,
    video:FILE.mkv?layout=side-by-side or realsense:FILE.db3.
    """
    from stereo_portrait.record import Limits, Recorder
    from stereo_portrait.sources.source_text import without_login

    if codec is not None:
        talk = dataclasses.replace(talk, overrides=(*talk.overrides, f"record.codec={codec}"))
    settings = talk.settings()
    stream, writer = _opened(source, output, rig, settings)
    writer = writer if rig is None else _Fitting(writer, rig, settings["rectify"].resize_rig)
    limits = Limits(frames, seconds, settings["record"].queue_mb)
    showing = sys.stderr.isatty() and not talk.quiet
    done = Recorder(stream, writer, limits).run(_show if showing else lambda progress: None)
    if showing:
        click.echo(err=True)
    for note in stream.health.notes:
        talk.say(note)
    if output.suffix.lower() == ".db3":
        _check_by_sdk(output, done)
    report = _report(without_login(source), output, stream, done)
    if done.error is not None and done.written == 0:
        raise done.error
    talk.result(report, _sentence(report))
    if done.error is not None:
        raise type(done.error)(f"{done.error}; {done.written} frames were saved in {output}")
    return 130 if done.reason == "stopped" else 0


def _opened(source: str, output: Path, rig: str | None, settings: "Settings") -> "tuple[FrameSource, Writer]":
    """The stream and what writes it down.

    Raises:
        StereoPortraitError: a source that cannot be opened, or an output that does not suit it.
    """
    from stereo_portrait.export.recording import Origin, RecordingWriter
    from stereo_portrait.export.recording_format import check_target, names_of
    from stereo_portrait.geometry.rig_file import read_rig, rig_text
    from stereo_portrait.sources.open_stream import open_source
    from stereo_portrait.sources.source_text import parse_source, without_login

    known = None if rig is None else read_rig(rig)
    by_sdk = output.suffix.lower() == ".db3"
    if not by_sdk:
        check_target(output)
    if by_sdk:
        what = parse_source(source)
        if what.kind != "realsense" or what.targets:
            raise OutputError(f"{output}: only a RealSense camera is recorded as .db3; name a folder or FILE.mkv")
        if output.exists():
            raise OutputError(f"{output} exists already, and a recording is never overwritten; choose another -o")
        output.parent.mkdir(parents=True, exist_ok=True)
    raw = dataclasses.replace(settings["realsense"], hole_filling="none")  # what is made up is not recorded
    stream = open_source(source, streams=settings["streams"], realsense=raw, record_to=output if by_sdk else None)
    if by_sdk:
        return stream, _BySdk()
    rig_now = known or stream.rig
    camera = None if stream.camera is None else dataclasses.asdict(stream.camera)
    unit_m = getattr(stream, "depth_unit_m", None)
    text = None if rig_now is None else rig_text(rig_now, "rig")[0]
    if rig is not None and Path(rig).resolve() == names_of(output).rig.resolve():
        text = None  # it lies where it belongs
    try:
        writer = RecordingWriter(
            output, Origin(without_login(source), stream.rate_hz, text, camera, unit_m), settings["record"]
        )
    except OutputError:
        stream.close()
        raise
    return stream, writer


class _Fitting:
    """Holds the rig that was named against the first frame, before anything is written."""

    def __init__(self, writer: "Writer", rig: str, resize_rig: bool) -> None:
        self.writer, self.rig, self.resize_rig = writer, rig, resize_rig
        self.known = False

    def write(self, frame: "Frame") -> None:
        """Pass a frame on.

        Raises:
            RigError: the rig is for pictures of another size.
        """
        if not self.known:
            self._check(frame)
            self.known = True
        self.writer.write(frame)

    def _check(self, frame: "Frame") -> None:
        from stereo_portrait.core.capture import StereoPair
        from stereo_portrait.core.errors import RigError
        from stereo_portrait.geometry.rectify import fitted
        from stereo_portrait.geometry.rig_file import read_rig

        if not isinstance(frame.capture, StereoPair):
            return
        height_px, width_px = frame.capture.left.shape[:2]
        size_px = (width_px, height_px)
        try:
            fitted(read_rig(self.rig, size_px), size_px, "the source", self.resize_rig)
        except RigError as error:
            text = str(error).replace("--resize-rig", "--set rectify.resize_rig=true")
            raise RigError(text) from error

    def close(self) -> None:
        self.writer.close()


class _BySdk:
    """The camera's own SDK writes the file; frames are only counted."""

    def write(self, frame: "Frame") -> None:
        return

    def close(self) -> None:
        return


def _check_by_sdk(output: Path, done: "Progress") -> None:
    """Is in the file what came? The SDK does not say when a disk is full."""
    import gc

    from stereo_portrait.sources.realsense_file import look_into

    gc.collect()  # the SDK closes its file with the last reference
    try:
        kept = min(look_into(output).pictures.values(), default=0)
    except InputError as error:
        done.error = done.error or OutputError(f"the SDK did not write it well: {error}")
        kept = 0
    if kept < done.written:
        done.error = done.error or OutputError(f"{output} holds {kept} of {done.written} frames; is the disk full?")
        done.written = kept


def _show(progress: "Progress") -> None:
    dropped = f", {progress.dropped} DROPPED: the disk is too slow" if progress.dropped else ""
    waiting = progress.taken - progress.written
    text = f"{progress.film_s:7.1f} s  {progress.written} frames written, {waiting} waiting{dropped}"
    click.echo(f"\r{text:<78}", nl=False, err=True)


def _report(source: str, output: Path, stream: "FrameSource", done: "Progress") -> dict[str, Any]:
    from stereo_portrait.export.recording_format import VIEWS, names_of

    names = names_of(output)
    parts = [output] if output.is_file() else []
    parts += [p for p in (names.header, names.table, names.rig) if p.is_file()]
    if output.is_dir():
        parts += sorted(p for views in VIEWS.values() for v in views for p in output.glob(f"{v}*.mkv"))
    files = parts + (sorted(output.glob("*_[0-9]*.png")) if output.is_dir() else [])
    return {
        "source": source,
        "output": str(output),
        "frames": done.written,
        "frames_dropped": done.dropped + stream.health.dropped,
        "dropped_by_disk": done.dropped,
        "seconds": round(done.film_s, 3),
        "stopped_by": done.reason,
        "bytes": sum(p.stat().st_size for p in files),
        "files": [str(p) for p in parts],
        "health": dataclasses.asdict(stream.health),
    }


def _sentence(report: dict[str, Any]) -> str:
    lost = report["frames_dropped"]
    words = f"{report['output']}: {report['frames']} frames, {report['seconds']:.1f} s, {report['bytes'] / 1e6:.1f} MB"
    return words + (f"; {lost} frames lost ({report['dropped_by_disk']} by the disk)" if lost else "")
