"""A result folder: portrait, depth, confidence, flaws, overview and report.json."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from stereo_portrait.core.depth import DepthMap, Flaw
from stereo_portrait.core.pfm import pfm_bytes
from stereo_portrait.core.portrait import DepthEstimate, PortraitResult
from stereo_portrait.export.depth_file import depth_meaning, write_confidence, write_depth, write_disparity, write_flaws
from stereo_portrait.export.files import staged_folder, write_bytes
from stereo_portrait.export.photo import write_photo
from stereo_portrait.export.pictures import coloured, contact_sheet, depth_picture, flaw_picture, with_focus_mark


def write_estimate(
    folder: Path,
    estimate: DepthEstimate,
    report: dict[str, Any],
    result: PortraitResult | None = None,
    photo_format: str = "png",
) -> list[str]:
    """Write every file of a result into `folder`, all or none; returns their names.

    Raises:
        OutputError: the folder cannot be written.
    """
    depth = estimate.depth
    writers: dict[str, Callable[[Path], None]] = {
        "disparity.pfm": lambda path: _write_disparity(path, estimate),
        "depth.png": lambda path: write_depth(path, depth),
        "confidence.png": lambda path: write_confidence(path, depth.confidence),
        "flaws.png": lambda path: write_flaws(path, depth.flaws),
        "overview.png": lambda path: write_photo(path, overview(estimate, result)),
        "report.json": lambda path: write_bytes(path, json_bytes(report)),
    }
    if result is not None:
        finished = result.image
        writers = {f"portrait.{photo_format}": lambda path: write_photo(path, finished, estimate.metadata), **writers}
    with staged_folder(folder) as staging:
        for name, write in writers.items():
            write(staging / name)
    return list(writers)


def describe(estimate: DepthEstimate) -> dict[str, Any]:
    """The part of report.json that every result has."""
    disparity = estimate.disparity
    return {
        "name": estimate.name,
        "decision": asdict(estimate.decision),
        "coverage": coverage(estimate.depth),
        "depth": {
            "origin": estimate.depth.origin,
            "metric": estimate.depth.metric,
            "disparity_unit": "px" if disparity is not None else "1/m" if estimate.depth.metric else "relative",
            "depth_png": depth_meaning(estimate.depth.metric),
        },
        "warnings": list(estimate.warnings),
    }


def coverage(depth: DepthMap) -> dict[str, float]:
    """Shares of the picture: measured, filled, unknown; and the mean confidence."""
    filled = (depth.flaws & Flaw.FILLED) != 0
    return {
        "measured": float((depth.known & ~filled).mean()),
        "filled": float((depth.known & filled).mean()),
        "unknown": float((~depth.known).mean()),
        "mean_confidence": float(depth.confidence.mean()),
    }


def overview(estimate: DepthEstimate, result: PortraitResult | None) -> np.ndarray:
    """The contact sheet: photo, portrait, depth, confidence, flaws."""
    depth = estimate.depth
    photo = with_focus_mark(estimate.photo, result.focus.chosen_at_px if result else None)
    tiles = [("photo", photo)]
    if result is not None:
        tiles.append((f"portrait: {result.lens.focal_length_mm:g} mm f/{result.lens.f_number:g}", result.image))
    kind = "depth, near is warm" if depth.metric else "relative depth, near is warm"
    tiles += [(kind, depth_picture(depth)), ("confidence, warm is sure", coloured(depth.confidence, (0.0, 1.0)))]
    if depth.flaws.any():
        legend = "grey filled, orange inconsistent, red no match, violet unseen, blue flat"
        tiles.append((legend, flaw_picture(depth.flaws)))
    return contact_sheet(tiles)


def json_bytes(report: dict[str, Any]) -> bytes:
    """Indented JSON; NaN and infinity, which JSON lacks, become null."""
    return (json.dumps(_plain(report), indent=2, allow_nan=False) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _write_disparity(path: Path, estimate: DepthEstimate) -> None:
    if estimate.disparity is not None:
        write_disparity(path, estimate.disparity)
        return
    inverse = estimate.depth.inverse_depth_per_m
    write_bytes(path, pfm_bytes(np.where(np.isnan(inverse), np.float32(np.inf), inverse)))
