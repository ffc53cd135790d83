"""Draw scenes, let the real matcher make its real mistakes on them, and keep what the guided network will see.

python -m stereo_portrait.training.refiner_pool stereo|sensor --photos DIR --cutouts DIR --out DIR [--scenes N]

Writes folders OUT/KIND_NNNNN of plain .npy files, which training maps into memory: features (bytes, folded),
offsets of the candidates from the base map, truth minus base (float16 px), and whether the right view sees the point.
A shard that is there is not made again.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.refinement.guided_input import SENSOR_TOP, network_input, sensor_input
from stereo_portrait.sources.synthetic import rig_of
from stereo_portrait.training.camera_effects import photographed
from stereo_portrait.training.layered_scenes import ExactScene, LayeredScenes
from stereo_portrait.training.room_scenes import RoomScenes
from stereo_portrait.training.sensor_effects import sensed

SEED = 11
ROOMS = 0.25  # of the scenes
ENLARGED = 0.35
SHARD = 40
MOST_HOLES = 0.6
MOST_BAD = 0.35  # share of pixels off by more than 2 px: such scenes teach little
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg"}


def scene_of(number: int, layered: LayeredScenes, rooms: RoomScenes) -> tuple[ExactScene, np.random.Generator]:
    """Scene `number`, and the generator that goes on to its camera."""
    draw = np.random.default_rng((SEED, number))
    scene = (rooms if draw.random() < ROOMS else layered).draw(draw)
    return (enlarged(scene, draw) if draw.random() < ENLARGED else scene), draw


def enlarged(scene: ExactScene, draw: np.random.Generator) -> ExactScene:
    """A part of the scene seen closer: softer edges, wider shadows, larger disparities, as in larger photographs."""
    height, width = scene.disparity_px.shape
    scale = float(draw.uniform(1.3, 2.2))
    h, w = round(height / scale), round(width / scale)
    y, x = int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1))
    part, size = (slice(y, y + h), slice(x, x + w)), (width, height)
    stretch = np.float32(width / w)
    left, right = (
        np.clip(cv2.resize(v[part], size, interpolation=cv2.INTER_CUBIC), 0, 255) for v in (scene.left, scene.right)
    )
    disparity_px = cv2.resize(scene.disparity_px[part], size, interpolation=cv2.INTER_NEAREST) * stretch
    seen = cv2.resize(scene.seen[part].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    top = -(-int(scene.max_disparity_px * stretch) // 16) * 16
    at = np.arange(width, dtype=np.float32)[None, :] - disparity_px
    return ExactScene(left, right, disparity_px.astype(np.float32), seen & (at > -0.5), top)


def matched(scene: ExactScene, draw: np.random.Generator, name: str) -> dict[str, np.ndarray] | None:
    """One scene as training sees it; None if the matcher was lost on it."""
    left, right = photographed(scene.left, scene.right, draw)
    height, width = left.shape[:2]
    valid = np.ones((height, width), np.bool_)
    pair = RectifiedPair(left, right, valid, valid, rig_of(width, height), name)
    matcher = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=scene.max_disparity_px))
    found = matcher.match(pair)
    wrong = scene.disparity_px - found.disparity_px
    if (np.abs(wrong) > 2).mean() > MOST_BAD:
        return None
    assert found.evidence is not None
    seen = network_input(found.evidence)
    return {
        "features": seen.features,
        "offsets": (seen.candidates[1:] - seen.candidates[0]).astype(np.float16),
        "target": wrong.astype(np.float16),
        "seen": scene.seen,
    }


def sensed_frame(scene: ExactScene, draw: np.random.Generator) -> dict[str, np.ndarray] | None:
    """One frame of a made-up depth camera as training sees it; None where it saw next to nothing."""
    shown = sensed(scene, draw)
    if np.isnan(shown).mean() > MOST_HOLES:
        return None
    photo, _ = photographed(scene.left, scene.right, draw)
    scale = np.float32(SENSOR_TOP / max(float(np.nanpercentile(shown, 98)), 1e-3))
    seen = sensor_input(photo, shown * scale)
    return {
        "features": seen.features,
        "offsets": (seen.candidates[1:] - seen.candidates[0]).astype(np.float16),
        "target": (scene.disparity_px * scale - seen.candidates[0]).astype(np.float16),
        "seen": scene.seen,
    }


def pictures_below(folder: Path) -> list[Path]:
    """Every picture in a fixed order; masks that lie beside photographs are left out."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and "mask" not in p.stem)
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("stereo", "sensor"))
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--cutouts", type=Path, required=True, help="RGBA pictures; any folder of stamps or stickers")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=1200)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first scene, a multiple of the shard's size"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    photos, cutouts = pictures_below(options.photos), pictures_below(options.cutouts)
    layered, rooms = LayeredScenes(photos, cutouts), RoomScenes(photos)
    began = time.time()
    for first in range(options.first, options.first + options.scenes, SHARD):
        shard = options.out / f"{options.kind}_{first:05d}"
        if shard.is_dir():
            continue
        kept = []
        for number in range(first, first + SHARD):
            scene, draw = scene_of(number, layered, rooms)
            made = matched(scene, draw, f"scene {number}") if options.kind == "stereo" else sensed_frame(scene, draw)
            if made is not None:
                kept.append(made)
        part = shard.with_suffix(".part")
        part.mkdir(exist_ok=True)
        for key in kept[0]:
            np.save(part / f"{key}.npy", np.stack([k[key] for k in kept]))
        part.rename(shard)
        bad = np.mean([np.abs(k["target"]) > 2 for k in kept])
        print(f"{first + SHARD} scenes, {time.time() - began:.0f} s, {100 * bad:.1f} % bad", flush=True)


if __name__ == "__main__":
    main()
