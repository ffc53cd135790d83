"""One HTML page: the table, and for every scene and method a strip of pictures."""

import base64
import html
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, Scene
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.evaluation.table import Numbers, rows_of
from stereo_portrait.export.files import staged_folder, write_bytes
from stereo_portrait.export.pictures import coloured, flaw_picture
from stereo_portrait.export.result import json_bytes

WIDEST_PX = 760
ERROR_STEPS_PX = (0.5, 1.0, 2.0, 4.0)
ERROR_COLOURS = ((20, 60, 120), (70, 150, 210), (250, 220, 130), (240, 130, 50), (180, 20, 30))
HOLE_COLOUR = (230, 0, 230)
SCENE_TITLES = ("photo", "truth")
METHOD_TITLES = ("disparity", "error", "confidence", "flaws")
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem;background:#16181c;color:#e6e6e6}
table{border-collapse:collapse}td,th{padding:.15rem .7rem;text-align:right;font-variant-numeric:tabular-nums}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}tr.mean td{font-weight:600;border-bottom:1px solid #555}
.strip{display:flex;flex-wrap:wrap;gap:.5rem;margin:0 0 1.5rem}figure{margin:0}figcaption{color:#aaa}
img{max-width:min(46vw,760px);image-rendering:pixelated}.key span{padding:.1rem .6rem;margin-right:.3rem;color:#000}"""


class Report:
    """Gathers strips while the evaluation runs, then writes report.html."""

    def __init__(self) -> None:
        self._strips: list[str] = []
        self._scene: Scene | None = None

    def add(self, scene: Scene, method: str, found: DisparityMap) -> None:
        """Keep the pictures of one scene under one method."""
        *of_scene, disparity, error, confidence, flaws = strip(scene, found)
        if scene is not self._scene:
            self._scene = scene
            self._strips.append(f"<h2>{html.escape(scene.name)}</h2>{_figures(SCENE_TITLES, of_scene)}")
        pictures = [disparity, error, confidence, flaws]
        self._strips.append(f"<h3>{html.escape(method)}</h3>{_figures(METHOD_TITLES, pictures)}")

    def write(self, folder: Path, results: Numbers) -> Path:
        """report.html and scores.json in `folder`, whole or not at all; returns the page's path.

        Raises:
            OutputError: the folder cannot be written.
        """
        headings, rows = rows_of(results)
        head = "".join(f"<th>{html.escape(h)}</th>" for h in headings)
        body = "".join(
            f'<tr class="{"mean" if row[1] == "mean" else ""}">'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            + "</tr>"
            for row in rows
        )
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Disparity against truth</title>'
            f"<style>{STYLE}</style><h1>Disparity against truth</h1>"
            f"<p>Shares in per cent of masked pixels, errors in px, times in ms.</p>"
            f"<table><tr>{head}</tr>{body}</table><p class='key'>Error: {_key()}</p>{''.join(self._strips)}</html>"
        )
        with staged_folder(folder) as staging:
            write_bytes(staging / "report.html", page.encode())
            write_bytes(staging / "scores.json", json_bytes(results))
        return folder / "report.html"


def strip(scene: Scene, found: DisparityMap) -> list[Image]:
    """Photo, truth, disparity, error, confidence, flaws: (H, W, 3) each; both disparities in one colour scale."""
    truth = scene.truth_disparity_px
    known = truth[np.isfinite(truth)]
    limits = (float(known.min()), float(known.max())) if known.size else None
    grey = np.rint(255 * found.confidence).astype(np.uint8)
    return [
        scene.pair.left,
        coloured(truth, limits),
        coloured(found.disparity_px, limits),
        error_picture(found.disparity_px, truth),
        np.repeat(grey[..., None], 3, axis=2),
        flaw_picture(found.flaws),
    ]


def error_picture(disparity_px: NDArray[np.float32], truth: NDArray[np.float32]) -> Image:
    """(H, W, 3): |error| in the steps of ERROR_STEPS_PX, holes magenta, unknown truth black."""
    error = np.abs(disparity_px - truth)
    table = np.array([*ERROR_COLOURS, HOLE_COLOUR, (0, 0, 0)], np.uint8)
    index = np.searchsorted(ERROR_STEPS_PX, np.nan_to_num(error), side="left")
    index[np.isnan(disparity_px)] = len(ERROR_COLOURS)
    index[~np.isfinite(truth)] = len(ERROR_COLOURS) + 1
    return table[index]


def _figures(titles: tuple[str, ...], pictures: list[Image]) -> str:
    figures = "".join(
        f'<figure><img alt="{title}" src="data:image/png;base64,{_png(picture)}">'
        f"<figcaption>{title}</figcaption></figure>"
        for title, picture in zip(titles, pictures, strict=True)
    )
    return f'<div class="strip">{figures}</div>'


def _key() -> str:
    limits = [f"up to {step:g} px" for step in ERROR_STEPS_PX] + [f"over {ERROR_STEPS_PX[-1]:g} px", "no answer"]
    colours = [*ERROR_COLOURS, HOLE_COLOUR]
    return "".join(
        f'<span style="background:rgb{colour};{"color:#fff" if sum(colour) < 300 else ""}">{text}</span>'
        for text, colour in zip(limits, colours, strict=True)
    )


def _png(picture: Image) -> str:
    height, width = picture.shape[:2]
    if width > WIDEST_PX:
        size = (WIDEST_PX, max(1, round(height * WIDEST_PX / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST_EXACT)
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done
    return base64.b64encode(data.tobytes()).decode()
