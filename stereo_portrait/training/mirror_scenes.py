"""The scenes of a folder as their right cameras see them, mirrored: pairs that nothing was chosen by.

python -m stereo_portrait.training.mirror_scenes --scenes DIR --out DIR

What the right view occludes is not what the left one does, so a setting that suits a scene by chance does not suit its
mirror image. Only scenes whose folder holds the right view's truth as well can be mirrored.
"""

import argparse
import re
from pathlib import Path

import cv2
import numpy as np

from stereo_portrait.core.errors import DatasetError
from stereo_portrait.core.pfm import pfm_bytes, read_pfm
from stereo_portrait.export.files import write_bytes

LAYOUTS = (  # left, right; left truth, right truth
    ("im0.png", "im1.png", "disp0GT.pfm", "disp1GT.pfm"),
    ("im0.png", "im1.png", "disp0.pfm", "disp1.pfm"),
    ("im2.png", "im6.png", "disp2.png", "disp6.png"),
    ("view1.png", "view5.png", "disp1.png", "disp5.png"),
)
MASKS = ("mask0nocc.png", "mask1nocc.png")
CALIBRATION = "calib.txt"


def mirrored(folder: Path, out: Path) -> bool:
    """Write the mirror image of the scene in `folder` to `out`; False where one of its four pictures is missing."""
    layout = next((names for names in LAYOUTS if all((folder / name).is_file() for name in names)), None)
    if layout is None:
        return False
    out.mkdir(parents=True, exist_ok=True)
    masks = MASKS if all((folder / name).is_file() for name in MASKS) else ()
    for one, other in (layout[:2], layout[2:], *([masks] if masks else [])):
        _flip(folder / one, out / other)
        _flip(folder / other, out / one)
    if (folder / CALIBRATION).is_file():
        text = (folder / CALIBRATION).read_text(encoding="utf-8")
        write_bytes(out / CALIBRATION, _calibration(text).encode())
    return True


def _flip(source: Path, into: Path) -> None:
    if source.suffix == ".pfm":
        write_bytes(into, pfm_bytes(np.ascontiguousarray(read_pfm(source)[:, ::-1])))
        return
    picture = cv2.imdecode(np.fromfile(source, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise DatasetError(f"{source}: not a picture that can be read")
    write_bytes(into, cv2.imencode(".png", cv2.flip(picture, 1))[1].tobytes())


def _calibration(text: str) -> str:
    """The cameras change places, and their principal points the side from which they count."""
    width = float(re.search(r"^width\s*=\s*(\S+)", text, re.MULTILINE).group(1))  # type: ignore[union-attr]
    cameras = dict(re.findall(r"^(cam[01])\s*=\s*\[(.*)\]", text, re.MULTILINE))
    for one, other in (("cam0", "cam1"), ("cam1", "cam0")):
        first = re.split(r"\s+", cameras[other].split(";")[0].strip())
        row = f"{first[0]} {first[1]} {width - 1 - float(first[2]):g}"
        matrix = ";".join([row, *cameras[other].split(";")[1:]])
        text = re.sub(rf"^{one}\s*=.*$", f"{one}=[{matrix}]", text, flags=re.MULTILINE)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    folders = [options.scenes, *sorted(p for p in options.scenes.rglob("*") if p.is_dir())]
    done = [f for f in folders if mirrored(f, options.out / f.relative_to(options.scenes))]
    if not done:
        raise SystemExit(f"{options.scenes}: no scene with the truth of both views")
    print(f"{len(done)} scenes mirrored into {options.out}")


if __name__ == "__main__":
    main()
