"""The package's front door."""

import subprocess
import sys

import numpy as np
import pytest

import stereo_portrait
from stereo_portrait.core.capture import StereoPair
from stereo_portrait.sources import synthetic


@pytest.mark.parametrize("name", stereo_portrait.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(stereo_portrait, name).__doc__


def test_the_example_in_the_docstring_runs() -> None:
    scene = synthetic.square_in_front(20, 6)
    settings = stereo_portrait.load_settings()
    stages, watch = stereo_portrait.stages_of(settings), stereo_portrait.Watch()
    pair = StereoPair(scene.pair.left, scene.pair.right, "square")
    estimate = stereo_portrait.estimate_from_pair(pair, scene.pair.rig, stages, watch)
    portrait = stereo_portrait.render_portrait(estimate, stages, watch).image
    assert portrait.shape == scene.pair.left.shape
    assert portrait.dtype == np.uint8
    assert {"measured", "refined", "blur"} <= set(watch.seconds)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom stereo_portrait.cli.main import run\nrun(['--help'])\n"
        "heavy = {'cv2', 'numba', 'numpy', 'scipy', 'onnxruntime', 'open3d', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
