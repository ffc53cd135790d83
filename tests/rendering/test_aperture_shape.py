"""Highlights take the shape of the aperture."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stereo_portrait.core.errors import ConfigError
from stereo_portrait.core.portrait import Aperture
from stereo_portrait.rendering.aperture_shape import shape_of
from stereo_portrait.rendering.bokeh import BokehRenderer

RADIUS_PX = 20.0


def lamp(aperture: Aperture, at: tuple[int, int] = (64, 64), highlights: bool = True) -> NDArray[np.float32]:
    dark = np.zeros((129, 129, 3), np.float32)
    dark[at] = 50 if highlights else 1
    return BokehRenderer().render(dark, np.full((129, 129), -RADIUS_PX, np.float32), aperture)[..., 0]


def test_a_circle_is_an_even_disc_of_its_radius() -> None:
    disc = lamp(Aperture())
    assert (disc > disc.max() / 2).sum() == pytest.approx(np.pi * RADIUS_PX**2, rel=0.03)
    inside = disc[52:77, 52:77]
    assert inside.std() < 0.01 * inside.mean()


@pytest.mark.parametrize("blades", [3, 4, 5, 6, 7, 8, 9])
def test_a_polygon_has_as_many_corners_as_blades(blades: int) -> None:
    shape = lamp(Aperture(blades=blades, rotation_deg=10))
    y, x = np.nonzero(shape > shape.max() / 2)
    angle, distance = np.arctan2(y - 64, x - 64), np.hypot(x - 64, y - 64)
    rim = np.array([distance[np.abs(np.angle(np.exp(1j * (angle - a)))) < 0.1].max() for a in np.arange(0, 6.28, 0.05)])
    harmonics = np.abs(np.fft.rfft(rim - rim.mean()))
    assert int(harmonics[2:12].argmax()) + 2 == blades


def test_light_drawn_as_lamps_and_as_texture_takes_the_same_shape() -> None:
    for aperture in (Aperture(blades=5, rotation_deg=17), Aperture(anamorphic=2), Aperture(cats_eye=0.8)):
        as_lamp, as_texture = lamp(aperture, (40, 30)), lamp(aperture, (40, 30), highlights=False) * 50
        overlap = np.minimum(as_lamp, as_texture).sum() / as_lamp.sum()
        assert overlap > 0.9


def test_anamorphic_discs_are_tall_ovals_of_equal_area() -> None:
    oval = lamp(Aperture(anamorphic=2)) > 0.01
    height, width = np.ptp(np.nonzero(oval)[0]), np.ptp(np.nonzero(oval)[1])
    assert height / width == pytest.approx(2, rel=0.1)
    assert oval.sum() == pytest.approx(np.pi * RADIUS_PX**2, rel=0.08)


def test_a_ring_is_dark_inside_and_a_bubble_is_bright_at_its_rim_and_a_soft_disc_at_its_centre() -> None:
    ring, bubble, soft = lamp(Aperture(ring=0.5)), lamp(Aperture(edge=1)), lamp(Aperture(edge=-1))
    assert ring[64, 64] < 0.02 * ring.max()
    assert bubble[64, 64] < 0.5 * bubble[64, 64 + 18]
    assert soft[64, 64] > 2 * soft[64, 64 + 18]


def test_a_cats_eye_is_round_in_the_middle_and_narrow_in_the_corner() -> None:
    middle, corner = (lamp(Aperture(cats_eye=1), at) for at in ((64, 64), (22, 22)))
    assert (middle > middle.max() / 2).sum() > 1.2 * (corner > corner.max() / 2).sum()


@pytest.mark.parametrize(
    "aperture", [Aperture(), Aperture(blades=3), Aperture(blades=7, roundness=0.5), Aperture(anamorphic=0.5)]
)
def test_every_outline_has_the_area_of_the_unit_disc(aperture: Aperture) -> None:
    assert float(shape_of(aperture).reach[-1].sum()) == pytest.approx(np.pi, rel=0.01)


@pytest.mark.parametrize("name", ["roundness", "rotation_deg", "cats_eye", "anamorphic", "ring", "edge"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e9])
def test_an_aperture_that_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        Aperture(**{name: value})
