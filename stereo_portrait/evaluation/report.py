"""Scores as a table, as JSON, and as an HTML page with picture strips."""

import base64
import html
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image
from stereo_portrait.evaluation.methods import Outcome
from stereo_portrait.export.pictures import coloured, flaw_picture

Results = dict[str, list[Outcome]]
COLUMNS = ("bad0.5", "bad1", "bad2", "bad4", "totbad2", "avgerr", "rms")
FIELDS = ("bad05", "bad1", "bad2", "bad4", "totbad2", "avgerr", "rms")
WORST_ERROR_PX = 4.0
STRIP_WIDTH_PX = 360


def as_json(results: Results) -> dict[str, Any]:
    """{"methods": {NAME: {"mean": {...}, "scenes": {SCENE: {...}}}}}; NaN (nothing to measure) becomes null."""
    methods = {}
    for name, outcomes in results.items():
        scenes = {o.scene.name: _plain(o) for o in outcomes}
        methods[name] = {"mean": mean_of(outcomes), "scenes": scenes}
    return {"methods": methods}


def _plain(outcome: Outcome) -> dict[str, Any]:
    score = outcome.score
    numbers = {part: _named(asdict(getattr(score, part))) for part in ("nonocc", "all")}
    rest = {n: _finite(getattr(score, n)) for n in ("edge_bad2", "edge_f1", "coverage", "ms")}
    return {**numbers, **rest}


def _named(score: dict[str, float]) -> dict[str, float | None]:
    renamed = {name: _finite(score[field]) for name, field in zip(COLUMNS, FIELDS, strict=True)}
    return {**renamed, "invalid": _finite(score["invalid"])}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def mean_of(outcomes: list[Outcome]) -> dict[str, Any]:
    """The mean over scenes, by the scenes' weights; scenes where a number does not exist are left out of it."""
    rows = [_plain(o) for o in outcomes]
    weights = [o.scene.weight for o in outcomes]

    def mean(values: Iterable[float | None]) -> float | None:
        pairs = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None]
        return float(np.average([v for v, _ in pairs], weights=[w for _, w in pairs])) if pairs else None

    parts = {p: {c: mean(r[p][c] for r in rows) for c in (*COLUMNS, "invalid")} for p in ("nonocc", "all")}
    return {**parts, **{n: mean(r[n] for r in rows) for n in ("edge_bad2", "edge_f1", "coverage", "ms")}}


def table_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a line per method and scene, then the method's mean."""
    short = ("bad1", "bad2", "totbad2", "avgerr")
    header = ["method", "scene", *(f"noc {c}" for c in short), *(f"all {c}" for c in short)]
    header += ["edge bad2", "edge F1", "cover", "ms"]
    rows = []
    for name, outcomes in results.items():
        lines = [(o.scene.name, _plain(o)) for o in outcomes]
        for scene, numbers in [*lines, ("mean", mean_of(outcomes))]:
            cells = [numbers[part][c] for part in ("nonocc", "all") for c in short]
            cells += [numbers[n] for n in ("edge_bad2", "edge_f1", "coverage", "ms")]
            rows.append([name, scene, *("-" if c is None else f"{c:.2f}" for c in cells[:-1]), _whole(cells[-1])])
    return header, rows


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def page(results: Results) -> str:
    """One self-contained HTML page: the table, then photo | truth | disparity | error | flaws for each run."""
    header, rows = table_rows(results)
    head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
    body = ""
    for row in rows:
        kind = ' class="mean"' if row[1] == "mean" else ""
        body += f"<tr{kind}>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>\n"
    strips = ""
    for name, outcomes in results.items():
        for outcome in outcomes:
            title = html.escape(f"{name}: {outcome.scene.name}")
            strips += f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{_base64(strip(outcome))}">\n'
    return (
        "<!doctype html><meta charset=utf-8><title>Disparity against truth</title><style>"
        "body{font:14px system-ui;margin:2em;background:#fff;color:#222}table{border-collapse:collapse}"
        "td,th{padding:.2em .6em;text-align:right;border-bottom:1px solid #ddd}td:nth-child(-n+2){text-align:left}"
        ".mean{font-weight:bold;background:#f3f3f3}img{max-width:100%}</style>"
        "<h1>Disparity against truth</h1><p>bad-N in per cent of all masked pixels; totbad2 counts holes as bad; edge: "
        "within 5 px of a true jump. Strips: photo, truth, disparity, error (white: 4 px or more), flaws.</p>"
        f"<table><tr>{head}</tr>\n{body}</table>\n{strips}"
    )


def strip(outcome: Outcome) -> Image:
    """photo | truth | disparity | error | flaws, side by side."""
    scene, found = outcome.scene, outcome.found
    truth = scene.truth_disparity_px
    known = np.isfinite(truth)
    limits = (float(np.percentile(truth[known], 1)), float(np.percentile(truth[known], 99))) if known.any() else (0, 1)
    error = np.clip(np.abs(found.disparity_px - truth) / WORST_ERROR_PX, 0, 1)
    grey = np.rint(np.nan_to_num(error, nan=0) * 255).astype(np.uint8)
    tiles = [
        scene.pair.left,
        coloured(truth, limits),
        coloured(found.disparity_px, limits),
        np.repeat(grey[..., None], 3, axis=2),
        flaw_picture(found.flaws),
    ]
    return np.concatenate([_small(t) for t in tiles], axis=1)


def _small(picture: NDArray[np.uint8]) -> Image:
    height = max(1, round(picture.shape[0] * STRIP_WIDTH_PX / picture.shape[1]))
    small = cv2.resize(picture, (STRIP_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _base64(picture: Image) -> str:
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return base64.b64encode(data.tobytes()).decode()
