"""Rig files: every format reads, round trips are exact, damage is named."""

from pathlib import Path

import numpy as np
import pytest

from stereo_portrait.core.errors import RigError
from stereo_portrait.core.rig import Camera, RectifiedRig, RigCalibration
from stereo_portrait.geometry.rectify import rectified_rig
from stereo_portrait.geometry.rig_file import Format, Rig, read_rig, rig_text

ANGLE = np.radians([0.3, -1.1, 0.4])
EUROC_LEFT = """%YAML:1.0
sensor_type: camera
T_BS:
  cols: 4
  rows: 4
  data: [1.0, 0.0, 0.0, 0.0,
         0.0, 1.0, 0.0, 0.0,
         0.0, 0.0, 1.0, 0.0,
         0.0, 0.0, 0.0, 1.0]
resolution: [752, 480]
camera_model: pinhole
intrinsics: [458.654, 457.296, 367.215, 248.375] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05]
"""
MIDDLEBURY = (
    "cam0=[999.421 0 294.182; 0 999.421 252.932; 0 0 1]\ncam1=[999.421 0 326.96; 0 999.421 252.932; 0 0 1]\n"
    "doffs=32.778\nbaseline=193.001\nwidth=741\nheight=497\nndisp=70\nisint=0\nvmin=7\nvmax=65\n"
)
KITTI = (
    "P0: 7.18e+02 0 6.07e+02 0 0 7.18e+02 1.85e+02 0 0 0 1 0\n"
    "P1: 7.18e+02 0 6.07e+02 -3.86e+02 0 7.18e+02 1.85e+02 0 0 0 1 0\n"
    "P2: 721.5377 0 609.5593 44.85728 0 721.5377 172.854 0.2163791 0 0 1 0.002745884\n"
    "P3: 721.5377 0 609.5593 -339.5242 0 721.5377 172.854 2.199936 0 0 1 0.002729905\nR0_rect: 1 0 0 0 1 0 0 0 1\n"
)
OPENCV = """%YAML:1.0
---
image_width: 640
image_height: 480
M1: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.34e+02, 0., 3.35e+02, 0., 5.34e+02, 2.40e+02, 0., 0., 1. ]
D1: !!opencv-matrix
   rows: 1
   cols: 5
   dt: d
   data: [ -2.9e-01, 1.0e-01, 0., 0., 0. ]
M2: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.34e+02, 0., 3.34e+02, 0., 5.34e+02, 2.42e+02, 0., 0., 1. ]
D2: !!opencv-matrix
   rows: 1
   cols: 5
   dt: d
   data: [ -2.8e-01, 1.0e-01, 0., 0., 0. ]
R: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 1., 0., 0., 0., 1., 0., 0., 0., 1. ]
T: !!opencv-matrix
   rows: 3
   cols: 1
   dt: d
   data: [ -83.2, 0.5, 0.1 ]
"""


def rotation() -> np.ndarray:
    import cv2

    return np.asarray(cv2.Rodrigues(ANGLE)[0])


def calibrated(model: str = "pinhole", count: int = 4) -> RigCalibration:
    coefficients = (-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05, 0.0123, 1e-7, -0.1, 0.2)[:count]
    left = Camera(640, 480, 458.654, 457.296, 327.215, 248.375, coefficients, model)  # type: ignore[arg-type]
    right = Camera(640, 480, 457.587, 456.134, 319.999, 235.238, coefficients, model)  # type: ignore[arg-type]
    t_m = np.array([-0.110074137800478, 0.000399121547014, -0.000853702503357])
    return RigCalibration(left, right, rotation(), t_m, 0.21, {"left.fx_px": 0.11}, "2024-05-06", "desk")


RECTIFIED = RectifiedRig(741, 500, 994.978, 0.193001, 311.193, 342.279, 254.877)


def numbers(rig: Rig) -> np.ndarray:
    if isinstance(rig, RectifiedRig):
        return np.array(
            [rig.width_px, rig.height_px, rig.focal_px, rig.baseline_m, rig.cx_left_px, rig.cx_right_px, rig.cy_px]
        )
    found: list[float] = []
    for camera in (rig.left, rig.right):
        found += [camera.width_px, camera.height_px, camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px]
        found += camera.distortion
    return np.concatenate([found, rig.rotation_right_from_left.ravel(), rig.translation_right_from_left_m])


@pytest.mark.parametrize(
    ("rig", "kind"),
    [
        (calibrated(), "rig"),
        (calibrated("pinhole", 8), "rig"),
        (calibrated("fisheye"), "rig"),
        (RECTIFIED, "rig"),
        (calibrated("pinhole", 5), "opencv1.0"),
        (calibrated("pinhole", 8), "opencv1.2"),
        (calibrated("fisheye"), "opencv1.0"),
        (calibrated(), "kalibr"),
        (calibrated("fisheye"), "kalibr"),
        (calibrated("pinhole", 5), "ros"),
        (calibrated("pinhole", 8), "ros"),
        (calibrated("fisheye"), "ros"),
        (calibrated("pinhole", 5), "kitti"),
        (RECTIFIED, "kitti"),
        (RECTIFIED, "middlebury"),
    ],
)
def test_a_round_trip_through_any_format_is_exact(tmp_path: Path, rig: Rig, kind: Format) -> None:
    texts = rig_text(rig, kind)
    paths = [tmp_path / name for name in ("left.yaml", "right.yaml")][: len(texts)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    found = read_rig(paths[0], right=paths[1] if len(paths) > 1 else None)
    assert type(found) is type(rig)
    np.testing.assert_allclose(numbers(found), numbers(rig), rtol=0, atol=1e-9)


def test_our_own_file_keeps_the_quality_too(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(rig_text(calibrated(), "rig")[0])
    found = read_rig(tmp_path / "r.yaml")
    assert isinstance(found, RigCalibration)
    assert (found.rms_px, found.parameter_sigma, found.calibrated_on, found.device) == (
        0.21,
        {"left.fx_px": 0.11},
        "2024-05-06",
        "desk",
    )


def test_opencv_itself_reads_what_we_write_and_we_read_what_it_writes(tmp_path: Path) -> None:
    import cv2

    rig = calibrated("pinhole", 5)
    (tmp_path / "out.yml").write_text(rig_text(rig, "opencv1.0")[0])
    storage = cv2.FileStorage(str(tmp_path / "out.yml"), cv2.FILE_STORAGE_READ)
    np.testing.assert_array_equal(storage.getNode("M1").mat(), rig.left.matrix)
    np.testing.assert_array_equal(storage.getNode("D2").mat().ravel(), rig.right.distortion)
    storage.release()
    for suffix in ("yml", "xml"):
        path = tmp_path / f"theirs.{suffix}"
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        storage.write("image_width", 640)
        storage.write("image_height", 480)
        for name, value in (
            ("cameraMatrix1", rig.left.matrix),
            ("distCoeffs1", np.array(rig.left.distortion)),
            ("cameraMatrix2", rig.right.matrix),
            ("distCoeffs2", np.array(rig.right.distortion)),
            ("R", rig.rotation_right_from_left.copy()),
            ("T", rig.translation_right_from_left_m.copy()),
        ):
            storage.write(name, value)
        storage.release()
        np.testing.assert_allclose(numbers(read_rig(path)), numbers(rig), rtol=1e-12, atol=1e-12)


def test_the_public_formats_mean_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "calib.txt").write_text(MIDDLEBURY)
    assert read_rig(tmp_path / "calib.txt") == RectifiedRig(741, 497, 999.421, 0.193001, 294.182, 326.96, 252.932)
    (tmp_path / "000046.txt").write_text(KITTI)
    kitti = read_rig(tmp_path / "000046.txt", size_px=(1242, 375))
    assert isinstance(kitti, RectifiedRig)
    assert kitti.baseline_m == pytest.approx((44.85728 + 339.5242) / 721.5377)
    (tmp_path / "stereo.yml").write_text(OPENCV)
    assert read_rig(tmp_path / "stereo.yml").baseline_m == pytest.approx(0.0832, abs=1e-4)  # millimetres, by size
    for i, x in ((0, "0.0"), (1, "0.11")):
        folder = tmp_path / f"cam{i}"
        folder.mkdir()
        (folder / "sensor.yaml").write_text(
            EUROC_LEFT.replace("0.0, 0.0, 0.0, 0.0", "", 1).replace(
                "data: [1.0, 0.0, 0.0, 0.0", f"data: [1.0, 0.0, 0.0, {x}"
            )
        )
    euroc = read_rig(tmp_path / "cam0" / "sensor.yaml")  # finds cam1 beside it
    assert isinstance(euroc, RigCalibration)
    np.testing.assert_allclose(euroc.translation_right_from_left_m, [-0.11, 0, 0])


def test_a_rig_can_be_described_without_a_file() -> None:
    rig = rectified_rig(np.zeros((500, 741, 3), np.uint8), 994.978, 0.193, doffs_px=31.086)
    assert (rig.cx_left_px, rig.doffs_px) == (370.0, pytest.approx(31.086))


BOMB = "a: &a [1,1,1,1,1,1,1,1]\n" + "".join(
    f"{c}: &{c} [*{p},*{p},*{p},*{p},*{p},*{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("\x00\x01", "damaged|no rig"),
        ("hello", "expected named values"),
        ("a: 1", "no rig found"),
        ("!!python/object/apply:os.system ['echo hi']", "plain numbers only"),
        (OPENCV + "x: !!python/name:os.system", "plain numbers only"),
        (BOMB, "aliases"),
        ("[" * 5000, "damaged|nested"),
        (OPENCV.replace("-83.2", ".nan"), "nan"),
        (OPENCV.replace("-83.2, 0.5, 0.1", "0., 0., 0."), "baseline"),
        (OPENCV.replace("-83.2", "-1e300"), "baseline|cannot be right"),
        (OPENCV.replace("5.34e+02, 0., 3.35e+02", "-5.34e+02, 0., 3.35e+02"), "focal"),
        (OPENCV.replace("image_width: 640", "image_width: 640000000"), "image size"),
        (OPENCV.replace("image_width: 640\n", ""), "image_width"),
        (OPENCV.replace("rows: 3", "rows: 4", 1), "promises"),
        (OPENCV + "R: 1\n", "twice"),
        (OPENCV.replace("[ 1., 0., 0., 0., 1.", "[ 2., 0., 0., 0., 1."), "not a rotation"),
        (OPENCV[:-12], "damaged|missing|promises|number|twice|opencv"),
        (MIDDLEBURY.replace("baseline=193.001", "baseline=0"), "baseline"),
        (MIDDLEBURY.replace("baseline=193.001", "baseline=nan"), "nan"),
        (MIDDLEBURY.replace("doffs=32.778", "doffs=3"), "doffs"),
        (MIDDLEBURY[:60], "missing|must be"),
        (MIDDLEBURY + "width=3\n", "twice"),
        (KITTI.split("P3")[0].split("P1")[0], "P2 and P3"),
        (EUROC_LEFT, "name both"),
        ("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><opencv_storage>&a;</opencv_storage>", "XML"),
        ("<html></html>", "opencv_storage"),
        ("format: stereo-portrait-rig 7", "expected"),
        ("format: stereo-portrait-rig 1\nrectified: {width_px: 10}", "height_px"),
    ],
)  # fmt: skip
def test_a_damaged_rig_is_named_with_its_file(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "bad.yml"
    path.write_text(text)
    with pytest.raises(RigError, match=complaint) as caught:
        read_rig(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_or_huge_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="cannot read"):
        read_rig(tmp_path / "none.yaml")
    with pytest.raises(RigError, match="folder"):
        read_rig(tmp_path)
    (tmp_path / "big.yaml").write_bytes(b"a: 1\n" * 400_000)
    with pytest.raises(RigError, match="too large"):
        read_rig(tmp_path / "big.yaml")
    (tmp_path / "photo.yaml").write_bytes(bytes(range(256)))
    with pytest.raises(RigError, match="not a text file"):
        read_rig(tmp_path / "photo.yaml")
