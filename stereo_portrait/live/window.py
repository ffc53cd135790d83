"""The live picture in a window of this machine."""

import cv2

from stereo_portrait.core.errors import DeviceError
from stereo_portrait.live.controls import VIEWS, Controls
from stereo_portrait.live.display import has_display
from stereo_portrait.live.picture import Picture

TITLE = "stereo-portrait live: click focuses, [ ] aperture, space freezes, s saves, 1-4 views, q ends"
FIRST_SIZE = (1280, 800)  # at most; it may be drawn larger
STOP = 2**0.25  # a quarter of what doubles the f-number
FOLLOW = {"a": "auto", "f": "face", "u": "subject"}


class Window:
    """Shows pictures with OpenCV; must be used from the main thread."""

    def __init__(self, controls: Controls) -> None:
        """Open the window.

        Raises:
            DeviceError: no display, or an OpenCV without windows.
        """
        if not has_display():
            raise DeviceError("no display here that --window can use; use --http PORT and a browser, or --headless")
        self.controls = controls
        self._size = (1, 1)
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.setMouseCallback(TITLE, self._mouse)
        except cv2.error as error:
            raise DeviceError(
                "this OpenCV was built without windows; use --http PORT, or pip install opencv-contrib-python"
            ) from error

    def show(self, picture: Picture) -> bool:
        """Draw it and look at the keys; False when the viewer has had enough."""
        size = (picture.image.shape[1], picture.image.shape[0])
        if self._size == (1, 1):  # the first one: the window takes its size
            shrink = max(1.0, size[0] / FIRST_SIZE[0], size[1] / FIRST_SIZE[1])
            cv2.resizeWindow(TITLE, round(size[0] / shrink), round(size[1] / shrink))
        self._size = size
        cv2.imshow(TITLE, cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR))
        return self.idle()

    def idle(self) -> bool:
        """Look at the keys and at the window's cross."""
        key = cv2.waitKey(1) & 0xFF
        if key in (ord("q"), 27) or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return False
        press(chr(key), self.controls)
        return True

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(TITLE)

    def _mouse(self, event: int, x_px: int, y_px: int, flags: int, data: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN and 0 <= x_px < self._size[0] and 0 <= y_px < self._size[1]:
            self.controls.focus_at(x_px / self._size[0], y_px / self._size[1])


def press(key: str, controls: Controls) -> None:
    """What a key asks for; unknown keys ask for nothing."""
    wish = controls.wish
    if key in "1234":
        controls.show(VIEWS[int(key) - 1])
    elif key in FOLLOW:
        controls.follow(FOLLOW[key])  # type: ignore[arg-type]
    elif key == "[":
        controls.set_f_number(wish.f_number / STOP)
    elif key == "]":
        controls.set_f_number(wish.f_number * STOP)
    elif key == " ":
        controls.freeze(not wish.frozen)
    elif key == "s":
        controls.save()
