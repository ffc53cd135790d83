"""What the network may choose among: values that the surroundings support, and none that is unknown."""

import numpy as np
import pytest

from stereo_portrait.refinement import candidates
from stereo_portrait.refinement.candidates import BEHIND, CANDIDATES, LOCAL, candidates_of
from stereo_portrait.refinement.local_match import LocalMatch
from stereo_portrait.sources import synthetic


def test_an_answer_that_nothing_around_supports_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = synthetic.plane(20, 96, 64, seed=1).pair
    base = np.full((64, 96), 20, np.float32)
    said = np.full((32, 48), 20, np.float32)
    said[10:14, 10:20] = 1  # an accidental match
    costs = np.zeros((32, 48, 4), np.uint16)
    searched = np.repeat(np.array([[0, 4]], np.int16), 32, 0)
    answer = LocalMatch(costs, 0, searched, said, np.ones((32, 48), np.bool_), np.zeros((32, 48), np.float32))
    monkeypatch.setattr(candidates, "local_match", lambda *_: answer)
    believed = np.ones((64, 96), np.bool_)
    found = candidates_of(pair.left, pair.right, base, base, believed)
    assert (found.px[LOCAL] == 20).all()
    base[:, 60:] = 1  # now something near by lies there
    found = candidates_of(pair.left, pair.right, base, base, believed)
    assert (found.px[LOCAL, 20:28, 20:40] == 1).all()


def test_without_a_second_view_nothing_is_unknown_and_surfaces_behind_are_offered() -> None:
    photo = synthetic.plane(20, 96, 64, seed=2).pair.left
    base = np.full((64, 96), 8, np.float32)
    base[20:44, 30:60] = 30
    found = candidates_of(photo, None, base, base, np.ones((64, 96), np.bool_))
    assert found.px.shape == (CANDIDATES, 64, 96)
    assert np.isfinite(found.px).all()
    assert (found.px[BEHIND, 20:44, 30:60] == 8).all()
    assert found.local is None
