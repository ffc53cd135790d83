"""stereo-portrait live: depth of field from parallax, at video rate."""

import dataclasses
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.core.errors import InputError, StereoPortraitError

if TYPE_CHECKING:
    from stereo_portrait.config import Settings
    from stereo_portrait.core.stream import FrameSource
    from stereo_portrait.live.controls import Controls
    from stereo_portrait.live.depth import RigFor
    from stereo_portrait.live.runner import LiveRunner
    from stereo_portrait.live.screen import Screen


@click.command()
@click.argument("source")
@click.option("--rig", help="Rig file, as for portrait; not needed where the source knows its own or measures depth.")
@click.option("--resize-rig", is_flag=True, help="Scale the rig to the frames' size.")
@click.option("--window", is_flag=True, help="Show it in a window: the default where there is a display.")
@click.option("--http", "port", type=click.IntRange(0, 65535), help="Show it in the browser on this port; 0 = any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --http: address to serve on.")
@click.option("--virtual-camera", is_flag=True, help="Also be a camera that other programs can choose.")
@click.option("--headless", is_flag=True, help="Show nothing: for measuring.")
@click.option("--seconds", type=click.FloatRange(0.1, 1e6), help="Stop after so long.")
@click.option("--focus", help="auto, face, subject, X,Y in shares of the picture (0.5,0.4), or metres such as 1.8m.")
@click.option("--f-number", type=click.FloatRange(0.7, 32), help="[default: 1.8]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("portraits"),
    show_default=True,
    help="Folder for saved portraits.",
)
@click.option("--record", type=click.Path(path_type=Path), help="Also record what comes in, into this folder or .mkv.")
@click.option("--as-fast-as-possible", is_flag=True, help="Take a recording frame by frame, not at its own speed.")
@common_options
def command(talk: Talk, source: str, **options: Any) -> int:
    """See depth of field live, from a stereo rig or a depth camera.

    SOURCE: realsense | realsense:FILE | uvc:0,1 | uvc:0?layout=side-by-side | video:LEFT,RIGHT |
    video:FILE?layout=... | folder:DIR | http://HOST/STREAM

    Example: stereo-portrait live uvc:0,1 --rig rig.yaml --http 8000
    """
    from stereo_portrait.live.controls import Controls
    from stereo_portrait.live.runner import LiveRunner
    from stereo_portrait.live.saving import Saver
    from stereo_portrait.live.screen import Several
    from stereo_portrait.live.web import Browser
    from stereo_portrait.sources.open_stream import open_source

    if options["resize_rig"]:
        talk = dataclasses.replace(talk, overrides=(*talk.overrides, "rectify.resize_rig=true"))
    settings = talk.settings()
    _check_places(source, options["record"])
    failed: StereoPortraitError | None = None
    controls = Controls(_wish(options["focus"], options["f_number"] or settings["lens"].f_number))
    opened: list[FrameSource] = []

    def opener() -> "FrameSource":
        real_time = not options["as_fast_as_possible"]
        opened.append(open_source(source, real_time, settings["streams"], settings["realsense"]))
        return opened[-1]

    with ExitStack() as stack:
        screens = [stack.enter_context(closing(screen)) for screen in _local_screens(options, controls, settings)]
        with talk.progress("getting ready"):  # the first time ever compiles for up to a minute
            runner = LiveRunner(opener, _rig_for(options["rig"], opened), settings, controls)
        stack.callback(runner.stop)
        if options["port"] is not None or not (screens or options["headless"]):
            browser = Browser(controls, runner.status, options["port"] or 0, options["host"], runner.live.jpeg_quality)
            screens.append(stack.enter_context(closing(browser)))
            talk.say(f"open {browser.address}")
        recorded = stack.enter_context(_recording(source, options, runner, settings))
        saver = Saver(options["output"], settings, runner.figures)
        try:
            report = runner.run(Several(screens), options["seconds"], saver)
        except StereoPortraitError as error:
            if runner.figures.frames_shown == 0:
                raise
            failed, report = error, runner.report()  # what was measured before is not lost with the source
    if recorded.get("recorded", {}).get("error"):
        talk.warn(f"the recording ended early: {recorded['recorded']['error']}")
    report |= recorded
    latency = report["latency_ms"]
    for note in report["health"]["notes"]:
        talk.say(note)
    talk.result(
        report,
        f"{report['frames_shown']} of {report['frames_in']} frames shown, {report['fps']:.1f} a second, "
        f"latency {latency['p50'] or 0:.0f} ms (95 %: {latency['p95'] or 0:.0f} ms)",
    )
    if failed is not None:
        raise failed
    return 130 if report["ended"] == "stopped" else 0


def _check_places(source: str, record_to: Path | None) -> None:
    """What can be known to be wrong before anything is compiled or opened.

    Raises:
        InputError: no SOURCE, or files that are not there.
        OutputError: a recording in a format that is not written here.
    """
    from stereo_portrait.export.recording_format import check_target
    from stereo_portrait.sources.open_stream import open_source
    from stereo_portrait.sources.source_text import parse_source

    named = parse_source(source)
    if record_to is not None:
        check_target(record_to)
    if named.kind == "http":
        return
    paths = [Path(t) for t in named.targets if not t.isdigit()]
    if sys.platform == "linux":
        paths += [Path(f"/dev/video{t}") for t in named.targets if named.kind == "uvc" and t.isdigit()]
    if not all(path.exists() for path in paths):
        open_source(source).close()  # says what is missing


def _local_screens(options: dict[str, Any], controls: "Controls", settings: "Settings") -> "list[Screen]":
    """What shows pictures on this machine itself; nothing where a browser will.

    Raises:
        DeviceError: no display, no package, or no loopback device.
    """
    from stereo_portrait.live.display import has_display
    from stereo_portrait.live.window import Window

    found: list[Screen] = []
    if options["virtual_camera"]:
        from stereo_portrait.live.virtual_camera import VirtualCamera

        found.append(VirtualCamera(settings["live"].target_fps))
    unasked = options["port"] is None and not options["headless"] and not options["virtual_camera"]
    if options["window"] or (unasked and has_display()):
        found.append(Window(controls))
    return found


@contextmanager
def _recording(
    source: str, options: dict[str, Any], runner: "LiveRunner", settings: "Settings"
) -> "Iterator[dict[str, Any]]":
    """Every frame that comes in is also recorded, behind the stream; the yielded report is filled at the end.

    Raises:
        OutputError: something is there already.
    """
    report: dict[str, Any] = {}
    if options["record"] is None:
        yield report
        return
    from stereo_portrait.export.recording import Origin, RecordingWriter
    from stereo_portrait.geometry.rig_file import read_rig, rig_text
    from stereo_portrait.live.tee import Tee
    from stereo_portrait.record import Limits, Recorder
    from stereo_portrait.sources.source_text import without_login

    stream = runner.capture.source
    rig = read_rig(options["rig"]) if options["rig"] else stream.rig
    camera = None if stream.camera is None else dataclasses.asdict(stream.camera)
    text = None if rig is None else rig_text(rig, "rig")[0]
    origin = Origin(without_login(source), stream.rate_hz, text, camera, getattr(stream, "depth_unit_m", None))
    writer = RecordingWriter(options["record"], origin, settings["record"])
    tee = Tee(stream)
    recorder = Recorder(tee, writer, Limits(queue_mb=settings["record"].queue_mb))
    with ThreadPoolExecutor(1, thread_name_prefix="live-record") as beside:
        job = beside.submit(recorder.run)
        runner.capture.also = tee.offer
        try:
            yield report
        finally:
            tee.close()
        done = job.result()
    error = None if done.error is None else str(done.error)
    lost = done.dropped + tee.health.dropped
    report["recorded"] = {"written": done.written, "dropped": lost, "error": error, "output": str(options["record"])}


def _rig_for(named: str | None, opened: "list[FrameSource]") -> "RigFor":
    """The rig that was named, else the one that the source knows."""
    from stereo_portrait.core.errors import RigError
    from stereo_portrait.geometry.rig_file import read_rig

    def rig_for(size_px: tuple[int, int]) -> Any:
        if named is not None:
            return read_rig(named, size_px)
        known = opened[-1].rig if opened else None
        if known is None:
            raise RigError("no rig for this source: pass --rig FILE; stereo-portrait calibrate makes one")
        return known

    return rig_for


def _wish(focus: str | None, f_number: float) -> Any:
    """What --focus and --f-number ask for.

    Raises:
        InputError: a focus that cannot be read.
    """
    from stereo_portrait.live.controls import Wish

    text = (focus or "auto").strip().lower()
    if text in ("auto", "face", "subject"):
        return Wish(f_number, text)  # type: ignore[arg-type]
    if (metres := re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*m", text)) and float(metres[1]) > 0:
        return Wish(f_number, "distance", distance_m=float(metres[1]))
    if (point := re.fullmatch(r"(0|0?\.\d+)\s*,\s*(0|0?\.\d+)", text)) is not None:
        return Wish(f_number, "point", (float(point[1]), float(point[2])))
    raise InputError(
        f"--focus must be auto, face, subject, metres such as 1.8m, or X,Y as shares of the picture such as 0.5,0.4; "
        f"found '{focus}'"
    )
