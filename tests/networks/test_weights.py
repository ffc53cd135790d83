import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stereo_portrait.cli.frame import Talk
from stereo_portrait.cli.main import run
from stereo_portrait.cli.work import settings_of
from stereo_portrait.core.errors import WeightsError
from stereo_portrait.networks import weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEREO_PORTRAIT_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("STEREO_PORTRAIT_OFFLINE", raising=False)
    return tmp_path / "models"


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> weights.Weights:
    """The catalogue's entry, but for a file with this content."""
    entry = replace(weights.named(name), sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    monkeypatch.setitem(weights.catalogue(), name, entry)
    return entry


def test_every_built_in_network_is_there_with_its_hash_and_below_two_megabytes() -> None:
    for entry in weights.catalogue().values():
        if entry.built_in and entry.purpose in ("monocular", "subject"):
            path = weights.find(entry.name)
            assert path.stat().st_size == entry.size_bytes
            assert path.stat().st_size <= 2_000_000


def test_every_network_to_fetch_has_an_address_a_hash_and_a_permissive_licence() -> None:
    for entry in weights.catalogue().values():
        assert len(entry.sha256) == 64
        assert entry.licence in ("Apache-2.0", "MIT", "BSD-3-Clause")
        assert entry.built_in or str(entry.address).startswith("https://")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"known: .*u2netp"):
        weights.named("u3net")


def test_a_file_put_there_by_hand_is_accepted_by_its_hash_under_any_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, "u2netp", b"the right bytes")
    folder.mkdir()
    (folder / "u2netp.onnx").write_bytes(b"something else!")
    (folder / "downloaded(1).onnx").write_bytes(b"the right bytes")
    assert weights.find("u2netp") == folder / "downloaded(1).onnx"
    assert weights.pull("u2netp", offline=True) == folder / "downloaded(1).onnx"


def test_offline_says_which_file_with_which_hash_to_put_where(folder: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.pull("u2netp", offline=True)
    for part in (str(folder), "u2netp.onnx", weights.named("u2netp").sha256, "4574861 bytes"):
        assert part in str(caught.value)


def test_the_command_exits_with_two_when_the_network_is_not_here(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "pull", "midas-small", "--offline"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "midas_v21_small.onnx" in said.err
    assert not folder.exists()


def test_the_list_names_every_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in weights.catalogue())


def test_the_official_u2netp_is_accepted(folder: Path, sample_data: Path) -> None:
    official = sample_data.parent / "models" / "u2netp.onnx"
    if not official.exists():
        pytest.skip("u2netp.onnx is not among the samples")
    folder.mkdir()
    shutil.copy(official, folder / "renamed.onnx")
    assert weights.find("u2netp").name == "renamed.onnx"
    session, contract = weights.open_network("u2netp", "subject", threads=1)
    assert contract.is_mask
    assert session.provider.endswith("ExecutionProvider")


@pytest.mark.parametrize("answer", ["mask", "depth"])
def test_a_model_takes_the_place_that_its_contract_names(tmp_path: Path, answer: str) -> None:
    (tmp_path / "it's.yaml").write_text(f"answer: {answer}\nshort_side_px: 64\n")
    found = settings_of(Talk(), {"model": str(tmp_path / "it's.onnx"), "focus": "it's"})
    chosen = {section: found[section].network for section in ("subject", "monocular")}
    mine, other = ("subject", "monocular") if answer == "mask" else ("monocular", "subject")
    assert chosen == {mine: str(tmp_path / "it's.onnx"), other: "built-in"}
    assert found["focus"].at == "it's"


@pytest.mark.parametrize(("name", "section"), [("u2netp", "subject"), ("midas-small", "monocular")])
def test_a_model_by_name_takes_the_place_of_its_purpose(name: str, section: str) -> None:
    assert settings_of(Talk(), {"model": name})[section].network == name
