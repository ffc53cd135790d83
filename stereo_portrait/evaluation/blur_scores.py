"""How far a blurred picture is from the truth: PSNR and SSIM in sRGB, overall, along depth edges, on highlights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.rendering.light import encoded

EDGE_JUMP_PX = 2.0  # of the blur radius between neighbours
EDGE_BAND_PX = 12
LAMP_SHARE = 0.05  # linear light from lamps above which a pixel belongs to a highlight
NO_ERROR_DB = 99.0


@dataclass(frozen=True, slots=True)
class BlurScore:
    """One picture against its truth; NaN where the picture has no such pixels."""

    psnr: float  # dB
    ssim: float
    edge_psnr: float
    edge_ssim: float
    highlight_psnr: float
    ms: float = float("nan")


def score(
    picture: NDArray[np.floating],
    truth: NDArray[np.floating],
    radius_px: NDArray[np.floating],
    lamps: NDArray[np.floating],
    ms: float = float("nan"),
) -> BlurScore:
    """Scores of (H, W, 3) linear light against linear truth; `radius_px` is the true (H, W) blur radius."""
    from skimage.metrics import structural_similarity

    mine, true = encoded(picture).astype(np.float64), encoded(truth).astype(np.float64)
    squared = ((mine - true) ** 2).mean(axis=2)
    overall, similar = structural_similarity(
        true, mine, channel_axis=2, data_range=1.0, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    band, bright = edge_band(radius_px), lamps > LAMP_SHARE
    return BlurScore(
        _decibel(squared),
        float(overall),
        _decibel(squared[band]),
        float(similar.mean(axis=2)[band].mean()) if band.any() else float("nan"),
        _decibel(squared[bright]),
        ms,
    )


def psnr(picture: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """dB between two linear pictures, compared in sRGB, clipped to [0, 1]."""
    return _decibel((encoded(picture) - encoded(truth)) ** 2)


def edge_band(radius_px: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(H, W) True within EDGE_BAND_PX of a jump of the blur radius above EDGE_JUMP_PX."""
    import cv2

    jump = np.zeros(radius_px.shape, np.uint8)
    across = np.abs(np.diff(radius_px, axis=1)) > EDGE_JUMP_PX
    down = np.abs(np.diff(radius_px, axis=0)) > EDGE_JUMP_PX
    jump[:, 1:] |= across
    jump[:, :-1] |= across
    jump[1:] |= down
    jump[:-1] |= down
    side = 2 * EDGE_BAND_PX + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(jump, disc).astype(bool)


def _decibel(squared: NDArray[np.floating]) -> float:
    if squared.size == 0:
        return float("nan")
    mean = float(squared.mean())
    return NO_ERROR_DB if mean < 1e-10 else float(-10 * np.log10(mean))
