"""depth.png: millimetres, or a relative map that says so."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stereo_portrait.core.depth import DepthMap, on_nominal_scale
from stereo_portrait.export.depth_file import write_depth


def depth_map(depth_m: np.ndarray, metric: bool) -> DepthMap:
    known = ~np.isnan(depth_m)
    return DepthMap(depth_m, known.astype(np.float32), np.zeros(depth_m.shape, np.uint8), "monocular", metric)


def test_a_relative_map_keeps_the_order_of_its_farthest_pixels(tmp_path: Path) -> None:
    inverse = np.linspace(0, 1, 10000, dtype=np.float32).reshape(100, 100) ** 3
    inverse[0, :5] = np.float32([-3, -2, -1, -0.5, np.nan])  # far beyond the rest
    write_depth(tmp_path / "depth.png", depth_map(1 / on_nominal_scale(inverse, 1.0, 20.0), metric=False))
    values = cv2.imread(str(tmp_path / "depth.png"), cv2.IMREAD_UNCHANGED)
    assert values[0, 4] == 0
    assert (np.delete(values.ravel(), 4) > 0).all()
    assert (np.diff(values[0, :4].astype(int)) > 0).all()
    assert values.max() == 65535
    assert "relative" in Image.open(tmp_path / "depth.png").text["Description"]  # type: ignore[attr-defined]


def test_a_metric_map_holds_millimetres_and_infinity_is_not_unknown(tmp_path: Path) -> None:
    write_depth(tmp_path / "depth.png", depth_map(np.float32([[1.5, np.inf], [np.nan, 70.0]]), metric=True))
    values = cv2.imread(str(tmp_path / "depth.png"), cv2.IMREAD_UNCHANGED)
    assert values.tolist() == [[1500, 65535], [0, 65535]]
