"""A calibration as one self-contained HTML page with its pictures."""

import base64
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.capture import StereoPair
from stereo_portrait.export.files import staged_folder, write_bytes
from stereo_portrait.geometry.calibrate import Calibration
from stereo_portrait.geometry.rectify import rectify
from stereo_portrait.geometry.uncertainty import coverage
from stereo_portrait.geometry.verdict import Assessment
from stereo_portrait.geometry.views import Sightings

Picture = NDArray[np.uint8]
WIDTH_PX = 560
INK, PAPER, GRID = (40, 40, 40), (255, 255, 255), (225, 225, 225)
BLUE, RED, GREEN = (30, 90, 200), (210, 60, 40), (30, 150, 70)


def write_report(
    folder: Path,
    calibration: Calibration,
    assessment: Assessment,
    numbers: dict[str, Any],
    sightings: Sightings,
    load: Callable[[Path], NDArray[np.uint8]],
) -> None:
    """Write report.html, report.json and PNGs into `folder`, whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    sizes = sightings.left_size, sightings.right_size
    pictures: list[tuple[str, str, str, Picture]] = [
        ("coverage", "Coverage", "Corners seen in each part of either picture; white parts tell nothing.",
         _side_by_side([_coverage(calibration, s, sizes[s]) for s in (0, 1)])),
        ("residuals", "Residuals", "Measured minus predicted corners, magnified 50 times. Patterns mean that the lens "
         "model does not fit; one long arrow is one bad corner.",
         _side_by_side([_residuals(calibration, s, sizes[s]) for s in (0, 1)])),
        ("views", "Error per view", "Rms distance of the corners from their prediction, px: left blue, right red.",
         _per_view(calibration)),
        ("uncertainty", "Row error that the parameters allow", "Standard error of the row, px, over the left picture, "
         "from the covariance of the parameters: where it is large, views are missing.",
         _map(assessment.prediction.row_map_px, "px", sizes[0])),
        ("depth_map", "Depth error over the picture", "Relative standard error of depth at the middle distance, "
         "per cent, from the calibration alone.", _map(assessment.prediction.depth_map * 100, "%", sizes[0])),
        ("depth_error", "Depth error against distance", "Blue: what the calibration leaves unsure. Red: what a "
         "disparity error of a quarter pixel costs.", _depth_chart(assessment)),
    ]  # fmt: skip
    example = _example(calibration, sightings, load)
    if example is not None:
        words = "One view after rectification: a corner must lie on one line in both pictures."
        pictures.insert(2, ("rectified", "Rectified", words, example))
    with staged_folder(folder) as staging:
        cells = []
        for name, title, words, picture in pictures:
            png = _png(picture)
            write_bytes(staging / f"{name}.png", png)
            data = base64.b64encode(png).decode()
            alt = html.escape(title)
            cells.append(
                f'<section><h2>{alt}</h2><img alt="{alt}" src="data:image/png;base64,{data}"><p>{words}</p></section>'
            )
        write_bytes(staging / "report.json", json.dumps(numbers, indent=1).encode())
        write_bytes(staging / "report.html", _page(calibration, assessment, numbers, "\n".join(cells)).encode())


def _page(calibration: Calibration, assessment: Assessment, numbers: dict[str, Any], cells: str) -> str:
    rig = calibration.rig
    rows = [
        ("model", calibration.fit.model),
        ("views used", f"{len(calibration.views)}, left out {len(calibration.rejected)}, "
         f"corners dropped {calibration.points_dropped}"),
        ("reprojection rms", f"{rig.rms_px:.3f} px"),
        ("row error, views left out", f"{calibration.epipolar_rms_px:.3f} px rms, "
         f"{calibration.epipolar_max_px:.2f} px at most"),
        ("row error, predicted", f"{assessment.prediction.row_error_px:.3f} px"),
        ("baseline", f"{rig.baseline_m * 1000:.3f} &plusmn; {rig.parameter_sigma['baseline_m'] * 1000:.3f} mm"),
    ]  # fmt: skip
    sigma = rig.parameter_sigma
    for side, camera in (("left", rig.left), ("right", rig.right)):
        for words, names in (("focal length", ("fx_px", "fy_px")), ("principal point", ("cx_px", "cy_px"))):
            values = [f"{getattr(camera, n):.2f} &plusmn; {sigma[f'{side}.{n}']:.2f}" for n in names]
            rows.append((f"{side} {words}", ", ".join(values) + " px"))
    if assessment.scale is not None:
        scale = assessment.scale
        rows.append(
            (
                "squares as measured back",
                f"{scale.square_mm:.3f} mm ({scale.error_percent:+.2f} %, {scale.error_mm:+.3f} mm)",
            )
        )
        rows.append(("board off its plane", f"{scale.bend_mm:.2f} mm rms"))
    tried = ", ".join(f"{name} {rms:.4f}" for name, rms in calibration.model_rms_px.items())
    rows.append(("error of unseen views, px", tried))
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    verdict = "".join(f"<li>{html.escape(line)}</li>" for line in assessment.verdict)
    out = "".join(f"<li>{html.escape(r.name)}: {html.escape(r.why)}</li>" for r in calibration.rejected)
    left_out = f"<h2>Left out</h2><ul>{out}</ul>" if out else ""
    name = html.escape(rig.device or "rig")
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Calibration of {name}</title>
<meta name="viewport" content="width=device-width"><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#222}}
h1{{margin-bottom:0}} .good{{color:#1d8348}} .usable{{color:#b9770e}} .poor{{color:#b03a2e}}
main{{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:1.5em}}
img{{width:100%;border:1px solid #ddd}} table{{border-collapse:collapse}}
th{{text-align:left;font-weight:500;padding:.15em 1.5em .15em 0}} td{{font-variant-numeric:tabular-nums}}
</style><h1>Calibration of {name}: <span class="{assessment.grade}">{assessment.grade}</span></h1>
<ul>{verdict}</ul><table>{table}</table>{left_out}<main>{cells}</main>
<p>The same numbers for machines: report.json.</p></html>
"""


def _png(picture: Picture) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def _blank(size_px: tuple[int, int]) -> tuple[Picture, float]:
    scale = WIDTH_PX / size_px[0]
    return np.full((max(1, round(size_px[1] * scale)), WIDTH_PX, 3), PAPER, np.uint8), scale


def _side_by_side(parts: list[Picture]) -> Picture:
    gap = np.full((parts[0].shape[0], 10, 3), 128, np.uint8)
    return np.hstack([parts[0], gap, parts[1]])


def _words(picture: Picture, text: str, x: int, y: int, colour: tuple[int, int, int] = INK, size: float = 0.42) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _coverage(calibration: Calibration, side: int, size_px: tuple[int, int]) -> Picture:
    picture, scale = _blank(size_px)
    cells = coverage(calibration.views, side, size_px)
    height, width = picture.shape[:2]
    strength = np.clip(cells / max(1.0, float(np.percentile(cells, 80))), 0, 1)
    for (row, column), s in np.ndenumerate(strength):
        x0, x1 = (round(c * width / cells.shape[1]) for c in (column, column + 1))
        y0, y1 = (round(r * height / cells.shape[0]) for r in (row, row + 1))
        picture[y0:y1, x0:x1] = np.rint(np.array(PAPER) + (np.array((150, 205, 235)) - PAPER) * s)
    for view in calibration.views:
        for point in view.left_px if side == 0 else view.right_px:
            at = tuple(np.rint(point * scale).astype(int).tolist())
            cv2.circle(picture, at, 1, BLUE if side == 0 else RED, -1, cv2.LINE_AA)
    _words(picture, ("left", "right")[side], 6, 16)
    return picture


def _residuals(calibration: Calibration, side: int, size_px: tuple[int, int]) -> Picture:
    picture, scale = _blank(size_px)
    for view, pair in zip(calibration.views, calibration.fit.residuals, strict=True):
        for point, error in zip(view.left_px if side == 0 else view.right_px, pair[side], strict=True):
            a, b = point * scale, (point + 50 * error) * scale
            colour = GREEN if float(np.hypot(*error)) < 0.5 else RED
            ends = [tuple(np.rint(v).astype(int).tolist()) for v in (a, b)]
            cv2.line(picture, ends[0], ends[1], colour, 1, cv2.LINE_AA)
    _words(picture, f"{('left', 'right')[side]}, 50x", 6, 16)
    return picture


def _per_view(calibration: Calibration) -> Picture:
    picture = np.full((300, 2 * WIDTH_PX + 10, 3), PAPER, np.uint8)
    errors = [
        [float(np.sqrt(np.square(r).sum(axis=1).mean())) if len(r) else 0.0 for r in pair]
        for pair in calibration.fit.residuals
    ]
    top = max(0.1, 1.15 * max(max(e) for e in errors))
    base, left, width = 270, 50, picture.shape[1] - 70
    for fraction in (0.25, 0.5, 0.75, 1.0):
        y = round(base - 240 * fraction)
        cv2.line(picture, (left, y), (left + width, y), GRID, 1)
        _words(picture, f"{top * fraction:.2f}", 6, y + 4)
    step = width / len(errors)
    for i, pair in enumerate(errors):
        for side, error in enumerate(pair):
            x0 = round(left + (i + 0.12 + 0.4 * side) * step)
            x1 = max(x0 + 1, round(left + (i + 0.48 + 0.4 * side) * step))
            cv2.rectangle(picture, (x0, base), (x1, round(base - 240 * error / top)), (BLUE, RED)[side], -1)
        if len(errors) <= 40:
            _words(picture, str(i + 1), round(left + (i + 0.3) * step), base + 16, size=0.36)
    return picture


def _map(values: NDArray[np.float64], unit: str, size_px: tuple[int, int]) -> Picture:
    picture, _ = _blank(size_px)
    known = np.isfinite(values)
    top = float(np.nanmax(values)) if known.any() else 1.0
    level = np.where(known, np.nan_to_num(values) / max(top, 1e-12), 0)
    colour = cv2.applyColorMap(np.rint(level * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1].copy()
    colour[~known] = (200, 200, 200)
    height, width = picture.shape[:2]
    picture[:] = cv2.resize(colour, (width, height), interpolation=cv2.INTER_NEAREST)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            x, y = round((column + 0.1) * width / values.shape[1]), round((row + 0.6) * height / values.shape[0])
            ink = (255, 255, 255) if level[row, column] < 0.6 else (0, 0, 0)
            _words(picture, f"{value:.2g}{unit if unit == '%' else ''}", x, y, ink, 0.36)
    return picture


def _depth_chart(assessment: Assessment) -> Picture:
    picture = np.full((360, WIDTH_PX, 3), PAPER, np.uint8)
    z = assessment.prediction.distances_m
    curves = ((assessment.prediction.depth_error_m / z, BLUE), (assessment.prediction.matching_error_m / z, RED))
    values = np.concatenate([c for c, _ in curves])
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return picture
    low, high = np.log10(values.min()) - 0.1, np.log10(values.max()) + 0.1
    left, right, top, base = 60, WIDTH_PX - 20, 20, 320

    def place(distance_m: float, share: float) -> tuple[int, int]:
        x = left + (right - left) * np.log(distance_m / z[0]) / np.log(z[-1] / z[0])
        return round(float(x)), round(float(base - (base - top) * (np.log10(share) - low) / (high - low)))

    for decade in range(int(np.floor(low)), int(np.ceil(high)) + 1):
        for step in (1, 2, 5):
            share = step * 10.0**decade
            if low <= np.log10(share) <= high:
                y = place(z[0], share)[1]
                cv2.line(picture, (left, y), (right, y), GRID, 1)
                _words(picture, f"{share * 100:.3g}%", 6, y + 4, size=0.38)
    for distance_m in z[::2]:
        x = place(distance_m, 10.0**low)[0]
        cv2.line(picture, (x, top), (x, base), GRID, 1)
        _words(picture, f"{distance_m:.2g} m", x - 14, base + 18, size=0.38)
    for curve, colour in curves:
        points = [place(a, b) for a, b in zip(z, curve, strict=True) if np.isfinite(b) and b > 0]
        cv2.polylines(picture, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)
    return picture


def _example(
    calibration: Calibration, sightings: Sightings, load: Callable[[Path], NDArray[np.uint8]]
) -> Picture | None:
    names = [v.name for v in calibration.views if v.both and v.name in sightings.shots]
    for name in names[len(names) // 2 :]:
        shot = sightings.shots[name]
        if shot.left is None or shot.right is None:
            continue
        grey = [load(p) for p in (shot.left, shot.right)]
        views = [np.ascontiguousarray(np.repeat(g[..., None], 3, axis=2)) for g in grey]
        pair = rectify(StereoPair(views[0], views[1], name), calibration.rig)
        height = round(pair.left.shape[0] * WIDTH_PX / pair.left.shape[1])
        both = [cv2.resize(v, (WIDTH_PX, height), interpolation=cv2.INTER_AREA) for v in (pair.left, pair.right)]
        joined = np.hstack(both).astype(np.uint8)
        for y in range(12, height, 24):
            cv2.line(joined, (0, y), (joined.shape[1], y), (255, 120, 0), 1)
        return joined
    return None
