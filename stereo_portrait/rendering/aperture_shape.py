"""An aperture as what the kernels need: how far it reaches left and right at every height, and its concentric parts."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.portrait import Aperture

STEPS = 512
BINS_PER_PX = 32  # radii in the table of spans: their step,
TABLE_TO_PX = 6.5  # and the largest
PHASES = 8  # of a disc's centre between two rows
SMALLEST_RING = 0.02  # smaller central obstructions are none
TURNS = 720
SOAP_INNER = 0.8  # radius where the bright rim of a soap bubble begins


@dataclass(frozen=True, slots=True, eq=False)
class ApertureShape:
    """A convex outline of area pi (for blur radius 1), drawn as a weighted sum of concentric copies."""

    outline: NDArray[np.float32]  # (TURNS,) distance of the outline from the centre, by direction
    reach: NDArray[np.float32]  # (STEPS + 1, 2): integrals over height, from the top, of the reach left and right
    high: float  # the outline lies within +-high above and below the centre
    wide: float  # and within +-wide left and right
    scales: NDArray[np.float32]  # (N,) sizes of the copies
    weights: NDArray[np.float32]  # (N,) their densities, which add up; negative ones take light away
    cats_eye: float  # how far the second pupil is displaced at the picture's corner, in radii
    starts: NDArray[np.int32]  # (BINS, PHASES) first row of a disc, from the row that its centre lies in
    counts: NDArray[np.int32]  # (BINS, PHASES) number of its rows
    spans: NDArray[np.float32]  # (BINS, PHASES, ROWS, 3) of each row: reach left and right, share of the row's height


@cache
def shape_of(aperture: Aperture) -> ApertureShape:
    """The outline of `aperture`: regular polygon to circle by roundness, turned, squeezed to ovals of equal area."""
    angle = np.linspace(0, 2 * np.pi, 1440, endpoint=False)
    distance = np.ones_like(angle)
    if aperture.blades:
        sector = 2 * np.pi / aperture.blades
        turned = np.mod(angle - np.deg2rad(aperture.rotation_deg) + sector / 2, sector) - sector / 2
        flat = np.cos(sector / 2) / np.cos(turned)
        distance = flat + aperture.roundness * (1 - flat)
    squeeze = np.sqrt(aperture.anamorphic)
    x, y = distance * np.cos(angle) / squeeze, distance * np.sin(angle) * squeeze
    area = 0.5 * np.abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    x, y = x * np.sqrt(np.pi / area), y * np.sqrt(np.pi / area)
    high, wide = float(np.abs(y).max()), float(np.abs(x).max())
    left, right = _reaches(x, y, np.linspace(-high, high, STEPS + 1))
    step = 2 * high / STEPS
    sums = [np.concatenate(([0.0], np.cumsum((r[1:] + r[:-1]) / 2 * step))) for r in (left, right)]
    scales, weights = _copies(aperture)
    directions = np.arctan2(y, x) % (2 * np.pi)
    order = np.argsort(directions)
    outline = np.interp(
        (np.arange(TURNS) + 0.5) * 2 * np.pi / TURNS, directions[order], np.hypot(x, y)[order], period=2 * np.pi
    ).astype(np.float32)
    reach = np.stack(sums, axis=1).astype(np.float32)
    return ApertureShape(outline, reach, high, wide, scales, weights, aperture.cats_eye, *_table(reach, high))


def _table(reach: NDArray[np.float32], high: float) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """The rows of discs of every radius from 0 to TABLE_TO_PX in steps of 1 / BINS_PER_PX, for PHASES of the centre."""
    size = (np.arange(int(TABLE_TO_PX * BINS_PER_PX) + 2) / BINS_PER_PX)[:, None, None]
    phase = (np.arange(PHASES) / PHASES)[None, :, None]
    tall = size * high
    starts, ends = np.floor(phase - tall), np.ceil(phase + tall)
    row = starts + np.arange(int((ends - starts).max()))
    top, bottom = np.maximum(row, phase - tall), np.minimum(row + 1, phase + tall)
    height = np.maximum(bottom - top, 0.0)
    there = height > 1e-6
    spans = np.zeros((*row.shape, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        for side in (0, 1):
            above, below = (
                np.interp((at - phase + tall) / (2 * tall), np.linspace(0, 1, STEPS + 1), reach[:, side])
                for at in (top, bottom)
            )
            spans[..., side] = np.where(there, (below - above) * size**2 / height, 0)
    spans[..., 2] = np.where(there, height, 0)
    return (
        starts[..., 0].astype(np.int32),
        (ends - starts)[..., 0].astype(np.int32),
        np.ascontiguousarray(spans, np.float32),
    )


def _reaches(
    x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far the closed outline reaches left and right of x = 0 at the heights `at` (signed)."""
    x1, y1 = np.roll(x, -1), np.roll(y, -1)
    left, right = np.full(len(at), np.inf), np.full(len(at), -np.inf)
    for i, height in enumerate(np.clip(at, y.min() + 1e-9, y.max() - 1e-9)):
        crossing = ((y <= height) & (y1 > height)) | ((y1 <= height) & (y > height))
        share = (height - y[crossing]) / (y1[crossing] - y[crossing])
        where = x[crossing] + share * (x1[crossing] - x[crossing])
        if where.size:
            left[i], right[i] = where.min(), where.max()
    return np.where(np.isfinite(left), -left, 0.0), np.where(np.isfinite(right), right, 0.0)


def _copies(aperture: Aperture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Concentric copies (size, density): one for an even disc; less inside for a bubble, several for a soft rim."""
    parts = [(1.0, 1.0)]
    if aperture.edge > 0:
        parts.append((SOAP_INNER, -0.75 * aperture.edge))
    elif aperture.edge < 0:
        soft = -aperture.edge
        parts = [(1.0, 1 - 0.8 * soft)] + [(scale, 0.2 * soft) for scale in (0.9, 0.78, 0.64, 0.46)]
    if aperture.ring > SMALLEST_RING:
        inside = sum(weight for scale, weight in parts if scale > aperture.ring)
        parts = [part for part in parts if part[0] > aperture.ring] + [(aperture.ring, -inside)]
    return np.array([p[0] for p in parts], np.float32), np.array([p[1] for p in parts], np.float32)
