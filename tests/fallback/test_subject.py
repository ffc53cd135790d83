from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.core.errors import ConfigError, InputError
from stereo_portrait.fallback.subject import SubjectFinder, SubjectSettings, trimap


def disc(centre: tuple[int, int], radius: int, height: int = 160, width: int = 240) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    inside: np.ndarray = np.hypot(x - centre[0], y - centre[1]) < radius
    return inside


def chance_of(mask: np.ndarray) -> np.ndarray:
    """As a network would say it: soft along the outline, and two pixels off."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3)
    return np.roll(soft, 2, axis=1)


def photo_of(mask: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 20, (*mask.shape, 3))
    return (np.where(mask[..., None], [190, 120, 90], [40, 80, 60]) + noise).astype(np.uint8)


@pytest.mark.parametrize(("matting", "share"), [("closed-form", 0.6), ("guided", 0.95)])
def test_the_outline_moves_to_the_photo_s_own(matting: str, share: float) -> None:
    truth = disc((120, 80), 45)
    chance = chance_of(truth)
    found = SubjectFinder(SubjectSettings(matting=matting)).refined(chance, photo_of(truth))  # type: ignore[arg-type]
    before = np.abs((chance > 0.5) - truth.astype(np.float32)).mean()
    after = np.abs(found.alpha - truth).mean()
    assert found.count == 1
    assert after < share * before


def test_no_subject_is_said_and_gives_an_empty_mask() -> None:
    found = SubjectFinder().refined(np.full((80, 90), 0.2, np.float32), np.zeros((80, 90, 3), np.uint8))
    assert not found.found
    assert found.alpha.max() == 0
    assert "no subject" in found.notes[0]


def test_specks_are_no_subjects() -> None:
    chance = chance_of(disc((120, 80), 40))
    chance[4:7, 4:7] = 1.0
    found = SubjectFinder(SubjectSettings(matting="none")).refined(chance, np.zeros((160, 240, 3), np.uint8))
    assert found.count == 1
    assert found.alpha[5, 5] == 0


def test_several_subjects_are_kept_and_counted() -> None:
    mask = disc((70, 80), 30) | disc((170, 80), 28)
    found = SubjectFinder(SubjectSettings(matting="none")).refined(chance_of(mask), photo_of(mask))
    assert found.count == 2
    assert "2 separate subjects" in found.notes[0]


def test_a_subject_that_leaves_the_picture_is_said_and_not_eaten_at_the_border() -> None:
    mask = disc((0, 80), 50)
    found = SubjectFinder(SubjectSettings(matting="guided")).refined(mask.astype(np.float32), photo_of(mask))
    assert found.borders == ("left",)
    assert any("leaves the picture at the left" in note for note in found.notes)
    assert found.alpha[70:90, 0].min() > 0.99


def test_a_subject_everywhere_is_no_failure() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    found = SubjectFinder().refined(np.ones((64, 64), np.float32), photo)
    assert found.share == 1.0
    assert found.alpha.min() > 0.9
    assert any("fills almost" in note for note in found.notes)


def test_the_band_is_undecided_and_the_rest_is_not() -> None:
    mask = disc((120, 80), 45)
    known = trimap(mask, mask.astype(np.float32), band_px=3)
    assert set(np.unique(known)) == {0.0, 0.5, 1.0}
    assert (known[mask] >= 0.5).all()
    assert 0.01 < (known == 0.5).mean() < 0.1


def test_a_large_photo_keeps_a_crisp_outline() -> None:
    truth = disc((700, 500), 300, 1000, 1400)
    found = SubjectFinder().refined(chance_of(truth), photo_of(truth))
    assert np.abs(found.alpha - truth).mean() < 0.004


def test_fur_is_drawn_as_published_alpha_says(sample_data: Path) -> None:
    folder = sample_data / "photos" / "pymatting_lemur"
    photo = np.ascontiguousarray(cv2.imread(str(folder / "lemur.png"))[..., ::-1])
    truth = cv2.imread(str(folder / "lemur_alpha.png"), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    chance = cv2.GaussianBlur((truth > 0.5).astype(np.float32), (0, 0), 4)
    error = {}
    for matting in ("none", "closed-form"):
        alpha = SubjectFinder(SubjectSettings(matting=matting)).refined(chance, photo).alpha  # type: ignore[arg-type]
        error[matting] = float(np.abs(alpha - truth)[(truth > 0.02) & (truth < 0.98)].mean())
    assert error["closed-form"] < 0.75 * error["none"]


def test_bad_settings_and_photos_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"subject\.threshold"):
        SubjectSettings(threshold=2)
    with pytest.raises(InputError, match="too small"):
        SubjectFinder().find(np.zeros((3, 3, 3), np.uint8))
