"""Scores per method and scene: their mean, their JSON, their lines on a terminal."""

import math
from dataclasses import fields
from typing import Any

import numpy as np

from stereo_portrait.evaluation.metrics import SceneScore, Score

NAMES = {"bad05": "bad0.5"}  # a dot cannot stand in a field's name
SINGLE = ("edge_bad2", "edge_f1", "coverage", "ms")
COLUMNS: tuple[tuple[str, str], ...] = (
    ("nonocc", "bad1"),
    ("nonocc", "bad2"),
    ("nonocc", "totbad2"),
    ("nonocc", "avgerr"),
    ("all", "bad2"),
    ("all", "totbad2"),
    ("all", "avgerr"),
    ("", "edge_bad2"),
    ("", "edge_f1"),
    ("", "coverage"),
    ("", "ms"),
)
Numbers = dict[str, Any]


def numbers_of(score: SceneScore) -> Numbers:
    """{"nonocc": {"bad0.5", ...}, "all": {...}, "edge_bad2", "edge_f1", "coverage", "ms"}; None = not defined."""
    found: Numbers = {"nonocc": _masked(score.nonocc), "all": _masked(score.all)}
    found.update({name: _finite(getattr(score, name)) for name in SINGLE})
    return found


def mean_of(scenes: list[tuple[Numbers, float]]) -> Numbers:
    """Mean of (numbers, weight) over the scenes; a number that a scene does not define leaves that scene out."""
    mean: Numbers = {part: {} for part in ("nonocc", "all")}
    for part in ("nonocc", "all"):
        for name in scenes[0][0][part]:
            mean[part][name] = _weighted([(numbers[part][name], weight) for numbers, weight in scenes])
    mean.update({name: _weighted([(numbers[name], weight) for numbers, weight in scenes]) for name in SINGLE})
    return mean


def results_of(scores: dict[str, dict[str, tuple[SceneScore, float]]]) -> Numbers:
    """{method: {scene: (score, weight)}} -> {"methods": {method: {"mean": ..., "scenes": {scene: ...}}}}."""
    methods: Numbers = {}
    for method, by_scene in scores.items():
        scenes = {name: numbers_of(score) for name, (score, _) in by_scene.items()}
        weights = [weight for _, weight in by_scene.values()]
        methods[method] = {"mean": mean_of(list(zip(scenes.values(), weights, strict=True))), "scenes": scenes}
    return {"methods": methods}


def rows_of(results: Numbers) -> tuple[list[str], list[list[str]]]:
    """(headings, rows) of text: every scene under its method, then the method's mean."""
    headings = ["method", "scene", *(f"{part} {name}".strip() for part, name in COLUMNS)]
    rows = []
    for method, body in results["methods"].items():
        for scene, numbers in {**body["scenes"], "mean": body["mean"]}.items():
            rows.append([method, scene, *(_text(numbers, part, name) for part, name in COLUMNS)])
    return headings, rows


def text_of(results: Numbers) -> str:
    """The table in fixed columns."""
    headings, rows = rows_of(results)
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    lines = []
    for row in [headings, *rows]:
        cells = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _masked(score: Score) -> Numbers:
    return {NAMES.get(f.name, f.name): _finite(getattr(score, f.name)) for f in fields(score)}


def _weighted(values: list[tuple[float | None, float]]) -> float | None:
    defined = [(value, weight) for value, weight in values if value is not None]
    total = sum(weight for _, weight in defined)
    return float(np.sum([v * w for v, w in defined]) / total) if total > 0 else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(numbers: Numbers, part: str, name: str) -> str:
    value = numbers[part][name] if part else numbers[name]
    if value is None:
        return "-"
    return f"{value:.0f}" if name == "ms" else f"{value:.2f}"
