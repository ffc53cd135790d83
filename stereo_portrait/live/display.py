"""Whether a window can be opened here, found out where it does no harm."""

import functools
import os
import subprocess
import sys

OPEN_ONE = "import cv2; cv2.namedWindow('stereo-portrait', cv2.WINDOW_NORMAL); cv2.waitKey(1)"
PATIENCE_S = 20.0


@functools.cache
def has_display() -> bool:
    """Whether a window can be opened; OpenCV aborts the whole process where it cannot.

    A display may be named that is not there (a connection that ended), or be of a kind that OpenCV does not know, so a
    process of its own tries.
    """
    if sys.platform in ("win32", "darwin"):
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        tried = subprocess.run([sys.executable, "-c", OPEN_ONE], capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
