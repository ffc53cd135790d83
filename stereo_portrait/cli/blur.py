"""stereo-portrait blur: the lens blur alone."""

from pathlib import Path

import click

from stereo_portrait.cli.frame import Talk, common_options

METHODS = ("bokeh", "gaussian", "gather", "scatter", "slabs")
LINEAR_SUFFIXES = (".npy", ".exr")
STEEPEST = 1e30  # blur per pixel of disparity; what is larger would be infinite, and nothing in focus


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("disparity", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help=".png/.jpg sRGB or .npy/.exr linear."
)
@click.option("--focus-disparity-px", required=True, type=float, help="Disparity that stays sharp.")
@click.option("--blur-per-px", required=True, type=float, help="K: blur radius in px = K * |d - D|.")
@click.option("--max-blur-px", type=click.FloatRange(0, 2000), help="Largest blur radius.")
@click.option("--method", type=click.Choice(METHODS), default="bokeh", show_default=True)
@click.option(
    "--quality", type=click.Choice(("full", "preview", "draft")), help="Coarser is faster; draft: half the size."
)
@click.option("--blades", type=int, help="3 to 9 aperture blades; 0 = round.")
@click.option("--roundness", type=float, help="0 = straight blades, 1 = round.")
@click.option("--rotation-deg", type=float, help="Turn of the blades.")
@click.option("--cats-eye", type=float, help="0 to 1: lemon-shaped discs towards the corners.")
@click.option("--anamorphic", type=float, help="Height over width of the discs.")
@click.option("--ring", type=float, help="0 to 0.9: central obstruction, as in a mirror lens.")
@click.option("--edge", type=float, help="-1 = soft rim, 0 = even disc, 1 = soap bubble.")
@common_options
def command(
    talk: Talk,
    image: Path,
    disparity: Path,
    output: Path,
    focus_disparity_px: float,
    blur_per_px: float,
    max_blur_px: float | None,
    method: str,
    quality: str | None,
    **shape: float | int | None,
) -> None:
    """Blur IMAGE as a lens would, by DISPARITY (PFM, larger = nearer, inf or NaN = unknown).

    IMAGE is 8/16-bit sRGB, or linear float .npy/.exr (H,W,3) where values above 1 are highlights.

    Example: stereo-portrait blur im0.png disp0.pfm -o out.png --focus-disparity-px 40 --blur-per-px 0.5
    """
    import dataclasses
    import math
    import time

    import numpy as np

    from stereo_portrait.core.errors import ConfigError, InputError
    from stereo_portrait.core.pfm import read_pfm
    from stereo_portrait.export.files import staged_file
    from stereo_portrait.export.photo import SUFFIXES, write_photo
    from stereo_portrait.rendering import make_renderer
    from stereo_portrait.rendering.light import linear_from_srgb, srgb_from_linear
    from stereo_portrait.sources.float_image import read_linear, write_linear
    from stereo_portrait.sources.image_file import read_deep

    settings = talk.settings()
    if not (math.isfinite(focus_disparity_px) and math.isfinite(blur_per_px)) or blur_per_px < 0:
        raise ConfigError("--focus-disparity-px and --blur-per-px must be finite, and --blur-per-px not negative")
    for name, value in (("--max-blur-px", max_blur_px), ("--rotation-deg", shape["rotation_deg"])):
        if value is not None and not math.isfinite(value):
            raise ConfigError(f"{name} must be a finite number, found {value:g}")
    if output.suffix.lower() not in (*SUFFIXES, *LINEAR_SUFFIXES):
        raise ConfigError(f"cannot write '{output.name}'; name a .png, .jpg, .npy or .exr file")
    metadata = None
    if image.suffix.lower() in LINEAR_SUFFIXES:
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            linear = read_linear(image, settings["images"])
    else:
        pixels, metadata = read_deep(image, settings["images"])
        linear = linear_from_srgb(pixels)
    found = read_pfm(disparity)
    if found.ndim != 2 or found.shape != linear.shape[:2]:
        size = f"{found.shape[1]}x{found.shape[0]}" + (" with 3 channels" if found.ndim == 3 else "")
        raise InputError(
            f"{disparity} is {size} but {image} is {linear.shape[1]}x{linear.shape[0]}; "
            "give the disparity of this very picture"
        )
    limit = settings["lens"].max_blur_px if max_blur_px is None else max_blur_px
    limit = max(linear.shape[:2]) if limit is None else limit
    with np.errstate(invalid="ignore", over="ignore"):
        radius = (np.where(np.isinf(found), np.nan, found) - np.float32(focus_disparity_px)) * np.float32(
            min(blur_per_px, STEEPEST)
        )
        radius = np.clip(radius, -limit, limit).astype(np.float32)
    aperture = dataclasses.replace(
        settings["lens"].model().aperture, **{k: v for k, v in shape.items() if v is not None}
    )
    sections = dict(settings.by_section)
    if quality is not None:
        sections["bokeh"] = dataclasses.replace(sections["bokeh"], quality=quality)
    renderer = make_renderer(method, sections)
    started = time.perf_counter()
    if method == "bokeh" and image.suffix.lower() not in LINEAR_SUFFIXES:
        from stereo_portrait.rendering.highlights import with_recovered_highlights

        linear = with_recovered_highlights(linear, sections["bokeh"].recover_highlights)
    blurred = renderer.render(linear, radius, aperture)
    seconds = time.perf_counter() - started
    with staged_file(output) as path:
        if output.suffix.lower() in LINEAR_SUFFIXES:
            write_linear(path, blurred)
        else:
            write_photo(path, srgb_from_linear(blurred), metadata)
    talk.result(
        {"output": str(output), "method": method, "seconds": seconds, "aperture": dataclasses.asdict(aperture)},
        f"{output} ({method}, {seconds:.2f} s)",
    )
