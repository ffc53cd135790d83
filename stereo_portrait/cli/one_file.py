"""What one file on the command line holds: a pair, a photo with depth, or a plain photo."""

from pathlib import Path
from typing import TYPE_CHECKING

from stereo_portrait.cli.inputs import Given, Job, rig_for
from stereo_portrait.core.errors import CalibrationError, InputError

if TYPE_CHECKING:
    from stereo_portrait.config import Settings
    from stereo_portrait.core.capture import Photo, StereoPair
    from stereo_portrait.core.rig import RigCalibration
    from stereo_portrait.sources.phone import EmbeddedDepth
    from stereo_portrait.sources.spatial_heic import SpatialViews

OF_DEPTH = ("auto", "sensor")  # the methods that want the depth inside a photo
HOW_TO_SAY = "--rig FILE, or --rectified --focal-px F --baseline-m B"


def job_of_file(given: Given, settings: "Settings") -> Job:
    """The job of one file that is no folder.

    Raises:
        InputError, RigError: unreadable, or not what the options say.
    """
    from stereo_portrait.sources.focus_point import read_focus_px
    from stereo_portrait.sources.phone import read_phone_photo
    from stereo_portrait.sources.recorded import read_joined_pair, read_pair_in_one_file, second_view
    from stereo_portrait.sources.spatial_heic import read_spatial_views

    path = given.inputs[0]
    if given.layout is not None:
        pair = read_joined_pair(path, given.layout, settings["images"])  # type: ignore[arg-type]
        return Job(pair.name, pair, rig_for(pair, given, path))
    if given.rig is not None or given.rectified:
        inside = read_pair_in_one_file(path, settings["images"])
        if inside is None:
            raise InputError(f"{path} holds one picture; give LEFT RIGHT, or --layout if both views lie side by side")
        return Job(inside.name, inside, rig_for(inside, given, path))
    photo = read_phone_photo(path, settings["images"])
    embedded = _embedded_depth(path, photo, settings) if given.method in OF_DEPTH else None
    if embedded is not None:
        return Job(path.stem, photo=photo, depth=embedded.depth, focus_px=embedded.focus_px)
    warnings: tuple[str, ...] = ()
    if (views := read_spatial_views(path, settings["images"])) is not None:
        if views.rig is not None:
            return _spatial_job(path, views, settings)
        warnings = (f"{path} holds a second view, but {views.missing}; it was not used: pass {HOW_TO_SAY}",)
    elif second_view(path):
        warnings = (f"{path} holds a second view of the same size, which was not used: pass {HOW_TO_SAY}",)
    return Job(path.stem, photo=photo, focus_px=read_focus_px(path, photo), warnings=warnings)


def _embedded_depth(path: Path, photo: "Photo", settings: "Settings") -> "EmbeddedDepth | None":
    from stereo_portrait.sources.phone import read_embedded_depth

    try:
        return read_embedded_depth(path, photo, settings["images"])
    except InputError as error:
        raise InputError(f"{error}; --method monocular does without that depth") from error


def _spatial_job(path: Path, views: "SpatialViews", settings: "Settings") -> Job:
    """Both views of a spatial photo with the rig that the file states, its aim corrected by the picture itself."""
    from stereo_portrait.sources.image_file import read_frames
    from stereo_portrait.sources.recorded import pair_of

    if views.rig is None:
        raise InputError(f"{path}: {views.missing}")
    frames = read_frames(path, settings["images"])
    pair = pair_of(frames[views.left], frames[views.right], path.stem, str(path))
    rig, warnings = _aimed(pair, views.rig)
    return Job(path.stem, pair, rig, warnings=warnings)


def _aimed(pair: "StereoPair", rig: "RigCalibration") -> tuple["RigCalibration", tuple[str, ...]]:
    """The rig with rows that agree; a pan is left as stated, since this one picture could not tell it from distance."""
    from stereo_portrait.geometry.drift import mend

    try:
        mending = mend([pair], rig, pan=False)
    except CalibrationError as error:
        return rig, (f"the cameras' aim is as the file states it and could not be checked: {error}",)
    return mending.rig, ()
