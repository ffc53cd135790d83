import subprocess
import sys

import numpy as np
import pytest

from stereo_portrait.fallback.matting import matting_rows, solved_alpha


def laplacian_by_definition(photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    colours = photo.reshape(-1, 3) / 255
    found = np.zeros((height * width,) * 2)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            inside = [(y + dy) * width + x + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            off = colours[inside] - colours[inside].mean(axis=0)
            inverse = np.linalg.inv(off.T @ off / 9 + np.eye(3) * 1e-7 / 9)
            found[np.ix_(inside, inside)] += np.eye(9) - (1 + off @ inverse @ off.T) / 9
    return found


def test_every_row_is_the_published_laplacian_s() -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 255, (9, 11, 3), dtype=np.uint8)
    truth = laplacian_by_definition(photo)
    for wanted in (np.ones(99, np.bool_), rng.random(99) < 0.2):
        assert np.allclose(matting_rows(photo, wanted).toarray(), truth[wanted], atol=1e-9)


def test_alpha_that_is_linear_in_colour_comes_back() -> None:
    truth = np.clip(np.linspace(-0.5, 1.5, 48, dtype=np.float32), 0, 1)[None].repeat(20, axis=0)
    photo = np.rint(np.float32([20, 60, 90]) * (1 - truth[..., None]) + np.float32([230, 190, 40]) * truth[..., None])
    known = np.where((truth > 0) & (truth < 1), np.float32(0.5), truth)
    found = solved_alpha(known, np.full(truth.shape, np.float32(0.5)), photo.astype(np.uint8))
    assert np.abs(found - truth).max() < 0.1  # 8 bits are only nearly linear


@pytest.mark.parametrize("level", [0, 255])
def test_the_guess_speaks_where_nothing_is_decided_and_no_colour_differs(level: int) -> None:
    guess = np.full((12, 15), np.float32(0.3))
    found = solved_alpha(np.full((12, 15), np.float32(0.5)), guess, np.full((12, 15, 3), level, np.uint8))
    assert np.abs(found - guess).max() < 0.01


def test_hair_costs_no_compilation_at_the_first_photo() -> None:
    program = (
        "import sys, numpy as np; from stereo_portrait.fallback.subject import SubjectFinder\n"
        "chance = np.zeros((60, 70), np.float32); chance[20:40, 20:50] = 1\n"
        "photo = np.random.default_rng(0).integers(0, 255, (60, 70, 3), dtype=np.uint8)\n"
        "SubjectFinder().refined(chance, photo); print([m for m in ('numba', 'pymatting') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
