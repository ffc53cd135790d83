"""stereo-portrait rig: show what a rig is good for, check it on natural pairs, convert it between formats."""

import re
from pathlib import Path
from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.core.errors import InputError, OutputError, RigError

FORMATS = ("rig", "opencv1.0", "opencv1.2", "kalibr", "ros", "middlebury", "kitti")


@click.group()
def command() -> None:
    """Show, check or convert a rig file.

    Example: stereo-portrait rig check rig.yaml left.png right.png
    """


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    if found is None or min(int(found[1]), int(found[2])) < 1:
        raise InputError(f"cannot read the size '{text}'; expected for example 1280x720")
    return int(found[1]), int(found[2])


@command.command()
@click.argument("rig_file")
@click.option("--size", metavar="WxH", help="Picture size, where the file does not say.")
@click.option(
    "--blur-tolerance", type=click.FloatRange(0.001, 1), default=0.1, show_default=True, help="Share of blur."
)
@click.option("--disparity-sigma-px", type=click.FloatRange(0.01, 5), default=0.25, show_default=True)
@common_options
def show(talk: Talk, rig_file: str, size: str | None, blur_tolerance: float, disparity_sigma_px: float) -> None:
    """Baseline, field of view, and the nearest and farthest distances at which depth serves a portrait.

    Example: stereo-portrait rig show rig.yaml
    """
    from stereo_portrait.geometry.rig_facts import facts
    from stereo_portrait.geometry.rig_file import read_rig

    found = facts(read_rig(rig_file, _size(size)), blur_tolerance, disparity_sigma_px)
    name = found.get("device") or Path(rig_file).stem
    low, high, size_px = found["nearest_m"], found["farthest_m"], found["rectified_size_px"]
    wide, tall, focal_px = found["hfov_deg"], found["vfov_deg"], found["rectified_focal_px"]
    lines = [
        f"{name}: {found['kind']}, baseline {found['baseline_m'] * 1000:.2f} mm",
        f"rectified {size_px[0]}x{size_px[1]} px, focal length {focal_px:.1f} px, view {wide:.1f} x {tall:.1f} degrees",
        f"useful from {low:.2f} m to {high:.2f} m: nearer, the views overlap too little; farther, the "
        f"background's blur is off by more than {blur_tolerance:.0%} at a disparity error of {disparity_sigma_px:g} px",
        f"depth error at 2 m: {found['depth_error_at_2_m'] * 1000:.0f} mm",
    ]
    if found.get("rms_px") is not None:
        lines.append(f"calibrated {found['calibrated_on'] or 'some day'}, rms {found['rms_px']:.3f} px")
    talk.result(found, "\n".join(lines))


@command.command()
@click.argument("rig_file")
@click.argument("pictures", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The mended rig; RIG_mended.yaml by default.")
@click.option("--limit-px", type=click.FloatRange(0.05, 10), default=0.3, show_default=True, help="Fine below this.")
@common_options
def check(talk: Talk, rig_file: str, pictures: tuple[Path, ...], output: Path | None, limit_px: float) -> None:
    """Measure the vertical error on natural pairs LEFT RIGHT [LEFT RIGHT ...]; where the rig has moved, mend it.

    Example: stereo-portrait rig check rig.yaml left.png right.png
    """
    from stereo_portrait.core.errors import CalibrationError
    from stereo_portrait.export.files import staged_file, write_bytes
    from stereo_portrait.geometry.drift import check as check_pair
    from stereo_portrait.geometry.drift import mend
    from stereo_portrait.geometry.rig_file import read_rig, rig_text
    from stereo_portrait.sources.recorded import read_pair

    if not pictures or len(pictures) % 2:
        raise InputError(f"rig check wants pairs, RIG LEFT RIGHT [LEFT RIGHT ...]; found {len(pictures)} pictures")
    images = talk.settings()["images"]
    pairs = [read_pair(a, b, images) for a, b in zip(pictures[::2], pictures[1::2], strict=True)]
    rig = read_rig(rig_file, (pairs[0].left.shape[1], pairs[0].left.shape[0]))
    found = [check_pair(pair, rig) for pair in pairs]
    known = [f for f in found if f.median_px is not None]
    if any(f.swapped for f in known):
        raise InputError(f"{pictures[0]} and {pictures[1]}: left and right are swapped; give them in the other order")
    if not known:
        raise InputError("too few features match to measure anything; take pictures of a scene with detail, in focus")
    row_px = sum((f.median_px or 0.0) * f.matches for f in known) / sum(f.matches for f in known)
    answer: dict[str, Any] = {
        "rig": rig_file,
        "row_error_px": row_px,
        "confidence": max(f.confidence for f in known),
        "matches": sum(f.matches for f in known),
        "pairs": [
            {"name": p.name, "row_error_px": f.median_px, "offset_px": f.offset_px, "matches": f.matches,
             "confidence": f.confidence}
            for p, f in zip(pairs, found, strict=True)
        ],
        "mended": None,
    }  # fmt: skip
    lines = [
        f"row error {row_px:.2f} px (median of {answer['matches']} matches, confidence {answer['confidence']:.0%})"
    ]
    try:
        mending = mend(pairs, rig)
    except CalibrationError as error:
        answer |= {"verdict": "fine" if row_px <= limit_px else "moved", "why_not_mended": str(error)}
        lines.append("the rig is fine" if row_px <= limit_px else f"the rig has moved, but cannot be mended: {error}")
        talk.result(answer, "\n".join(lines))
        return
    x, y, z = mending.rotation_deg
    answer |= {
        "rotation_deg": [x, y, z],
        "rotation_sigma_deg": list(mending.rotation_sigma_deg),
        "focal_ratio": mending.focal_ratio,
        "row_error_before_px": mending.before_px,
        "row_error_after_px": mending.after_px,
        "notes": list(mending.notes),
    }
    helps = mending.after_px < 0.8 * mending.before_px
    worth = output is not None or (row_px > limit_px and helps)
    answer["verdict"] = "fine" if row_px <= limit_px else "moved"
    if worth:
        source = Path(rig_file.split(",")[0])
        target = output or source.with_name(f"{source.stem}_mended.yaml")
        with staged_file(target) as path:
            write_bytes(path, rig_text(mending.rig, "rig")[0].encode())
        answer["mended"] = str(target)
        lines.append(
            f"the right camera is turned by {x:.3f}, {y:.3f}, {z:.3f} degrees (tilt, pan, roll), focal ratio "
            f"{mending.focal_ratio:.4f}: row error {mending.before_px:.2f} -> {mending.after_px:.2f} px; wrote {target}"
        )
        lines += mending.notes
    elif row_px <= limit_px:
        lines.append("the rig is fine")
    else:
        why = f"turning the right camera leaves {mending.after_px:.2f} of {mending.before_px:.2f} px; recalibrate"
        answer["why_not_mended"] = why
        lines.append(why)
    talk.result(answer, "\n".join(lines))


@command.command()
@click.argument("rig_file")
@click.option("--to", "kind", type=click.Choice(FORMATS), default="rig", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write; for ros a folder.")
@click.option("--size", metavar="WxH", help="Picture size, where the file does not say.")
@click.option("--resize", metavar="WxH", help="The same cameras read out at another size.")
@click.option("--crop", metavar="X,Y,WxH", help="A window of both pictures.")
@click.option("--rectified", is_flag=True, help="Write the geometry of the rectified pictures.")
@common_options
def convert(talk: Talk, rig_file: str, kind: Any, output: Path, **options: Any) -> None:
    """Write a rig in another format.

    Example: stereo-portrait rig convert rig.yaml --to kalibr -o camchain.yaml
    """
    from stereo_portrait.export.files import staged_file, staged_folder, write_bytes
    from stereo_portrait.geometry.rig_facts import cropped, rectified_of, resized
    from stereo_portrait.geometry.rig_file import read_rig, rig_text

    rig = read_rig(rig_file, _size(options["size"]))
    if options["crop"] is not None:
        found = re.fullmatch(r"(\d{1,6}),(\d{1,6}),(\d{1,6}x\d{1,6})", options["crop"])
        window = _size(found[3]) if found else None
        if found is None or window is None:
            raise RigError(f"cannot read the window '{options['crop']}'; expected for example 100,50,1280x720")
        rig = cropped(rig, int(found[1]), int(found[2]), *window)
    new_size = _size(options["resize"])
    if new_size is not None:
        rig = resized(rig, *new_size)
    if options["rectified"]:
        rig = rectified_of(rig)
    texts = rig_text(rig, kind)
    if len(texts) == 1:
        if output.is_dir():
            raise OutputError(f"cannot write {output}: it is a folder; name a file")
        with staged_file(output) as path:
            write_bytes(path, texts[0].encode())
        files = [output]
    else:
        with staged_folder(output) as folder:
            for name, text in zip(("left.yaml", "right.yaml"), texts, strict=True):
                write_bytes(folder / name, text.encode())
        files = [output / "left.yaml", output / "right.yaml"]
    talk.result({"format": kind, "files": [str(f) for f in files]}, f"wrote {', '.join(map(str, files))}")
