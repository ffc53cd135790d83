"""What the user gave on the command line -> captures; shared by portrait and depth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stereo_portrait.core.errors import InputError, RigError

if TYPE_CHECKING:
    from stereo_portrait.config import Settings
    from stereo_portrait.core.capture import Photo, StereoPair
    from stereo_portrait.core.depth import DepthMap
    from stereo_portrait.core.rig import RectifiedRig, RigCalibration

    Rig = RectifiedRig | RigCalibration

DEPTH_KINDS = ("metres", "millimetres", "disparity", "relative", "relative-far")
LAYOUTS = ("side-by-side", "top-bottom", "side-by-side-swapped", "top-bottom-swapped")


@dataclass(frozen=True)
class Given:
    """The input options of portrait and depth, as typed."""

    inputs: tuple[Path, ...]
    rig: str | None = None
    rectified: bool = False
    focal_px: float | None = None
    baseline_m: float | None = None
    doffs_px: float = 0.0
    layout: str | None = None
    depth: Path | None = None
    depth_scale: float | None = None
    depth_kind: str = "metres"
    frame: int | None = None
    method: str = "auto"


@dataclass(frozen=True, eq=False)
class Job:
    """One picture to make: a pair with its rig, or a photo with (or without) depth."""

    name: str
    pair: "StereoPair | None" = None
    rig: "Rig | None" = None
    photo: "Photo | None" = None
    depth: "DepthMap | None" = None
    focus_px: tuple[int, int] | None = None  # where the camera that took the photo was focused
    warnings: tuple[str, ...] = ()  # what was noticed while reading


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the pictures and the rig are."""
    for option in reversed(
        (
            click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path)),
            click.option("--rig", help="Rig file: ours, OpenCV, Kalibr, ROS pair (A,B), Middlebury calib.txt, KITTI."),
            click.option("--rectified", is_flag=True, help="The pair is rectified; give --focal-px and --baseline-m."),
            click.option("--focal-px", type=float, help="Focal length of a rectified pair, pixels."),
            click.option("--baseline-m", type=float, help="Baseline of a rectified pair, metres."),
            click.option("--doffs-px", type=float, default=0.0, help="cx_right - cx_left of a rectified pair, pixels."),
            click.option("--resize-rig", is_flag=True, help="Scale the rig to the picture's size."),
            click.option("--layout", type=click.Choice(LAYOUTS), help="Both views lie in one picture like this."),
            click.option("--depth", type=click.Path(path_type=Path), help="Depth of PHOTO: 16-bit PNG, PFM, NPY, EXR."),
            click.option(
                "--depth-scale",
                type=float,
                help="Values of DEPTH per metre, or per pixel of disparity.  [default: 1000 for whole numbers, else 1]",
            ),
            click.option(
                "--depth-kind",
                type=click.Choice(DEPTH_KINDS),
                default="metres",
                show_default=True,
                help="What DEPTH holds. metres: see --depth-scale. millimetres: in floats too. disparity: px, metric "
                "with --rig or --rectified, else relative. relative: inverse depth without a unit, near is large "
                "(relative-far: small).",
            ),
            click.option("--frame", type=click.IntRange(min=0), help="Which frame, where INPUTS is a SOURCE of many."),
            click.option("--matcher", default="sgbm", show_default=True, help="sgbm or sgbm-hh (slower)."),
            click.option("--refiner", default="median", show_default=True, help="none, wls, median or network."),
        )
    ):
        command = option(command)
    return command


def jobs_of(given: Given, settings: "Settings") -> Iterator[Job]:
    """One job for files, one per pair for a folder.

    Raises:
        InputError, RigError: what is missing or does not fit, and what to do.
    """
    from stereo_portrait.cli.one_frame import job_of_source, source_in

    source = source_in(given.inputs[0]) if len(given.inputs) == 1 else None
    if source is not None:
        yield job_of_source(source, given, settings)
    elif given.depth is not None:
        yield _photo_with_depth(given, settings)
    elif len(given.inputs) == 2:
        from stereo_portrait.sources.recorded import read_pair

        left, right = given.inputs
        pair = read_pair(left, right, settings["images"])
        yield Job(pair.name, pair, rig_for(pair, given, given.inputs[0]))
    elif len(given.inputs) == 1 and given.inputs[0].is_dir():
        yield from _folder(given, settings)
    elif len(given.inputs) == 1:
        from stereo_portrait.cli.one_file import job_of_file

        yield job_of_file(given, settings)
    else:
        raise InputError(f"give LEFT RIGHT, one PHOTO, or one folder of pairs; found {len(given.inputs)} paths")


def _photo_with_depth(given: Given, settings: "Settings") -> Job:
    from stereo_portrait.cli.depth_beside import inverse_depth
    from stereo_portrait.sources.focus_point import read_focus_px
    from stereo_portrait.sources.phone import on_photo_grid, read_phone_photo

    if len(given.inputs) != 1 or given.depth is None:
        raise InputError("--depth goes with one PHOTO")
    photo = read_phone_photo(given.inputs[0], settings["images"])
    inverse, metric = inverse_depth(given, photo.pixels.shape[1], photo.pixels.shape[0], settings)
    depth = on_photo_grid(inverse, metric, photo.pixels, str(given.depth), "sensor")
    return Job(photo.name, photo=photo, depth=depth, focus_px=read_focus_px(given.inputs[0], photo))


def _folder(given: Given, settings: "Settings") -> Iterator[Job]:
    from stereo_portrait.sources.recorded import find_pairs, read_pair

    for files in find_pairs(given.inputs[0]):
        pair = read_pair(files.left, files.right, settings["images"], files.name)
        found = files.rig if given.rig is None and not given.rectified else None
        yield Job(files.name, pair, rig_for(pair, given, files.left, found))


def rig_for(pair: "StereoPair", given: Given, where: Path, found: Path | None = None) -> "Rig":
    """The rig that was named, described, or lies beside the pair.

    Raises:
        RigError: none of these.
    """
    from stereo_portrait.geometry.rectify import rectified_rig
    from stereo_portrait.geometry.rig_file import read_rig

    size = (pair.left.shape[1], pair.left.shape[0])
    if given.rectified:
        if given.focal_px is None or given.baseline_m is None:
            raise RigError("--rectified needs --focal-px and --baseline-m")
        return rectified_rig(pair.left, given.focal_px, given.baseline_m, given.doffs_px)
    source = given.rig or found or _beside(where)
    if source is None:
        raise RigError(
            f"no rig for {where}: pass --rig FILE, or --rectified --focal-px F --baseline-m B for a rectified pair; "
            "stereo-portrait calibrate makes a rig file"
        )
    return read_rig(source, size)


def _beside(where: Path) -> Path | None:
    from stereo_portrait.sources.recorded import find_rig

    return find_rig(where.parent, where.parent)
