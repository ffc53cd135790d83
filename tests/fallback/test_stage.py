from dataclasses import replace

import cv2
import numpy as np
import pytest

from stereo_portrait.core.capture import RectifiedPair
from stereo_portrait.core.depth import DisparityMap
from stereo_portrait.fallback import monocular, subject
from stereo_portrait.fallback.stage import Answer, Fallback
from stereo_portrait.matching.sgbm import SgbmMatcher, SgbmSettings
from stereo_portrait.sources import synthetic

NEAR_PX, FAR_PX = 40.0, 12.0
SIDE_PX = 130


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> RectifiedPair:
    """A square before a wall, and networks that see it there."""
    scene = synthetic.square_in_front(NEAR_PX, FAR_PX, 480, 240, seed=3, side_px=SIDE_PX)
    seen = (scene.truth_disparity_px > 20).astype(np.float32)
    small = cv2.resize(seen, (240, 120), interpolation=cv2.INTER_AREA)
    for module in (monocular, subject):
        monkeypatch.setattr(module, "open_network", lambda *_: (None, None))
        monkeypatch.setattr(module, "ask", lambda *_: small)
    return scene.pair


def run(pair: RectifiedPair, high: int | None = None, retry: bool = False) -> Answer:
    def match(low: float, top: float) -> DisparityMap:
        return SgbmMatcher(SgbmSettings(min_disparity_px=int(low), max_disparity_px=int(top))).match(pair)

    stage = Fallback()
    found = SgbmMatcher(SgbmSettings(min_disparity_px=0, max_disparity_px=high)).match(pair)
    searched = (0.0, float(high)) if high else None
    return stage.apply(stage.decide(found, pair, searched, match if retry else None))


def test_an_untouched_pair_gives_metric_stereo(pair: RectifiedPair) -> None:
    answer = run(pair)
    assert (answer.decision.use, answer.depth.origin, answer.depth.metric) == ("stereo", "stereo", True)
    assert answer.disparity is not None


def test_a_second_search_gives_the_subject_its_true_disparity(pair: RectifiedPair) -> None:
    answer = run(pair, high=28, retry=True)
    assert answer.decision.use == "stereo"
    assert answer.disparity is not None
    assert answer.disparity.disparity_px[120, 240] == pytest.approx(NEAR_PX, abs=1)


def test_without_a_second_search_the_subject_still_stands_in_front_or_the_photo_speaks_alone(
    pair: RectifiedPair,
) -> None:
    answer = run(pair, high=28)
    assert answer.decision.use in ("fused", "monocular")
    inverse = answer.depth.inverse_depth_per_m
    assert inverse[120, 240] > 1.05 * inverse[20, 20]
    assert answer.depth.metric == (answer.decision.use == "fused")


def test_an_unreliable_pair_gives_relative_depth_that_is_not_called_metric(pair: RectifiedPair) -> None:
    answer = run(replace(pair, row_error_px=3.0))
    assert answer.decision.use == "monocular"
    assert not answer.depth.metric
    assert answer.disparity is None
    assert "without metres" in answer.decision.reasons[-1]
