"""config.yaml and --set -> the settings dataclasses of every stage, checked key by key."""

import dataclasses
import difflib
import importlib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from stereo_portrait.core.errors import ConfigError

SECTIONS: dict[str, str] = {
    "images": "stereo_portrait.sources.image_file:ImageSettings",
    "streams": "stereo_portrait.sources.stream_settings:StreamSettings",
    "realsense": "stereo_portrait.sources.realsense_settings:RealSenseSettings",
    "record": "stereo_portrait.export.recording:RecordSettings",
    "rectify": "stereo_portrait.geometry.rectify:RectifySettings",
    "calibrate": "stereo_portrait.geometry.calibrate:CalibrateSettings",
    "sgbm": "stereo_portrait.matching.sgbm:SgbmSettings",
    "wls": "stereo_portrait.refinement.wls:WlsSettings",
    "focus": "stereo_portrait.rendering.focus:FocusSettings",
    "lens": "stereo_portrait.rendering.lens:LensSettings",
    "median": "stereo_portrait.refinement.weighted_median:WeightedMedianSettings",
    "guided": "stereo_portrait.refinement.guided_network:GuidedNetworkSettings",
    "bokeh": "stereo_portrait.rendering.bokeh:BokehSettings",
    "monocular": "stereo_portrait.fallback.monocular:MonocularSettings",
    "parallax": "stereo_portrait.fallback.parallax_settings:ParallaxSettings",
    "fusion": "stereo_portrait.fallback.fusion:FusionSettings",
    "subject": "stereo_portrait.fallback.subject:SubjectSettings",
    "live": "stereo_portrait.live.settings:LiveSettings",
}
"""Section of config.yaml -> "module:SettingsClass"; a stage adds one line here and one section in config.yaml."""

MAX_CONFIG_BYTES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Settings:
    """One settings dataclass per section."""

    by_section: Mapping[str, Any]

    def __getitem__(self, section: str) -> Any:
        return self.by_section[section]

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Plain numbers and strings, ready for JSON or YAML."""
        return {name: dataclasses.asdict(value) for name, value in self.by_section.items()}


def settings_class(section: str) -> type[Any]:
    """The dataclass behind a section.

    Raises:
        ConfigError: no such section; the nearest name is given.
    """
    if section not in SECTIONS:
        raise ConfigError(f"no section '{section}' in the settings{_nearest(section, SECTIONS)}")
    module, name = SECTIONS[section].split(":")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def load_settings(path: Path | None = None, overrides: tuple[str, ...] = ()) -> Settings:
    """Defaults, then the YAML file, then "section.key=value" strings.

    Raises:
        ConfigError: unreadable YAML, an unknown section or key, a value of the wrong type or out of range.
    """
    given: dict[str, dict[str, Any]] = {} if path is None else _read(path)
    for text in overrides:
        section, key, value = _split_override(text)
        given.setdefault(section, {})[key] = value
    for section in given:
        settings_class(section)
    made = {name: _build(name, given.get(name, {})) for name in SECTIONS}
    return Settings(types.MappingProxyType(made))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path}: a settings file of over {MAX_CONFIG_BYTES} bytes is not one of ours")
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise ConfigError(f"{path}: not readable as YAML{line}; compare it with the project's config.yaml") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected sections with settings, found {type(document).__name__}")
    for section, body in document.items():
        if body is None:
            document[section] = {}
        elif not isinstance(body, dict):
            raise ConfigError(f"{path}: section '{section}' must hold settings, found {type(body).__name__}")
    return {str(section): dict(body or {}) for section, body in document.items()}


def _split_override(text: str) -> tuple[str, str, Any]:
    name, separator, raw = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not separator or not dot or not key:
        raise ConfigError(f"--set wants section.key=value, found '{text}'")
    try:
        return section, key, yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {name}: cannot read the value '{raw}'") from error


def _build(section: str, given: Mapping[str, Any]) -> Any:
    kind = settings_class(section)
    hints = get_type_hints(kind)
    known = {f.name for f in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            raise ConfigError(f"no setting '{section}.{key}'{_nearest(str(key), known)}")
        values[key] = _fitted(value, hints[key], f"{section}.{key}")
    return kind(**values)


def _fitted(value: Any, hint: Any, name: str) -> Any:
    """The value as the annotated type; YAML's 1 is welcome where 1.0 is meant, nothing else is converted."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = get_args(hint)
        if value is None and type(None) in options:
            return None
        return _fitted(value, next(o for o in options if o is not type(None)), name)
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise ConfigError(f"{name} must be one of {', '.join(map(str, get_args(hint)))}, found '{value}'")
    if origin is tuple:
        inner = get_args(hint)
        if isinstance(value, (list, tuple)) and (inner[-1] is Ellipsis or len(inner) == len(value)):
            kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
            return tuple(_fitted(v, k, name) for v, k in zip(value, kinds, strict=True))
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif hint is str and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    elif isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    wanted = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{name} must be {wanted}, found {value!r}")


def _nearest(name: str, names: Any) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(names))}"
