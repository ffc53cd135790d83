"""stereo-portrait portrait: a pair, or a photo with depth, becomes a photograph."""

from pathlib import Path
from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.cli.inputs import input_options
from stereo_portrait.cli.work import lens_options, run_jobs


@click.command(
    epilog="Example: stereo-portrait portrait left.png right.png --rig rig.yaml --focus 1.8m --f-number 1.4 -o out"
)
@input_options
@lens_options
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the results.")
@common_options
def command(talk: Talk, output: Path, **options: Any) -> int:
    """Make a portrait of LEFT RIGHT, of one PHOTO, or of every pair in a folder.

    Writes portrait.png, disparity.pfm, depth.png, confidence.png, flaws.png, overview.png and report.json.
    """
    return run_jobs(talk, output, options, photograph=True)
