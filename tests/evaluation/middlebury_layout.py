"""Writes the real samples as scene folders in Middlebury 2014 layout."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import Scene
from stereo_portrait.core.pfm import pfm_bytes, read_pfm
from stereo_portrait.sources.dataset_scenes import consistent, visible

# name: (left, right, left truth, right truth or None, divisor, number of disparities)
SAMPLES: dict[str, tuple[str, str, str, str | None, float, int]] = {
    "cones": (*(f"middlebury2003/cones/{n}.png" for n in ("im2", "im6", "disp2", "disp6")), 4.0, 64),  # type: ignore[dict-item]
    "Wood2": (*(f"middlebury2006/Wood2/{n}.png" for n in ("view1", "view5", "disp1", "disp5")), 2.0, 128),  # type: ignore[dict-item]
    "aloe": (
        "middlebury2006/aloe_full_opencv/aloeL.jpg",
        "middlebury2006/aloe_full_opencv/aloeR.jpg",
        "middlebury2006/aloe_full_opencv/aloeGT.png",
        None,
        1.0,
        224,
    ),
    "tsukuba": (*(f"middlebury2001/tsukuba/{n}.png" for n in ("im_left", "im_right", "disp_left")), None, 16.0, 16),  # type: ignore[dict-item]
    "kitti_000046": (*(f"kitti2015/000046/{n}.png" for n in ("left", "right", "disp_occ_left")), None, 256.0, 192),  # type: ignore[dict-item]
    "FlyingThings": (
        *(f"sceneflow/FlyingThings_A_0032_0006/{n}" for n in ("left.png", "right.png", "disp_left.pfm")),
        None,
        1.0,
        192,
    ),  # type: ignore[dict-item]
}
NAMES = ("Motorcycle_Q", *SAMPLES)


def write_sample(data: Path, name: str, folder: Path) -> Path:
    """Copy one real sample into `folder`/`name` and return that folder."""
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    if name == "Motorcycle_Q":
        for file in ("im0.png", "im1.png", "disp0GT.pfm", "mask0nocc.png", "calib.txt"):
            (target / file).write_bytes((data / "middlebury2014/Motorcycle_Q" / file).read_bytes())
        return target
    left, right, truth, truth_right, divisor, top = SAMPLES[name]
    views = [cv2.imread(str(data / v))[..., :3] for v in (left, right)]
    true_px = _truth(data / truth, divisor)
    seen = visible(true_px) if truth_right is None else consistent(true_px, _truth(data / truth_right, divisor))
    write_layout(target, views[0], views[1], true_px, seen, top)
    return target


def write_scene(scene: Scene, folder: Path) -> Path:
    """Write a scene into `folder`/its name and return that folder."""
    target = folder / scene.name.replace(" ", "_")
    target.mkdir(parents=True, exist_ok=True)
    seen = np.isfinite(scene.truth_disparity_px) if scene.non_occluded is None else scene.non_occluded
    views = [np.ascontiguousarray(v[..., ::-1]) for v in (scene.pair.left, scene.pair.right)]
    write_layout(target, views[0], views[1], scene.truth_disparity_px, seen, scene.max_disparity_px)
    return target


def write_layout(
    target: Path,
    left_bgr: NDArray[np.uint8],
    right_bgr: NDArray[np.uint8],
    true_px: NDArray[np.float32],
    seen: NDArray[np.bool_],
    top: int,
) -> None:
    """im0.png im1.png disp0GT.pfm mask0nocc.png calib.txt."""
    height, width = true_px.shape
    cv2.imwrite(str(target / "im0.png"), left_bgr)
    cv2.imwrite(str(target / "im1.png"), right_bgr)
    known = np.isfinite(true_px)
    (target / "disp0GT.pfm").write_bytes(pfm_bytes(np.where(known, true_px, np.float32(np.inf))))
    mask = np.where(seen & known, 255, np.where(known, 128, 0)).astype(np.uint8)
    cv2.imwrite(str(target / "mask0nocc.png"), mask)
    matrix = f"[{width} 0 {(width - 1) / 2}; 0 {width} {(height - 1) / 2}; 0 0 1]"
    lines = (f"cam0={matrix}", f"cam1={matrix}", "doffs=0", "baseline=100", f"width={width}", f"height={height}")
    (target / "calib.txt").write_text("\n".join((*lines, f"ndisp={top}", "isint=0")) + "\n")


def _truth(path: Path, divisor: float) -> NDArray[np.float32]:
    if path.suffix == ".pfm":
        return np.abs(read_pfm(path))
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    raw = raw[..., 0] if raw.ndim == 3 else raw
    return np.where(raw > 0, raw.astype(np.float32) / np.float32(divisor), np.float32(np.nan)).astype(np.float32)
