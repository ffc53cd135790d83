"""What the subject network learns from is what its teacher made; needs the extra "train"."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from stereo_portrait.networks.session import open_session  # noqa: E402
from stereo_portrait.training import distil_subject  # noqa: E402
from stereo_portrait.training.distil_subject import mask_loss  # noqa: E402
from stereo_portrait.training.export import exported  # noqa: E402
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
    student = SubjectStudent().eval()
    with torch.no_grad():
        made = student.stages(picture)
        answer = student(picture)
    assert answer.shape == (1, 1, SIDE_PX // 2, SIDE_PX // 2)
    for name, stride in zip(STAGES, STRIDES, strict=True):
        assert made[name].shape == (1, 64, SIDE_PX // stride, SIDE_PX // stride)


def test_a_stage_starts_from_what_it_is_given(picture: "torch.Tensor") -> None:
    student = SubjectStudent().eval()
    with torch.no_grad():
        made = student.stages(picture)
        for name in STAGES[1:]:
            assert torch.equal(student.stage(name, made)[name], made[name])
            assert not torch.allclose(student.stage(name, {n: v + 1 for n, v in made.items()})[name], made[name])


def test_the_loss_vanishes_only_for_the_teachers_answer() -> None:
    wanted = (torch.rand(1, 1, 8, 8) > 0.5).float()
    assert float(mask_loss(40 * (wanted - 0.5), wanted)) < 1e-3 < float(mask_loss(40 * (0.5 - wanted), wanted))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_small_file_answers_as_the_student_does(as_bytes: bool, picture: "torch.Tensor", tmp_path: Path) -> None:
    student = SubjectStudent().eval()
    facts = exported(student, (SIDE_PX, SIDE_PX), tmp_path / "small.onnx", as_bytes)
    assert facts["bytes"] < (1.3 if as_bytes else 2.3) * 1e6
    with torch.no_grad():
        wanted = torch.nn.functional.interpolate(student(picture), scale_factor=2.0, mode="bilinear").numpy()
    said = open_session(tmp_path / "small.onnx").run({"image": picture.numpy()})[0]
    assert np.abs(said - wanted).max() < (0.05 if as_bytes else 0.005) * np.abs(wanted).max()


@pytest.fixture
def lessons(tmp_path: Path) -> Path:
    """Three lessons in two shards."""
    draw = np.random.default_rng(3)
    for shard, count in (("train_0_00000", 2), ("aside_0_00000", 1)):
        folder = tmp_path / "lessons" / shard
        folder.mkdir(parents=True)
        np.save(folder / "image.npy", draw.integers(0, 256, (count, SUBJECT_PX, SUBJECT_PX, 3), dtype=np.uint8))
        np.save(folder / "mask.npy", draw.random((count, SUBJECT_PX // 2, SUBJECT_PX // 2)).astype(np.float16))
        for name, stride in zip(STAGES, STRIDES, strict=True):
            side = SUBJECT_PX // stride
            packs = [packed(draw.random((64, side, side), dtype=np.float32)) for _ in range(count)]
            np.save(folder / f"{name}.npy", np.stack([codes for codes, _ in packs]))
            np.save(folder / f"{name}_range.npy", np.stack([ranges for _, ranges in packs]))
        (folder / "files.txt").write_text("near\tset/a.png\n" * count)
    return tmp_path / "lessons"


def test_a_course_runs_through_and_a_second_one_goes_on_from_it(
    lessons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["--lessons", str(lessons), "--out", str(tmp_path / "out"), "--share", "0.0001", "--resume"]
    monkeypatch.setattr("sys.argv", ["distil_subject", *order])
    distil_subject.main()
    assert '"aside_near"' in capsys.readouterr().out
    first = torch.load(tmp_path / "out" / "subject.pt", weights_only=True)
    student = SubjectStudent()
    student.load_state_dict(first["average"])
    distil_subject.main()
    assert capsys.readouterr().out == ""
    again = torch.load(tmp_path / "out" / "subject.pt", weights_only=True)
    assert first["step"] == again["step"] == len(distil_subject.LEGS)
    assert all(torch.equal(value, again["average"][name]) for name, value in first["average"].items())


@pytest.mark.parametrize("leg", distil_subject.LEGS, ids=lambda leg: leg.part)
def test_a_leg_teaches_its_part_alone(leg: distil_subject.Leg, lessons: Path) -> None:
    student = SubjectStudent()
    course = distil_subject.Course(student, lessons)
    getattr(student, leg.part).train()
    course.loss(leg.part, [0, 1])[0].backward()
    moved = {name.split(".")[0] for name, weight in student.named_parameters() if weight.grad is not None}
    assert moved == {leg.part}
