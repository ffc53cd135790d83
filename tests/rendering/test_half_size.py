"""The draft, drawn at half the size: sharp where the photo is, and close to the careful picture elsewhere."""

import numpy as np
import pytest

from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering.bokeh import BokehRenderer, BokehSettings

DRAFT = BokehRenderer(BokehSettings(quality="draft"))


def scene(height: int = 160, width: int = 224) -> tuple[np.ndarray, np.ndarray]:
    """A sharp textured square before a textured wall that is out of focus."""
    picture = np.random.default_rng(0).random((height, width, 3)).astype(np.float32) * 0.3
    picture[..., 0] += 0.5
    square = np.s_[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    picture[square] = np.random.default_rng(1).random(picture[square].shape).astype(np.float32)
    radius = np.full((height, width), -9.0, np.float32)
    radius[square] = 0
    return picture, radius


def test_what_is_in_focus_keeps_its_bits() -> None:
    picture, radius = scene()
    inside = np.s_[57:103, 78:146]
    assert np.array_equal(DRAFT.render(picture, radius, Aperture())[inside], picture[inside])


@pytest.mark.parametrize("size", [(160, 224), (161, 223), (97, 131)])
def test_the_draft_is_close_to_the_careful_picture(size: tuple[int, int]) -> None:
    picture, radius = scene(*size)
    draft, careful = (r.render(picture, radius, Aperture()) for r in (DRAFT, BokehRenderer()))
    assert np.sqrt(np.square(draft - careful).mean()) < 0.03
    assert np.sqrt(np.square(picture - careful).mean()) > 0.06  # what no blur at all would be off by


def test_a_small_picture_is_not_halved() -> None:
    picture, radius = scene(64, 80)
    preview = BokehRenderer(BokehSettings(quality="preview"))
    assert np.array_equal(DRAFT.render(picture, radius, Aperture()), preview.render(picture, radius, Aperture()))


def test_no_colour_leaves_the_range_of_the_photo() -> None:
    picture, radius = scene()
    picture = (picture > 0.5).astype(np.float32)
    found = DRAFT.render(picture, radius, Aperture())
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-5
