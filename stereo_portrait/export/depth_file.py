"""Disparity, depth, confidence and flaws as files that other tools read."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap, DisparityMap, Flaw
from stereo_portrait.core.pfm import pfm_bytes
from stereo_portrait.export.files import write_bytes

FARTHEST_MM = 65535

FLAW_COLOURS: dict[Flaw, tuple[int, int, int]] = {
    Flaw.NO_MATCH: (200, 40, 40),
    Flaw.INCONSISTENT: (230, 140, 30),
    Flaw.OUTSIDE_OVERLAP: (120, 60, 170),
    Flaw.FLAT: (60, 110, 200),
    Flaw.FILLED: (120, 120, 120),
}


def write_disparity(path: Path, disparity: DisparityMap) -> None:
    """PFM in pixels, +inf where unknown (Middlebury's convention)."""
    values = disparity.disparity_px
    write_bytes(path, pfm_bytes(np.where(np.isnan(values), np.float32(np.inf), values)))


def write_depth(path: Path, depth: DepthMap) -> None:
    """16-bit PNG: millimetres for a metric map, 0 unknown, 65535 for 65.5 m and beyond.

    A relative map has no millimetres: its inverse depth is stretched over 1..65535 (near is large), 0 unknown, which
    its PNG text chunk says.
    """
    if depth.metric:
        millimetres = np.nan_to_num(depth.depth_m * 1000, nan=0, posinf=FARTHEST_MM)
        values = np.clip(np.rint(millimetres), 0, FARTHEST_MM).astype(np.uint16)
        values[depth.known & (values == 0)] = 1
    else:
        inverse = depth.inverse_depth_per_m
        known = depth.known
        low, high = (float(inverse[known].min()), float(inverse[known].max())) if known.any() else (0.0, 1.0)
        scaled = 1 + (inverse - low) / max(high - low, 1e-12) * (FARTHEST_MM - 1)
        values = np.where(known, np.rint(np.nan_to_num(scaled)), 0).astype(np.uint16)
    write_bytes(path, _png(values, depth_meaning(depth.metric)))


def depth_meaning(metric: bool) -> str:
    """What the numbers in depth.png are, for its text chunk and for report.json."""
    if metric:
        return "depth along the optical axis in millimetres, 0 unknown"
    return "relative inverse depth, 65535 nearest, 1 farthest, not metric, 0 unknown"


def write_confidence(path: Path, confidence: NDArray[np.float32]) -> None:
    """8-bit PNG: 0 unknown or no trust, 255 full trust."""
    write_bytes(path, _png(np.rint(confidence * 255).astype(np.uint8), "confidence, 255 = 1"))


def write_flaws(path: Path, flaws: NDArray[np.uint8]) -> None:
    """Palette PNG: the index is the Flaw bits, the colour is for people (black: no flaw)."""
    from PIL import Image

    picture = Image.fromarray(flaws, "L")
    picture.putpalette([channel for bits in range(256) for channel in flaw_colour(bits)])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def flaw_colour(bits: int) -> tuple[int, int, int]:
    """The mean colour of the flaws in `bits`; FILLED only tints what has another reason too."""
    reasons = [FLAW_COLOURS[flaw] for flaw in FLAW_COLOURS if bits & flaw and flaw is not Flaw.FILLED]
    if not reasons:
        return FLAW_COLOURS[Flaw.FILLED] if bits & Flaw.FILLED else (0, 0, 0)
    red, green, blue = (sum(c[i] for c in reasons) // len(reasons) for i in range(3))
    return red, green, blue


def _png(values: NDArray[np.uint8] | NDArray[np.uint16], meaning: str) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Description", meaning)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", pnginfo=note, compress_level=3)
    return buffer.getvalue()
