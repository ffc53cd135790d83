"""What every command shares: its common options, where its words go, and how it shows progress."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stereo_portrait.config import Settings


@dataclasses.dataclass(frozen=True)
class Talk:
    """Where a command's words go: results to stdout, everything else to stderr; with --json one object on stdout."""

    quiet: bool = False
    as_json: bool = False
    config: Path | None = None
    overrides: tuple[str, ...] = ()

    def settings(self) -> "Settings":
        """Every setting after --config and --set.

        Raises:
            ConfigError: an unknown or ill-typed setting.
        """
        from stereo_portrait.config import load_settings

        return load_settings(self.config, self.overrides)

    def say(self, text: str) -> None:
        """A line for people, on stderr; nothing under --quiet."""
        if not self.quiet:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """A line that people should not miss, on stderr even under --quiet."""
        click.echo(f"warning: {text}", err=True)

    def result(self, machine: dict[str, Any], human: str = "") -> None:
        """The command's answer: JSON for machines, or text for people."""
        if self.as_json:
            click.echo(json.dumps(machine, default=plain, allow_nan=False))
        elif human and not self.quiet:
            click.echo(human)

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
        """A bar on a terminal, silence in a pipe; call the yielded function once per finished step with its name."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda step: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)

            def advance(step: str) -> None:
                bar.update(task, advance=1, description=f"{title}: {step}")

            yield advance


def plain(value: Any) -> Any:
    """Turn what json cannot write (numpy scalars, paths, dataclasses, enums) into what it can."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config, --set, --quiet and --json; the command receives them as its first argument, a `Talk`."""

    @click.option("--config", type=click.Path(path_type=Path), help="Settings file; config.yaml lists every setting.")
    @click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change one setting.")
    @click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
    @wraps(command)
    def wrapped(config: Path | None, overrides: tuple[str, ...], quiet: bool, as_json: bool, **rest: Any) -> Any:
        return command(Talk(quiet, as_json, config, overrides), **rest)

    return wrapped
