"""The scenes of a folder as their right cameras see them, mirrored: pairs that nothing was chosen by.

python -m stereo_portrait.training.mirror_scenes --scenes DIR --out DIR

What the right view occludes is not what the left one does, so a setting that suits a scene by chance does not suit its
mirror image. Only scenes whose folder holds the right view's truth as well can be mirrored.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from stereo_portrait.core.errors import DatasetError, StereoPortraitError
from stereo_portrait.core.pfm import pfm_bytes, read_pfm
from stereo_portrait.core.rig import RectifiedRig
from stereo_portrait.export.files import staged_folder, write_bytes
from stereo_portrait.geometry.rig_file import read_rig
from stereo_portrait.geometry.rig_formats import middlebury
from stereo_portrait.geometry.rig_formats.reading import read_text

LAYOUTS = (  # left, right; left truth, right truth
    ("im0.png", "im1.png", "disp0GT.pfm", "disp1GT.pfm"),
    ("im0.png", "im1.png", "disp0.pfm", "disp1.pfm"),
    ("im2.png", "im6.png", "disp2.png", "disp6.png"),
    ("view1.png", "view5.png", "disp1.png", "disp5.png"),
)
MASKS = ("mask0nocc.png", "mask1nocc.png")
CALIBRATION = "calib.txt"
MARK = ".mirrored"  # in a folder that may be replaced


def mirrored(folder: Path) -> dict[str, bytes]:
    """The files of the mirror image of the scene in `folder`; none where one of its four pictures is missing.

    Raises:
        DatasetError, InputError, RigError: one of the files is damaged; it is named.
    """
    layout = next((names for names in LAYOUTS if all((folder / name).is_file() for name in names)), None)
    if layout is None:
        return {}
    masks = MASKS if all((folder / name).is_file() for name in MASKS) else ()
    files: dict[str, bytes] = {}
    for one, other in (layout[:2], layout[2:], *([masks] if masks else [])):
        files[other], files[one] = _flipped(folder / one), _flipped(folder / other)
    if (folder / CALIBRATION).is_file():
        height_px, width_px = cv2.imdecode(np.frombuffer(files[layout[0]], np.uint8), cv2.IMREAD_GRAYSCALE).shape
        files[CALIBRATION] = _calibration(folder / CALIBRATION, (width_px, height_px)).encode()
    return files


def _flipped(path: Path) -> bytes:
    if path.suffix == ".pfm":
        return pfm_bytes(np.ascontiguousarray(read_pfm(path)[:, ::-1]))
    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if picture is None:
        raise DatasetError(f"{path}: not a picture that can be read; fetch the scene again")
    return cv2.imencode(".png", cv2.flip(picture, 1))[1].tobytes()


def _calibration(path: Path, size_px: tuple[int, int]) -> str:
    """The cameras change places, and their principal points the side from which they count; other lines stay."""
    rig = read_rig(path, size_px)
    if not isinstance(rig, RectifiedRig):
        raise DatasetError(f"{path}: expected the calibration of a rectified pair")
    last_px = rig.width_px - 1
    turned = replace(rig, cx_left_px=last_px - rig.cx_right_px, cx_right_px=last_px - rig.cx_left_px)
    text = middlebury.write(turned)
    written = middlebury.values(text, path)
    kept = {k: v for k, v in middlebury.values(read_text(path), path).items() if k not in written}
    return text + "".join(f"{name}={value}\n" for name, value in kept.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, required=True, help="a folder of its own; what an earlier run left there goes"
    )
    options = parser.parse_args()
    scenes, out = options.scenes.resolve(), options.out.resolve()
    if out == scenes or scenes in out.parents or out in scenes.parents:
        raise SystemExit(f"{options.out} and {options.scenes} lie in each other: name another folder for the mirrored")
    if out.exists() and any(out.iterdir()) and not (out / MARK).is_file():
        raise SystemExit(f"{options.out} holds something else: name a folder that is empty or does not exist")
    folders = [options.scenes, *sorted(p for p in options.scenes.rglob("*") if p.is_dir())]
    try:
        found = {f.relative_to(options.scenes): files for f in folders if (files := mirrored(f))}
    except StereoPortraitError as error:
        raise SystemExit(str(error)) from error
    if not found:
        raise SystemExit(f"{options.scenes}: no scene with the truth of both views")
    shutil.rmtree(out, ignore_errors=True)
    with staged_folder(out) as staging:
        write_bytes(staging / MARK, b"mirrored scenes\n")
        for place, files in found.items():
            (staging / place).mkdir(parents=True, exist_ok=True)
            for name, data in files.items():
                write_bytes(staging / place / name, data)
    print(f"{len(found)} scenes mirrored into {options.out}")


if __name__ == "__main__":
    main()
