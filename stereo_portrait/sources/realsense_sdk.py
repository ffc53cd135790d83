"""The RealSense SDK: loaded when it is there, explained when it is not."""

import ctypes
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from stereo_portrait.core.errors import DeviceError
from stereo_portrait.core.rig import Camera, DistortionModel, RigCalibration

UDEV = "on Linux the SDK's udev rules must be installed (docs/realsense.md), then plug it in again"


@dataclass(frozen=True)
class FoundCamera:
    """A RealSense camera that is plugged in."""

    name: str
    serial: str
    usb: str  # "3.2", "2.1"; empty where the SDK does not say


def load_sdk() -> Any:
    """The module pyrealsense2, with libusb found in its wheel where the system has none.

    Raises:
        DeviceError: not installed, or its libraries do not load.
    """
    try:
        import libusb_package

        path = libusb_package.get_library_path()
        if path is not None and sys.platform != "win32":
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except (ImportError, OSError):
        pass  # the system's own libusb may do
    try:
        import pyrealsense2
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "pyrealsense2":
            raise DeviceError(
                "the RealSense SDK is not installed: pip install pyrealsense2 "
                "(wheels exist for Linux x86-64 and Windows; elsewhere build librealsense with its Python bindings)"
            ) from error
        raise DeviceError(f"the RealSense SDK does not load ({error}); pip install libusb-package") from error
    return pyrealsense2


def list_realsense() -> list[FoundCamera]:
    """Every RealSense camera that the SDK sees.

    Raises:
        DeviceError: no SDK, or it fails to look.
    """
    rs = load_sdk()
    try:
        return [_found(rs, device) for device in rs.context().query_devices()]
    except RuntimeError as error:
        raise DeviceError(f"the RealSense SDK cannot look for cameras ({error}); {UDEV}") from error


def _found(rs: Any, device: Any) -> FoundCamera:
    def told(key: Any) -> str:
        return str(device.get_info(key)) if device.supports(key) else ""

    info = rs.camera_info
    return FoundCamera(told(info.name), told(info.serial_number), told(info.usb_type_descriptor))


def camera_of(profile: Any) -> Camera:
    """Intrinsics of a video stream. RealSense pixel centres are integers, as ours."""
    rs = load_sdk()
    found = profile.as_video_stream_profile().get_intrinsics()
    distortion = tuple(float(v) for v in found.coeffs)
    model: DistortionModel = "pinhole"
    if not any(distortion) or found.model == rs.distortion.none:
        distortion, model = (), "none"
    elif found.model == rs.distortion.kannala_brandt4:
        distortion, model = distortion[:4], "fisheye"
    elif found.model not in (rs.distortion.brown_conrady, rs.distortion.modified_brown_conrady):
        distortion, model = (), "none"  # inverse models: coefficients for undistorted points, tiny on these cameras
    return Camera(found.width, found.height, found.fx, found.fy, found.ppx, found.ppy, distortion, model)


def rig_of(left: Any, right: Any, name: str) -> RigCalibration:
    """The pose between two streams; the SDK stores rotations column by column."""
    pose = left.get_extrinsics_to(right)
    rotation = np.array(pose.rotation, np.float64).reshape(3, 3).T
    u, _, vt = np.linalg.svd(rotation)  # float32 in the device: bring it back onto the rotations
    translation_m = np.array(pose.translation, np.float64)
    return RigCalibration(camera_of(left), camera_of(right), u @ vt, translation_m, device=name)


def on_one_grid(depth: Any, colour: Any) -> bool:
    """Whether two streams have the same lens in the same place, so that their pixels correspond as they are."""
    lenses = [p.as_video_stream_profile().get_intrinsics() for p in (depth, colour)]
    numbers = [(i.width, i.height, i.fx, i.fy, i.ppx, i.ppy, *i.coeffs) for i in lenses]
    try:
        pose = depth.get_extrinsics_to(colour)
    except RuntimeError:
        return False  # not known: the SDK decides what it can do
    still = not any(pose.translation) and list(pose.rotation) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    return numbers[0] == numbers[1] and still
