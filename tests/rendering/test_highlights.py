"""Which clipped pixels are lamps."""

import numpy as np

from stereo_portrait.rendering.highlights import with_recovered_highlights


def test_a_small_lamp_in_the_dark_gets_its_energy_back() -> None:
    night = np.full((200, 300, 3), 0.05, np.float32)
    night[100:103, 100:103] = 1
    found = with_recovered_highlights(night)
    assert found[101, 101, 0] > 5
    assert np.array_equal(found[:90], night[:90])
    assert with_recovered_highlights(night, 2.0)[101, 101, 0] > found[101, 101, 0]


def test_white_paper_and_bright_texture_are_left_alone() -> None:
    paper = np.full((200, 300, 3), 0.3, np.float32)
    paper[50:120, 50:160] = 1
    glossy = np.full((200, 300, 3), 0.9, np.float32)
    glossy[100:103, 100:103] = 1
    for picture in (paper, glossy):
        assert np.array_equal(with_recovered_highlights(picture), picture)


def test_no_amount_changes_nothing() -> None:
    picture = np.ones((20, 20, 3), np.float32)
    assert with_recovered_highlights(picture, 0) is picture
