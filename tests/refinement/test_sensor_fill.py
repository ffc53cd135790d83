"""A depth camera's holes are filled along the photo's edges, and what was measured is left alone."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.depth import DepthMap, Flaw
from stereo_portrait.refinement.sensor_fill import filled_by_colour
from stereo_portrait.refinement.sources_around import NEAREST, smooth_surface, sources_around, taken

HEIGHT, WIDTH = 120, 160


def ball_before_wall() -> tuple[NDArray[np.uint8], DepthMap, NDArray[np.float32]]:
    """Photo, frame with holes along the ball's edge and in a blob of the slanted wall, and the truth in metres."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = np.hypot(x - 80, y - 60)
    ball = away < 30
    truth_m = np.where(ball, 1.0, 1 / (0.5 - 0.001 * x)).astype(np.float32)
    grain = np.random.default_rng(3).integers(-8, 8, (HEIGHT, WIDTH, 1))
    photo = np.clip(np.where(ball[..., None], (190, 60, 50), (70, 110, 150)) + grain, 0, 255).astype(np.uint8)
    lost = ((away > 18) & (away < 33)) | ((np.abs(x - 25) < 12) & (np.abs(y - 90) < 12))
    shown = np.where(lost, np.float32(np.nan), truth_m)
    flaws = np.where(lost, Flaw.NO_MATCH, 0).astype(np.uint8)
    return photo, DepthMap(shown, (~lost).astype(np.float32), flaws, "sensor"), truth_m


def test_holes_are_filled_along_the_colour_edge() -> None:
    photo, frame, truth_m = ball_before_wall()
    holes = ~frame.known
    found = filled_by_colour(photo, frame)
    assert found.known.all()
    nearest = taken(frame.depth_m, sources_around(frame.known)[NEAREST], frame.depth_m)
    wrong, plainly = (np.abs(d - truth_m)[holes] > 0.1 for d in (found.depth_m, nearest))
    assert wrong.mean() < 0.5 * plainly.mean()
    assert ((found.flaws[holes] & Flaw.FILLED) > 0).all()
    assert (found.confidence[holes] <= 0.4).all()


def test_a_slant_goes_on_through_a_hole() -> None:
    photo, frame, truth_m = ball_before_wall()
    found = filled_by_colour(photo, frame)
    assert np.abs(found.inverse_depth_per_m - 1 / truth_m)[85:95, 20:30].max() < 0.01


def test_measured_pixels_stay_to_the_bit() -> None:
    photo, frame, _ = ball_before_wall()
    found = filled_by_colour(photo, frame)
    assert np.array_equal(found.depth_m[frame.known], frame.depth_m[frame.known])
    assert np.array_equal(found.flaws[frame.known], frame.flaws[frame.known])


def test_a_corner_that_no_row_or_column_reaches_is_filled_too() -> None:
    photo, frame, _ = ball_before_wall()
    shown = np.full_like(frame.depth_m, np.nan)
    shown[:40, :40] = 2.0
    found = filled_by_colour(photo, replace(frame, depth_m=shown))
    assert np.allclose(found.depth_m, 2.0)


def test_nothing_measured_stays_nothing() -> None:
    photo, frame, _ = ball_before_wall()
    empty = replace(frame, depth_m=np.full_like(frame.depth_m, np.nan))
    assert not filled_by_colour(photo, empty).known.any()


def test_infinity_is_a_measurement() -> None:
    photo, frame, _ = ball_before_wall()
    sky = replace(frame, depth_m=np.where(frame.known, np.float32(np.inf), frame.depth_m))
    assert np.isinf(filled_by_colour(photo, sky).depth_m).all()


def test_sources_are_the_nearest_known_pixels() -> None:
    known = np.zeros((5, 7), np.bool_)
    known[2, 1] = known[2, 5] = known[0, 3] = True
    found = sources_around(known)
    assert [int(found[side, 2, 3]) for side in range(5)] == [2 * 7 + 1, 2 * 7 + 5, 3, -1, 2 * 7 + 1]


def test_a_smooth_surface_keeps_a_flat_wall_flat() -> None:
    values = np.full((40, 56), 5, np.float32)
    known = np.random.default_rng(0).random(values.shape) < 0.1
    assert np.allclose(smooth_surface(values, known), 5, atol=1e-4)
