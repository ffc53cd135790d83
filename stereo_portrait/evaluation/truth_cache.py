"""Truth pictures take minutes to trace: they are kept in the user's cache folder, never in the repository."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.evaluation import optics, optics_scenes


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A scene, a focus, and everything that is needed to score a renderer on it."""

    name: str
    linear: NDArray[np.float32]  # (H, W, 3), the pinhole picture
    disparity_px: NDArray[np.float32]  # (H, W)
    focus_disparity_px: float
    blur_per_px: float
    truth: NDArray[np.float32]  # (H, W, 3)
    lamps: NDArray[np.float32]  # (H, W)
    noise_floor_db: float

    @property
    def radius_px(self) -> NDArray[np.float32]:
        """(H, W) signed blur radius."""
        return ((self.disparity_px - self.focus_disparity_px) * self.blur_per_px).astype(np.float32)


def cache_folder() -> Path:
    """$STEREO_PORTRAIT_CACHE, else the platform's cache folder; made when missing."""
    named = os.environ.get("STEREO_PORTRAIT_CACHE")
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stereo_portrait"
    folder = base / "lens-truth"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def case(scene_name: str, focus: str, seed: int = 0, samples: int = optics.SAMPLES) -> Case:
    """One case, traced now or read from the cache; a change of the tracer or of the scenes traces it anew."""
    scene = optics_scenes.SCENES[scene_name](seed)
    at, per_px = optics_scenes.focus_settings(scene)[focus]
    linear, disparity = scene.pinhole()
    path = cache_folder() / f"{scene_name}-{seed}-{focus}-{samples}-{_version(scene)}.npz"
    if path.exists():
        with np.load(path) as kept:
            light, lamps, floor = kept["light"], kept["lamps"], float(kept["floor"])
    else:
        traced = optics.trace(scene, at, per_px, samples)
        light, lamps, floor = traced.light, traced.lamps, traced.noise_floor_db
        part = path.with_name(f".{os.getpid()}-{path.name}")
        np.savez(part, light=light, lamps=lamps, floor=floor)
        part.replace(path)
    return Case(f"{scene_name}/{focus}", linear, disparity, at, per_px, light, lamps, floor)


def _version(scene: optics.LayeredScene) -> str:
    digest = hashlib.sha256(Path(optics.__file__).read_bytes())
    for layer in scene.layers:
        digest.update(layer.light.tobytes() + layer.alpha.tobytes() + repr(layer.disparity_px).encode())
    return digest.hexdigest()[:12]
