"""stereo-portrait evaluate-blur: what it prints, writes and refuses; the truth is a stand-in that takes no time."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from stereo_portrait.cli.main import run
from stereo_portrait.evaluation import blur_report
from stereo_portrait.evaluation.truth_cache import Case


@pytest.fixture(autouse=True)
def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(scene: str, focus: str, seed: int) -> Case:
        linear = np.random.default_rng(seed).random((40, 48, 3)).astype(np.float32)
        disparity = np.full((40, 48), 5, np.float32)
        disparity[10:30, 10:30] = 15
        return Case(f"{scene}/{focus}", linear, disparity, 15.0, 0.5, linear, np.zeros((40, 48), np.float32), 50.0)

    monkeypatch.setattr(blur_report, "case", stand_in)


def test_every_method_is_scored_on_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate-blur", "--method", "bokeh,gaussian,slabs", "--scene", "wires,lamps", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["methods"]) == {"bokeh", "gaussian", "slabs"}
    assert len(found["methods"]["bokeh"]["cases"]) == 2 * 3
    assert 10 < found["methods"]["bokeh"]["mean"]["psnr"] < 60
    assert found["methods"]["bokeh"]["mean"]["highlight_psnr"] is None  # no lamps in these pictures


def test_a_report_holds_a_strip_of_every_case(tmp_path: Path) -> None:
    chosen = ["--method", "bokeh,gaussian", "--scene", "wires", "--report", str(tmp_path / "report")]
    assert run(["evaluate-blur", *chosen, "--quality", "preview", "--given", "clipped"]) == 0
    assert {p.name for p in (tmp_path / "report").iterdir()} == {f"wires-{at}.png" for at in ("near", "middle", "far")}
    strip = cv2.imread(str(tmp_path / "report" / "wires-near.png"))
    assert strip is not None
    assert strip.shape == (2 * 40, 4 * 48, 3)


@pytest.mark.parametrize(
    "wrong", [("--method", "magic"), ("--method", ","), ("--scene", "moon"), ("--focus", "there"), ("--seed", "-1")]
)
def test_what_is_not_known_is_refused_in_one_line(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate-blur", *wrong]) == 2
    complaint = capsys.readouterr().err.strip()
    assert complaint.startswith("error:")
    assert "\n" not in complaint
