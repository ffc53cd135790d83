"""stereo-portrait evaluate: methods against true disparity."""

from pathlib import Path

import click

from stereo_portrait.cli.frame import Talk, common_options

EXAMPLE = "Example: stereo-portrait evaluate scenes/ --method opencv-default,sgbm,sgbm+wls,sgbm+median --report out"


@click.command(epilog=EXAMPLE)
@click.argument("where", metavar="FOLDER|SET")
@click.option("--root", type=click.Path(path_type=Path), help="Folder that holds the set.")
@click.option("--method", "methods", multiple=True, help="MATCHER or MATCHER+REFINER; several with commas.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a page with pictures of every scene.")
@common_options
def command(talk: Talk, where: str, root: Path | None, methods: tuple[str, ...], report: Path | None) -> int:
    """Score methods on FOLDER (scenes in Middlebury 2014 layout) or on a known SET.

    Shares are per cent of all masked pixels with known truth; bad-N leaves holes out, totbad2 counts them.
    """
    from stereo_portrait.evaluation.methods import candidates
    from stereo_portrait.evaluation.metrics import SceneScore, score_scene
    from stereo_portrait.evaluation.report import Report
    from stereo_portrait.evaluation.table import results_of, text_of
    from stereo_portrait.pipeline import DEFAULT_MATCHER, DEFAULT_REFINER
    from stereo_portrait.sources.dataset_scenes import load_scenes

    settings = talk.settings()
    names = [n for given in methods for n in given.split(",")] or [f"{DEFAULT_MATCHER}+{DEFAULT_REFINER}"]
    tested = candidates(names, settings)
    if not tested:
        raise click.UsageError("--method names no method")
    page = None if report is None else Report()
    scores: dict[str, dict[str, tuple[SceneScore, float]]] = {c.name: {} for c in tested}
    warm = False
    with talk.progress("evaluating") as advance:
        for scene in load_scenes(where, root, settings["images"]):
            if not warm:
                for candidate in tested:
                    candidate.warm_up()
                warm = True
            for candidate in tested:
                found, ms = candidate.run(scene.pair, scene.max_disparity_px)
                score = score_scene(found.disparity_px, scene, ms)
                scores[candidate.name][scene.name] = (score, scene.weight)
                if page is not None:
                    page.add(scene, candidate.name, found)
                advance(f"{scene.name} {candidate.name}")
    results = results_of(scores)
    human = text_of(results)
    if page is not None and report is not None:
        talk.say(f"the report is {page.write(report, results)}")
    talk.result(results, human)
    return 0
