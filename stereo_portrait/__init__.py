"""Photographs with a fast lens's depth of field, from parallax.

from stereo_portrait import Watch, estimate_from_pair, load_settings, read_pair, read_rig, render_portrait, stages_of

settings = load_settings()
stages, watch = stages_of(settings), Watch()
estimate = estimate_from_pair(read_pair(left, right), read_rig("rig.yaml"), stages, watch)
portrait = render_portrait(estimate, stages, watch).image
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "StereoPortraitError": "core.errors",
    "Watch": "pipeline",
    "estimate_from_pair": "pipeline",
    "estimate_from_photo": "pipeline",
    "estimate_from_sensor": "pipeline",
    "load_settings": "config",
    "read_pair": "sources.recorded",
    "read_photo": "sources.image_file",
    "read_rig": "geometry.rig_file",
    "render_portrait": "pipeline",
    "stages_of": "pipeline",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that the command line starts at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'stereo_portrait' has no attribute '{name}'")
    return getattr(importlib.import_module(f"stereo_portrait.{_HOMES[name]}"), name)
