"""stereo-portrait live: depth of field from parallax, at video rate."""

import re
from typing import TYPE_CHECKING, Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.core.errors import InputError

if TYPE_CHECKING:
    from stereo_portrait.core.stream import FrameSource
    from stereo_portrait.live.depth import RigFor
    from stereo_portrait.live.runner import LiveRunner
    from stereo_portrait.live.screen import Screen


@click.command()
@click.argument("source")
@click.option("--rig", help="Rig file, as for portrait; not needed where the source knows its own or measures depth.")
@click.option("--http", "port", type=click.IntRange(0, 65535), help="Show it in the browser on this port; 0 = any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --http: address to serve on.")
@click.option("--headless", is_flag=True, help="Show nothing: for measuring.")
@click.option("--seconds", type=click.FloatRange(0.1, 1e6), help="Stop after so long.")
@click.option("--focus", help="auto, face, subject, X,Y in shares of the picture (0.5,0.4), or metres such as 1.8m.")
@click.option("--f-number", type=click.FloatRange(0.7, 32), help="[default: 1.8]")
@click.option("--as-fast-as-possible", is_flag=True, help="Take a recording frame by frame, not at its own speed.")
@common_options
def command(talk: Talk, source: str, **options: Any) -> None:
    """See depth of field live, from a stereo rig or a depth camera.

    SOURCE: realsense | realsense:FILE | uvc:0,1 | uvc:0?layout=side-by-side | video:LEFT,RIGHT |
    video:FILE?layout=... | folder:DIR | http://HOST/STREAM

    Example: stereo-portrait live uvc:0,1 --rig rig.yaml --headless --seconds 10 --json
    """
    from stereo_portrait.live.controls import Controls
    from stereo_portrait.live.runner import LiveRunner
    from stereo_portrait.sources.open_stream import open_source

    settings = talk.settings()
    controls = Controls(_wish(options["focus"], options["f_number"] or settings["lens"].f_number))
    opened: list[FrameSource] = []

    def opener() -> "FrameSource":
        real_time = not options["as_fast_as_possible"]
        opened.append(open_source(source, real_time, settings["streams"], settings["realsense"]))
        return opened[-1]

    runner = LiveRunner(opener, _rig_for(options["rig"], opened), settings, controls)
    screen = _screen(talk, options, runner)
    try:
        report = runner.run(screen, options["seconds"])
    finally:
        screen.close()
    latency = report["latency_ms"]
    talk.result(
        report,
        f"{report['frames_shown']} of {report['frames_in']} frames shown, {report['fps']:.1f} a second, "
        f"latency {latency['p50'] or 0:.0f} ms (95 %: {latency['p95'] or 0:.0f} ms)",
    )


def _screen(talk: Talk, options: dict[str, Any], runner: "LiveRunner") -> "Screen":
    """Where the pictures go.

    Raises:
        DeviceError: no display, or a port that cannot be had.
    """
    from stereo_portrait.live.screen import Nowhere

    if options["port"] is None:
        return Nowhere()
    from stereo_portrait.live.web import Browser

    browser = Browser(runner.controls, runner.status, options["port"], options["host"], runner.live.jpeg_quality)
    talk.say(f"open {browser.address}")
    return browser


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
    if (point := re.fullmatch(r"(0?\.\d+)\s*,\s*(0?\.\d+)", text)) is not None:
        return Wish(f_number, "point", (float(point[1]), float(point[2])))
    raise InputError(
        f"--focus must be auto, face, subject, metres such as 1.8m, or X,Y as shares of the picture such as 0.5,0.4; "
        f"found '{focus}'"
    )
