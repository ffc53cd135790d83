"""stereo-portrait evaluate-blur: lens blur against a ray-traced thin lens."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stereo_portrait.cli.blur import METHODS
from stereo_portrait.cli.frame import Talk, common_options

if TYPE_CHECKING:
    from stereo_portrait.evaluation.blur_report import Given


@click.command()
@click.option("--method", default=",".join(METHODS), show_default=True, help="Methods, comma separated.")
@click.option("--scene", default="", help="Scenes, comma separated; all when left out.")
@click.option("--focus", default="", help="near, middle, far, comma separated; all when left out.")
@click.option(
    "--given",
    type=click.Choice(("exact", "clipped", "soft-depth", "grown-depth", "shrunk-depth")),
    default="exact",
    show_default=True,
    help="What the methods get: exact input, clipped 8-bit light, blurred depth edges, or edges moved by 2 px.",
)
@click.option("--quality", type=click.Choice(("full", "preview", "draft")), help="Of the method bokeh.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed draws the scenes anew."
)
@click.option("--report", type=click.Path(path_type=Path), help="Folder for picture strips and error maps.")
@common_options
def command(
    talk: Talk, method: str, scene: str, focus: str, given: "Given", quality: str | None, seed: int, report: Path | None
) -> None:
    """PSNR (dB) and SSIM in sRGB of every lens blur method: overall, along depth edges, on highlights; and times.

    The truth is traced through the aperture with 1024 samples a pixel once and kept in the cache folder
    ($STEREO_PORTRAIT_CACHE, else ~/.cache/stereo_portrait); the first run takes minutes.

    Example: stereo-portrait evaluate-blur --method bokeh,gaussian --scene portrait --report out/blur
    """
    import contextlib
    import dataclasses
    from typing import Any

    from stereo_portrait.core.errors import ConfigError
    from stereo_portrait.evaluation import blur_report
    from stereo_portrait.evaluation.optics_scenes import FOCUS, SCENES
    from stereo_portrait.export.files import staged_folder
    from stereo_portrait.rendering import make_renderer

    # a name said twice counts once
    names, scenes, at = (
        tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        for text in (method, scene, focus)
    )
    if not names:
        raise ConfigError(f"--method names no method; known: {', '.join(METHODS)}")
    for kind, found, known in (("scene", scenes, tuple(SCENES)), ("focus", at, FOCUS)):
        for name in found:
            if name not in known:
                raise ConfigError(f"no {kind} '{name}'; known: {', '.join(known)}")
    sections = dict(talk.settings().by_section)
    if quality is not None:
        sections["bokeh"] = dataclasses.replace(sections["bokeh"], quality=quality)
    renderers = {name: make_renderer(name, sections) for name in names}
    scores: dict[str, list[Any]] = {name: [] for name in names}
    by_case: dict[str, dict[str, Any]] = {name: {} for name in names}
    floors: dict[str, float] = {}
    total = len(scenes or SCENES) * len(at or FOCUS)
    with (
        staged_folder(report) if report is not None else contextlib.nullcontext() as folder,
        talk.progress("lens blur", total) as done,
    ):
        for truth in blur_report.cases(scenes, at, seed):
            pictures = {}
            for name, renderer in renderers.items():
                picture, found_score = blur_report.measured(
                    renderer,
                    truth,
                    given,
                    sections["bokeh"].recover_highlights,
                )
                pictures[name] = picture
                scores[name].append(found_score)
                by_case[name][truth.name] = blur_report.plain(found_score)
            floors[truth.name] = truth.noise_floor_db
            if folder is not None:
                blur_report.write_strip(folder, truth, pictures)
            done(truth.name)
    means = {name: blur_report.mean_of(found) for name, found in scores.items()}
    talk.result(
        {
            "given": given,
            "methods": {name: {"mean": means[name], "cases": by_case[name]} for name in names},
            "noise_floor_db": floors,
        },
        blur_report.table(means) + f"\ntruth's own noise, half against half: {min(floors.values()):.1f} dB at worst",
    )
