"""config.yaml is the manual: it must say what the code does."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from stereo_portrait.config import SECTIONS, load_settings, settings_class
from stereo_portrait.core.errors import ConfigError

MANUAL = Path(__file__).resolve().parent.parent / "config.yaml"


def test_the_manual_lists_every_setting_at_its_default() -> None:
    written = yaml.safe_load(MANUAL.read_text()) or {}
    assert set(written) == set(SECTIONS)
    defaults = load_settings().as_dict()
    assert load_settings(MANUAL).as_dict() == defaults
    for section, body in written.items():
        assert set(body) == set(defaults[section]), f"section {section}"


def test_every_setting_in_the_manual_has_a_comment() -> None:
    section = ""
    for line in MANUAL.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            section = line.rstrip(":")
        elif line.startswith("  ") and ":" in line and not line.lstrip().startswith("#"):
            assert "#" in line, f"{section}.{line.strip()} has no unit or effect beside it"


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_names_its_nearest_neighbour(section: str) -> None:
    key = dataclasses.fields(settings_class(section))[0].name
    with pytest.raises(ConfigError, match=f"did you mean '{key}'"):
        load_settings(overrides=(f"{section}.{key}x=1",))


def test_an_unknown_section_names_its_nearest_neighbour() -> None:
    section = next(iter(SECTIONS))
    with pytest.raises(ConfigError, match=f"did you mean '{section}'"):
        load_settings(overrides=(f"{section}x.a=1",))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a\n- b\n", "expected sections"),
        ("wls: 3\n", "must hold settings"),
        ("wls: {strength: fast}\n", "wls.strength must be float"),
        ("wls: {strength: true}\n", "wls.strength must be float"),
        ("wls: !!python/object/apply:os.system ['true']\n", "not readable as YAML"),
        ("wls: [\n", "not readable as YAML"),
    ],
)
def test_a_bad_settings_file_is_one_clear_error(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_settings(path)


def test_set_wants_section_key_value() -> None:
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        load_settings(overrides=("f_number=2",))
