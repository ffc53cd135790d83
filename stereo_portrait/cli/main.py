"""stereo-portrait: the table of commands, and what an error becomes."""

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import click

from stereo_portrait import __version__
from stereo_portrait.core.errors import StereoPortraitError
from stereo_portrait.core.memory import keep_memory

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "The built-in Middlebury pair, start to end."),
    "portrait": ("portrait", "A stereo pair, or a photo with or without depth, becomes a portrait."),
    "depth": ("depth", "As portrait, without the photograph: disparity, depth, confidence."),
    "blur": ("blur", "The lens blur alone: image + disparity."),
    "live": ("live", "See depth of field live, from a stereo rig or a depth camera."),
    "evaluate": ("evaluate", "Score methods against true disparity."),
    "models": ("models", "Networks: list them, fetch one, say where they lie."),
    "datasets": ("datasets", "Public stereo sets: list, pull."),
    "calibrate": ("calibrate", "Pictures of a board become a rig, with a report on how good it is."),
    "target": ("target", "A calibration board to print."),
    "rig": ("rig", "Show, check or convert a rig file; mend one that has moved."),
    "evaluate-blur": ("evaluate_blur", "Score lens blur against a ray-traced thin lens."),
    "record": ("record", "A camera, stream or file becomes a lossless recording."),
    "doctor": ("doctor", "What works on this machine, and what to do about the rest."),
}
"""Command name -> (module under stereo_portrait.cli holding a click command called `command`, one line of help)."""


class LazyGroup(click.Group):
    """A group that imports a command only when it runs, so that --help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        loaded: click.Command = importlib.import_module(f"stereo_portrait.cli.{COMMANDS[cmd_name][0]}").command
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stereo-portrait")
def group() -> None:
    """Turn a stereo pair, a depth frame or one photo into a photograph that a fast lens could have taken.

    Example: stereo-portrait demo -o out
    """


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 bad input, 1 internal failure, 130 stopped."""
    try:
        outcome: Any = group.main(args=arguments, prog_name="stereo-portrait", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        return 130
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return 2
    except StereoPortraitError as error:
        click.echo(f"error: {error}", err=True)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("STEREO_PORTRAIT_DEBUG"):
            raise
        kind = type(error).__name__
        click.echo(
            f"internal failure: {kind}: {error} (STEREO_PORTRAIT_DEBUG=1 shows where; please report it)", err=True
        )
        return 1
    return outcome if isinstance(outcome, int) else 0


def main() -> NoReturn:
    """Entry point of the console script."""
    keep_memory()
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(run())
