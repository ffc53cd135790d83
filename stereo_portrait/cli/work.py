"""Run jobs through the pipeline and write their results; the shared body of portrait, depth and demo."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stereo_portrait.cli.frame import Talk
from stereo_portrait.cli.inputs import Given, Job, jobs_of
from stereo_portrait.core.errors import InputError, StereoPortraitError

if TYPE_CHECKING:
    from stereo_portrait.config import Settings
    from stereo_portrait.core.portrait import DepthEstimate
    from stereo_portrait.pipeline import Stages, Watch

METHODS = ("auto", "stereo", "sensor", "monocular", "segment", "neural")
LENS_KEYS = ("f_number", "focal_length_mm", "sensor_width_mm")


def lens_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --method, --focus and the lens; what is not given keeps its setting."""
    for option in reversed(
        (
            click.option("--method", type=click.Choice(METHODS), default="auto", show_default=True),
            click.option(
                "--model", help="Network for one photo: a name of `models list`, or an .onnx file with its contract."
            ),
            click.option("--focus", help="auto, subject, X,Y (pixels) or 1.8m.  [default: auto]"),
            click.option("--f-number", type=float, help="Smaller is more blur.  [default: 1.8]"),
            click.option("--focal-length-mm", type=float, help="[default: 50]"),
            click.option("--sensor-width-mm", type=float, help="[default: 36]"),
            click.option("--max-blur-px", type=float, help="Largest blur radius."),
            click.option("--photo-format", type=click.Choice(["png", "jpg"]), default="png", show_default=True),
        )
    ):
        command = option(command)
    return command


def settings_of(talk: Talk, options: dict[str, Any]) -> "Settings":
    """Settings after the options that are shorthands for --set."""
    shorthand = [f"lens.{key}={options[key]}" for key in LENS_KEYS if options.get(key) is not None]
    if options.get("max_blur_px") is not None:
        shorthand.append(f"lens.max_blur_px={options['max_blur_px']}")
    if options.get("focus") is not None:
        shorthand.append(f"focus.at={_quoted(options['focus'])}")
    if (model := options.get("model")) is not None:
        from stereo_portrait.networks.weights import purpose_of

        section = "subject" if options.get("method") == "segment" or purpose_of(model) == "subject" else "monocular"
        shorthand.append(f"{section}.network={_quoted(model)}")
    if options.get("resize_rig"):
        shorthand.append("rectify.resize_rig=true")
    return dataclasses.replace(talk, overrides=(*talk.overrides, *shorthand)).settings()


def _quoted(text: str) -> str:
    """A YAML string, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"


def run_jobs(talk: Talk, output: Path, options: dict[str, Any], photograph: bool) -> int:
    """Every job, one by one; a folder of pairs goes on after a bad pair and ends with exit code 2 and a summary.

    Raises:
        StereoPortraitError: bad input of a single job.
    """
    settings = settings_of(talk, options)
    names = {f.name for f in dataclasses.fields(Given)}
    given = Given(**{k: v for k, v in options.items() if k in names})
    many = len(given.inputs) == 1 and given.inputs[0].is_dir()
    reports: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    for job in _tolerant(given, settings, failures) if many else jobs_of(given, settings):
        folder = output / job.name if many else output
        try:
            reports.append(run_job(talk, job, folder, settings, options, photograph))
        except StereoPortraitError as error:
            if not many:
                raise
            failures.append({"name": job.name, "why": str(error)})
            talk.warn(str(error))
    if not many:
        talk.result(reports[0], sentence(reports[0], output))
        return 0
    summary = {"results": reports, "failures": failures}
    talk.result(summary, f"{len(reports)} of {len(reports) + len(failures)} pairs done, in {output}")
    return 2 if failures else 0


def _tolerant(given: Given, settings: "Settings", failures: list[dict[str, str]]) -> Any:
    """Jobs of a folder; a pair that cannot be read is noted and passed over."""
    from stereo_portrait.sources.recorded import find_pairs

    for files in list(find_pairs(given.inputs[0])):
        single = dataclasses.replace(given, inputs=(files.left, files.right), rig=given.rig or _text(files.rig))
        try:
            yield dataclasses.replace(next(jobs_of(single, settings)), name=files.name)
        except StereoPortraitError as error:
            failures.append({"name": files.name, "why": str(error)})
            click.echo(f"warning: {files.name}: {error}", err=True)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def run_job(
    talk: Talk, job: Job, folder: Path, settings: "Settings", options: dict[str, Any], photograph: bool
) -> dict[str, Any]:
    """One job from captures to files; returns its report.

    Raises:
        StereoPortraitError: bad input or an output folder that cannot be written.
    """
    from stereo_portrait.export.result import describe, write_estimate
    from stereo_portrait.pipeline import DEFAULT_RENDERER, Watch, render_portrait, stages_of, warm_up

    method = options.get("method", "auto")
    with talk.progress(job.name, 9 if photograph else 5) as advance:
        watch = Watch(lambda name, value: advance(name))
        renderer = "gaussian" if method == "segment" else DEFAULT_RENDERER
        stages = stages_of(settings, options["matcher"], options["refiner"], renderer)
        warm_up(stages)
        watch.restart()
        estimate = _estimate(job, stages, watch, method)
        result = render_portrait(estimate, stages, watch, settings, method) if photograph else None
        report = {
            "method": estimate.decision.use,
            **describe(estimate),
            "warnings": [*job.warnings, *estimate.warnings],
            "seconds": dict(watch.seconds),
            "settings": settings.as_dict(),
            "version": _version(),
            "stages": {"matcher": options["matcher"], "refiner": options["refiner"]},
        }
        if result is not None:
            report["focus"] = dataclasses.asdict(result.focus)
            report["lens"] = dataclasses.asdict(result.lens)
        report["files"] = write_estimate(folder, estimate, report, result, options.get("photo_format", "png"))
        advance("written")
    for warning in (*job.warnings, *estimate.warnings):
        talk.warn(f"{job.name}: {warning}")
    for reason in estimate.decision.reasons:
        talk.say(f"{job.name}: {reason}")
    if estimate.decision.measured:
        talk.say(f"{job.name}: {numbers(estimate.decision.measured)}")
    return {**report, "folder": str(folder)}


def _estimate(job: Job, stages: "Stages", watch: "Watch", method: str) -> "DepthEstimate":
    """The depth that the method asks for, from what the job holds.

    Raises:
        InputError: a method that this input cannot serve.
    """
    from stereo_portrait import pipeline
    from stereo_portrait.core.capture import Photo

    photo = job.photo
    if photo is None and job.pair is not None:
        photo = Photo(job.pair.left, job.pair.name, job.pair.metadata)
    if photo is None:
        raise InputError(f"'{job.name}' holds no picture")
    if method == "segment":
        return pipeline.estimate_by_segmentation(photo, stages, watch)
    if method == "neural":
        raise InputError("--method neural needs an end-to-end network, and none is installed; use auto")
    if method == "stereo" or (method == "auto" and job.pair is not None):
        if job.pair is None or job.rig is None:
            raise InputError(f"--method stereo needs two views and a rig; '{job.name}' is one photo")
        return pipeline.estimate_from_pair(job.pair, job.rig, stages, watch, fall_back=method == "auto")
    if method == "sensor" or (method == "auto" and job.depth is not None):
        if job.depth is None:
            raise InputError(f"--method sensor needs the photo's depth (--depth FILE); '{job.name}' has none")
        return pipeline.estimate_from_sensor(photo, job.depth, watch, job.focus_px, stages)
    return dataclasses.replace(pipeline.estimate_from_photo(photo, stages, watch), focus_hint_px=job.focus_px)


def _version() -> str:
    from stereo_portrait import __version__

    return __version__


def numbers(measured: Mapping[str, float]) -> str:
    """The numbers behind a decision in one line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in measured.items())


def sentence(report: dict[str, Any], output: Path) -> str:
    """A report in one line."""
    took_s = sum(report["seconds"].values())
    share = report["coverage"]["measured"]
    words = [f"{output}: {report['method']}, {share:.0%} of the picture has depth of its own, {took_s:.1f} s"]
    focus = report.get("focus")
    if focus and report["depth"]["metric"]:
        words.append(f"focus at {focus['distance_m']:.2f} m ({focus['how']})")
    elif focus:
        words.append(f"relative depth, focus by {focus['how']}")
    return "; ".join(words)
