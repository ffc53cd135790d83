"""Pictures for people: coloured depth, and one contact sheet per result."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image
from stereo_portrait.core.depth import DepthMap
from stereo_portrait.export.depth_file import flaw_colour

TILE_WIDTH_PX = 560
CAPTION_HEIGHT_PX = 30
GAP_PX = 8


def depth_picture(depth: DepthMap) -> Image:
    """(H, W, 3): near is warm, far is cold (turbo over inverse depth, 1st to 99th percentile), unknown is black."""
    return coloured(depth.inverse_depth_per_m)


def coloured(values: NDArray[np.float32], limits: tuple[float, float] | None = None) -> Image:
    """(H, W) -> (H, W, 3) turbo colours between `limits` (the 1st and 99th percentile unless given); NaN is black."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros((*values.shape, 3), np.uint8)
    low, high = limits or np.percentile(values[known], (1, 99))
    scaled = np.clip((np.nan_to_num(values) - low) / max(high - low, 1e-9), 0, 1)
    colours = cv2.applyColorMap(np.rint(scaled * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    colours[~known] = 0
    return cv2.cvtColor(colours, cv2.COLOR_BGR2RGB)


def flaw_picture(flaws: NDArray[np.uint8]) -> Image:
    """(H, W) of Flaw bits -> (H, W, 3) in the colours of flaws.png."""
    table = np.array([flaw_colour(bits) for bits in range(256)], np.uint8)
    return table[flaws]


def contact_sheet(tiles: list[tuple[str, Image]], columns: int = 2) -> Image:
    """Captioned pictures of one size each, side by side; every tile is scaled to the same width."""
    drawn = [_tile(caption, picture) for caption, picture in tiles]
    height = max(t.shape[0] for t in drawn)
    rows = -(-len(drawn) // columns)
    width = columns * TILE_WIDTH_PX + (columns + 1) * GAP_PX
    sheet = np.full((rows * (height + GAP_PX) + GAP_PX, width, 3), 32, np.uint8)
    for i, tile in enumerate(drawn):
        y = GAP_PX + (i // columns) * (height + GAP_PX)
        x = GAP_PX + (i % columns) * (TILE_WIDTH_PX + GAP_PX)
        sheet[y : y + tile.shape[0], x : x + TILE_WIDTH_PX] = tile
    return sheet


def with_focus_mark(picture: Image, at_px: tuple[int, int] | None) -> Image:
    """The picture with a ring where the lens is focused."""
    if at_px is None:
        return picture
    marked = picture.copy()
    radius_px = max(6, picture.shape[1] // 60)
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.circle(marked, at_px, radius_px, colour, thickness, cv2.LINE_AA)
    return marked


def _tile(caption: str, picture: Image) -> Image:
    height = max(1, round(picture.shape[0] * TILE_WIDTH_PX / picture.shape[1]))
    smaller = height < picture.shape[0]
    scaled = cv2.resize(
        picture, (TILE_WIDTH_PX, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
    )
    tile = np.full((height + CAPTION_HEIGHT_PX, TILE_WIDTH_PX, 3), 32, np.uint8)
    tile[CAPTION_HEIGHT_PX:] = scaled
    cv2.putText(tile, caption, (4, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (235, 235, 235), 1, cv2.LINE_AA)
    return tile
