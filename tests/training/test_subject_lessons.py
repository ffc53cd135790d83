"""What the subject network learns from is what its teacher made; needs the extra "train"."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from stereo_portrait.training.distil_subject import hint_loss, mask_loss  # noqa: E402
from stereo_portrait.training.subject_lessons import STAGES, STRIDES, SUBJECT_PX, packed, view_of  # noqa: E402
from stereo_portrait.training.subject_student import SubjectStudent  # noqa: E402

SIDE_PX = 64


@pytest.fixture(scope="module")
def picture() -> "torch.Tensor":
    torch.manual_seed(0)
    return 255 * torch.rand(1, 3, SIDE_PX, SIDE_PX)


def test_packed_stages_come_back_within_half_a_step() -> None:
    stage = np.random.default_rng(0).normal(3, 5, (4, 6, 8)).astype(np.float32)
    codes, low_and_step = packed(stage)
    back = codes * low_and_step[:, 1, None, None] + low_and_step[:, 0, None, None]
    assert np.abs(back - stage).max() < 0.51 * low_and_step[:, 1].max()


def test_views_are_seeded_and_every_other_one_is_mirrored() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    whole, mirrored, window = (view_of(pixels, "a.png", variant) for variant in range(3))
    assert whole.shape == (SUBJECT_PX, SUBJECT_PX, 3)
    assert np.array_equal(mirrored, view_of(np.ascontiguousarray(pixels[:, ::-1]), "a.png", 0))
    assert np.array_equal(window, view_of(pixels, "a.png", 2))
    assert not np.array_equal(window, whole)


def test_every_stage_has_the_teachers_size(picture: "torch.Tensor") -> None:
    with torch.no_grad():
        said, made = SubjectStudent().eval().stages(picture)
    assert said.shape == (1, 1, SIDE_PX // 2, SIDE_PX // 2)
    for name, stride in zip(STAGES, STRIDES, strict=True):
        assert made[name].shape == (1, 64, SIDE_PX // stride, SIDE_PX // stride)


def test_a_stage_that_is_told_starts_from_the_teachers(picture: "torch.Tensor") -> None:
    student = SubjectStudent().eval()
    with torch.no_grad():
        _, own = student.stages(picture)
        _, same = student.stages(picture, own)
        _, other = student.stages(picture, {name: value + 1 for name, value in own.items()})
    assert all(torch.equal(own[name], same[name]) for name in STAGES)
    assert torch.equal(own["en2"], other["en2"])
    assert not torch.allclose(own["de4"], other["de4"])


def test_a_stage_apart_learns_without_changing_those_before(picture: "torch.Tensor") -> None:
    student = SubjectStudent()
    said, made = student.stages(picture, apart=True)
    (made["de4"].square().mean() + said.square().mean()).backward()
    moved = {name.split(".")[0] for name, weight in student.named_parameters() if weight.grad is not None}
    assert moved == {"de4", "above", "beside", "de3", "narrow", "fine", "join", "answer"}


def test_losses_vanish_only_for_the_teachers_answer() -> None:
    told = {name: torch.randn(1, 2, 4, 4) for name in STAGES}
    assert float(hint_loss(told, told)[0]) == 0
    assert float(hint_loss({n: v + 1 for n, v in told.items()}, told)[0]) == pytest.approx(len(STAGES), rel=1e-4)
    wanted = (torch.rand(1, 1, 8, 8) > 0.5).float()
    assert float(mask_loss(40 * (wanted - 0.5), wanted)) < 1e-3 < float(mask_loss(40 * (0.5 - wanted), wanted))
