"""stereo-portrait calibrate: pictures of a board become a rig and a report on how good it is."""

import glob
from pathlib import Path
from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.core.errors import CalibrationError


@click.command()
@click.option("--left", "left_glob", metavar="GLOB", help="Left pictures, quoted: 'shots/left_*.png'.")
@click.option("--source", metavar="SOURCE", help="Guided capture from any SOURCE that `record` takes: uvc:0,1, ...")
@click.option("--right", "right_glob", metavar="GLOB", help="Right pictures.")
@click.option(
    "--board", "spec", required=True, metavar="SPEC", help="chessboard:9x6:25mm or charuco:11x8:25mm:19mm:DICT"
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The rig file to write.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.html and its pictures.")
@click.option("--model", type=click.Choice(["auto", "pinhole4", "pinhole5", "pinhole8", "fisheye"]), help="Lens model.")
@click.option("--name", help="Name of the rig; the file's name by default.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="With --source: also keep the taken views in this folder."
)
@click.option("--target-row-px", type=float, default=0.05, show_default=True, help="With --source: stop below this.")
@click.option(
    "--http", "port", type=click.IntRange(0, 65535), help="With --source: show it in the browser on this port."
)
@click.option("--headless", is_flag=True, help="With --source: show nothing.")
@common_options
def command(talk: Talk, spec: str, output: Path, **options: Any) -> None:
    """Calibrate two cameras from pictures of a printed board.

    Example: stereo-portrait calibrate --left 'shots/left_*.png' --right 'shots/right_*.png'
    --board chessboard:9x6:25mm -o rig.yaml --report report
    """
    from stereo_portrait.geometry.board import parse_board

    board = parse_board(spec)
    if output.is_dir():
        raise CalibrationError(f"-o names the folder {output}; name a file, for example {output}/rig.yaml")
    if options["source"] is not None:
        if options["left_glob"] or options["right_glob"]:
            raise CalibrationError("give --source, or --left and --right, not both")
        sightings, load = _guided(talk, board, options)
    elif options["left_glob"] and options["right_glob"]:
        sightings, load = _from_files(talk, board, options)
    else:
        raise CalibrationError("give the pictures: --left 'GLOB' --right 'GLOB', or --source for guided capture")
    _finish(talk, sightings, load, board, output, options)


def _from_files(talk: Talk, board: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    from stereo_portrait.geometry.views import pair_up, sight

    settings = talk.settings()
    left, right = (_matching(options[key]) for key in ("left_glob", "right_glob"))
    shots, notes = pair_up(left, right)

    def load(path: Path) -> Any:
        import cv2

        from stereo_portrait.sources.image_file import read_photo

        return cv2.cvtColor(read_photo(path, settings["images"]).pixels, cv2.COLOR_RGB2GRAY)

    with talk.progress("looking for the board", len(left) + len(right)) as advance:
        sightings = sight(shots, board, load, advance)
    sightings.notes = notes + sightings.notes
    return sightings, load


def _matching(pattern: str) -> list[Path]:
    """Files that match; the pattern may be absolute, which Path.glob does not take."""
    return sorted(Path(p) for p in glob.glob(pattern, recursive=True))  # noqa: PTH207


def _guided(talk: Talk, board: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    from stereo_portrait.geometry.guided_capture import capture
    from stereo_portrait.sources.open_stream import open_source

    settings = talk.settings()
    return capture(
        open_source(options["source"], streams=settings["streams"], realsense=settings["realsense"]),
        board,
        target_row_px=options["target_row_px"],
        keep=options["keep"],
        port=options["port"],
        headless=options["headless"],
        say=talk.say,
    )


def _finish(talk: Talk, sightings: Any, load: Any, board: Any, output: Path, options: dict[str, Any]) -> None:
    import dataclasses

    from stereo_portrait.export.files import staged_file, write_bytes
    from stereo_portrait.geometry.calibrate import calibrate, with_device
    from stereo_portrait.geometry.calibration_report import write_report
    from stereo_portrait.geometry.rig_file import rig_text
    from stereo_portrait.geometry.verdict import as_numbers, assess

    settings = talk.settings()["calibrate"]
    if options["model"] is not None:
        settings = dataclasses.replace(settings, model=options["model"])
    sizes = sightings.left_size, sightings.right_size
    for note in sightings.notes:
        talk.say(note)
    with talk.progress("calibrating", 5) as advance:
        found = calibrate(sightings.views, *sizes, settings, sightings.rejected, advance)
        found = with_device(found, options["name"] or output.stem)
        assessment = assess(found, board, *sizes)
    for rejected in found.rejected:
        talk.say(f"left out {rejected.name}: {rejected.why}")
    numbers = as_numbers(found, assessment, board) | {"rig": str(output)}
    numbers["detected"] = {"left": sightings.detected_left, "right": sightings.detected_right}
    if options["report"] is not None:
        write_report(options["report"], found, assessment, numbers, sightings, load)
        numbers["report"] = str(options["report"] / "report.html")
    with staged_file(output) as path:
        write_bytes(path, rig_text(found.rig, "rig")[0].encode())
    lines = [
        f"{found.fit.model}, {len(found.views)} views, rms {found.rig.rms_px:.3f} px, baseline "
        f"{found.rig.baseline_m * 1000:.2f} +- {found.rig.parameter_sigma['baseline_m'] * 1000:.2f} mm",
        *assessment.verdict,
        f"wrote {output}",
    ]
    talk.result(numbers, "\n".join(lines))
