"""The live picture as a camera that other programs can choose."""

from typing import Any

import cv2

from stereo_portrait.core.errors import DeviceError
from stereo_portrait.live.picture import Picture


class VirtualCamera:
    """Sends pictures to a loopback device through pyvirtualcam; the first picture's size is the camera's."""

    def __init__(self, rate_hz: float) -> None:
        """Look for the package; the device is opened with the first picture.

        Raises:
            DeviceError: pyvirtualcam is not installed.
        """
        try:
            import pyvirtualcam
        except ImportError as error:
            raise DeviceError(
                "--virtual-camera needs pyvirtualcam: pip install 'stereo-portrait[virtual-camera]'"
            ) from error
        self._module: Any = pyvirtualcam
        self.rate_hz = rate_hz
        self._camera: Any = None
        self.device = ""

    def show(self, picture: Picture) -> bool:
        """Send it.

        Raises:
            DeviceError: no loopback device, or it went away.
        """
        image = picture.image
        try:
            if self._camera is None:
                height, width = image.shape[:2]
                self._camera = self._module.Camera(width=width, height=height, fps=self.rate_hz)
                self.device = str(self._camera.device)
            if image.shape[:2] != (self._camera.height, self._camera.width):
                size = (self._camera.width, self._camera.height)
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            self._camera.send(image)
        except (RuntimeError, OSError) as error:
            raise DeviceError(
                f"no virtual camera ({' '.join(str(error).split())}); on Linux: sudo modprobe v4l2loopback; "
                "on Windows and macOS: install OBS"
            ) from error
        return True

    def idle(self) -> bool:
        """Nothing to do."""
        return True

    def close(self) -> None:
        """Let go of the device."""
        if self._camera is not None:
            self._camera.close()
