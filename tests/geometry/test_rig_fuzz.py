"""Whatever is done to a rig file, reading it ends in a plausible rig or in one clear line."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rig_file import Format, read_rig, rig_text

LENS = (-0.28, 0.07, 0.0002, 0.00002)
CALIBRATED = RigCalibration(
    Camera(640, 480, 458.6, 457.3, 327.2, 248.4, LENS, "pinhole"),
    Camera(640, 480, 457.6, 456.1, 320.0, 235.2, LENS, "pinhole"),
    np.eye(3),
    np.array([-0.11, 0.0004, -0.0008]),
    0.2,
    {"left.fx_px": 0.1},
)
RECTIFIED = RectifiedRig(741, 500, 994.978, 0.193001, 311.193, 342.279, 254.877)
KINDS: list[tuple[object, Format]] = [
    (CALIBRATED, "rig"), (RECTIFIED, "rig"), (CALIBRATED, "opencv1.0"), (CALIBRATED, "opencv1.2"),
    (CALIBRATED, "kalibr"), (CALIBRATED, "ros"), (RECTIFIED, "middlebury"), (CALIBRATED, "kitti"), (RECTIFIED, "kitti"),
]  # fmt: skip
ORIGINALS = [rig_text(rig, kind) for rig, kind in KINDS]  # type: ignore[arg-type]
TOKENS = [
    "nan", ".nan", "inf", "-.inf", "1e400", "-1", "0", "1e300", "null", "~", "true", "[]", "{}", "''", "*a", "&a 1",
    "!!python/object/apply:os.system [echo]", "!!binary aGk=", "!!timestamp 2001-01-01",
    "!!set {a}", "0x10", "1_0", "9" * 400,
    "\n", "\t", "\x00", "\u2028", "- ", ": ", "? ", "|", ">", "%YAML 1.2\n", "---\n", "...\n", "<<: {a: 1}",
    "'", '"', "#", ",",
    "2001-01-01", "1:30:00", "[[[[[[[[[[", "{a: {a: {a: 1}}}", "=", "rows: 0", "data: [ ]",
]  # fmt: skip


def mangled(text: str, seed: int) -> str:
    """A few cuts, swaps, repeats and insertions."""
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        a, b = sorted(rng.randint(0, len(text)) for _ in range(2))
        kind = rng.randrange(6)
        if kind == 0:
            text = text[:a]
        elif kind == 1:
            text = text[:a] + text[min(b, a + 40) :]
        elif kind == 2:
            text = text[:a] + rng.choice(TOKENS) + text[a:]
        elif kind == 3:
            words = text.split(" ")
            words[rng.randrange(len(words))] = rng.choice(TOKENS)
            text = " ".join(words)
        elif kind == 4:
            text = text[:b] + text[a:b] + text[b:]
        else:
            lines = text.split("\n")
            rng.shuffle(lines) if rng.random() < 0.2 else lines.pop(rng.randrange(len(lines)))
            text = "\n".join(lines)
    return text[:20_000]


def held(path: Path, right: Path | None) -> None:
    try:
        rig = read_rig(path, (640, 480), right)
    except RigError as error:
        assert str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 1500
        return
    assert 1e-4 <= rig.baseline_m <= 1000
    of = rig.left if isinstance(rig, RigCalibration) else rig
    assert 1 <= of.width_px <= 100_000


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(ORIGINALS) - 1), st.integers(0, 10**9))
@example(0, 1)
def test_a_mangled_rig_is_read_or_refused(tmp_path: Path, which: int, seed: int) -> None:
    texts = ORIGINALS[which]
    paths = [tmp_path / name for name in ("a.yaml", "b.yaml")][: len(texts)]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(mangled(text, seed).encode("utf-8", "surrogatepass"))
    held(paths[0], paths[1] if len(paths) > 1 else None)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
@example(b"")
@example(b"%YAML:1.0")
@example(b"<opencv_storage>")
@example(b"cam0=[")
@example(b"P2: 1 2 3")
@example(b"format: stereo-portrait-rig 1")
@example(b"? [a]\n: 1")
@example(b"? {a: 1}\n: 1")
@example(b"cam0: {intrinsics: {}}\ncam1: {intrinsics: []}")
@example(b"T_BS: 1\nintrinsics: 1")
@example(b"K: 1\nP: 1")
@example(b"M1: 1\nM2: 1\nimage_size: [1, 2, 3]")
@example(b"- M1\n- M2")
@example(b"a: 0o9")
@example(b"a: 2001-99-99")
@example(b"cam0=[1 0 0; 0 1 0; 0 0 1]\ncam1=[1 0 0; 0 1 0; 0 0 1]\nbaseline=1\nwidth=1\nheight=1")
def test_noise_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "noise.yaml"
    path.write_bytes(data)
    held(path, None)


@pytest.mark.parametrize("which", range(len(ORIGINALS)))
def test_every_truncation_is_read_or_refused(tmp_path: Path, which: int) -> None:
    texts = ORIGINALS[which]
    other = tmp_path / "b.yaml"
    if len(texts) > 1:
        other.write_text(texts[1])
    path = tmp_path / "a.yaml"
    for length in range(0, len(texts[0]), 29):
        path.write_text(texts[0][:length])
        held(path, other if len(texts) > 1 else None)
