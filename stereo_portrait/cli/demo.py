"""stereo-portrait demo: the built-in pair, start to end."""

from pathlib import Path
from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.cli.inputs import Job
from stereo_portrait.cli.work import lens_options, run_job, sentence, settings_of


@click.command(epilog="Example: stereo-portrait demo -o out")
@lens_options
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True)
@common_options
def command(talk: Talk, output: Path, **options: Any) -> None:
    """Turn the built-in Middlebury pair into a portrait, and say where the pictures are."""
    from stereo_portrait.core.capture import StereoPair
    from stereo_portrait.sources.builtin_scene import builtin_scene

    given = builtin_scene().pair
    job = Job("motorcycle", StereoPair(given.left, given.right, "motorcycle"), given.rig)
    options |= {"matcher": "sgbm", "refiner": "median"}
    report = run_job(talk, job, output, settings_of(talk, options), options, photograph=True)
    pictures = "\n".join(f"  {output / name}" for name in report["files"])
    talk.result(report, f"{sentence(report, output)}\n{pictures}")
