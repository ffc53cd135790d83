"""stereo-portrait evaluate: score methods against true disparity."""

from pathlib import Path

import click

from stereo_portrait.cli.frame import Talk, common_options


@click.command(epilog="Example: stereo-portrait evaluate scenes --method sgbm,sgbm+median --report out")
@click.argument("scenes", metavar="FOLDER|SET")
@click.option("--root", type=click.Path(path_type=Path), help="Where the set (or folder) lies.")
@click.option("--method", "methods", default="sgbm+median", show_default=True, help="Names, separated by commas.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.html and scores.json.")
@common_options
def command(talk: Talk, scenes: str, root: Path | None, methods: str, report: Path | None) -> None:
    """Score METHODS (matcher or matcher+refiner, such as sgbm+wls) on every scene of a folder or a public set.

    By the official definitions: bad-N over all masked pixels, totbad counts holes, nonocc and all; plus the edge band.
    """
    from stereo_portrait.evaluation.methods import evaluate, method_named
    from stereo_portrait.evaluation.report import Results, as_json, page, table_rows
    from stereo_portrait.export.files import staged_folder, write_bytes
    from stereo_portrait.export.result import json_bytes
    from stereo_portrait.sources.dataset_scenes import load_scenes

    settings = talk.settings()
    names = [name.strip() for name in methods.split(",") if name.strip()]
    runs = {name: method_named(name, settings.by_section) for name in names}
    results: Results = {name: [] for name in names}
    with talk.progress("evaluating") as advance:
        for scene in load_scenes(scenes, root, settings["images"]):
            for name, run in runs.items():
                results[name].append(evaluate(scene, run, warm=not results[name]))
                advance(f"{scene.name} {name}")
    numbers = as_json(results)
    if report is not None:
        with staged_folder(report) as folder:
            write_bytes(folder / "report.html", page(results).encode())
            write_bytes(folder / "scores.json", json_bytes(numbers))
        talk.say(f"report: {report / 'report.html'}")
    talk.result(numbers, _aligned(*table_rows(results)))


def _aligned(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = []
    for line in [header, *rows]:
        cells = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
