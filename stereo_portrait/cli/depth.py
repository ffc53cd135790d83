"""stereo-portrait depth: as portrait, without the photograph."""

from pathlib import Path
from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.cli.inputs import input_options
from stereo_portrait.cli.work import METHODS, run_jobs


@click.command(epilog="Example: stereo-portrait depth left.png right.png --rig calib.txt --refiner wls -o out")
@input_options
@click.option("--method", type=click.Choice(METHODS[:4]), default="auto", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the results.")
@common_options
def command(talk: Talk, output: Path, **options: Any) -> int:
    """Measure depth of LEFT RIGHT, or of every pair in a folder.

    Writes disparity.pfm, depth.png, confidence.png, flaws.png, overview.png and report.json.
    """
    return run_jobs(talk, output, options, photograph=False)
