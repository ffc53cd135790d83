"""What a second look says about every pixel: left against right, overlap, texture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Image, Mask

Disparity = NDArray[np.float32]


def left_right_difference(left_px: Disparity, right_px: Disparity) -> Disparity:
    """(H, W) |d_left(x) - d_right(x - d_left)|; +inf where either is unknown or x - d leaves the picture."""
    width = left_px.shape[1]
    columns = np.arange(width, dtype=np.float32)
    at = np.rint(columns[None, :] - np.nan_to_num(left_px)).astype(np.int32)
    inside = (at >= 0) & (at < width)
    there = np.take_along_axis(right_px, np.clip(at, 0, width - 1), axis=1)
    difference = np.abs(left_px - there)
    return np.where(inside & ~np.isnan(difference), difference, np.inf).astype(np.float32)


def outside_overlap(disparity_px: Disparity, right_valid: Mask) -> Mask:
    """(H, W) True where x - d leaves the right picture, or lands where rectification found no pixel."""
    width = disparity_px.shape[1]
    at = np.arange(width, dtype=np.float32)[None, :] - np.nan_to_num(disparity_px)
    landed = np.clip(np.rint(at), 0, width - 1).astype(np.int32)
    return (at < -0.5) | (at > width - 0.5) | ~np.take_along_axis(right_valid, landed, axis=1)


def texture(left: Image, window_px: int = 7) -> Disparity:
    """(H, W) root mean square horizontal slope of the grey picture, in grey levels a pixel."""
    grey = cv2.cvtColor(left, cv2.COLOR_RGB2GRAY)
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    return np.sqrt(cv2.boxFilter(slope * slope, -1, (window_px, window_px)))
