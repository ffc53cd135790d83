"""stereo-portrait doctor: what works on this machine, and what to do about the rest."""

import importlib
import importlib.metadata
import os
import platform
import sys
from typing import Any

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.core.errors import DeviceError

PACKAGES = (
    ("numpy", "numpy", "everything", True),
    ("opencv-contrib-python", "cv2", "rectification and matching", True),
    ("numba", "numba", "fast kernels", True),
    ("pillow", "PIL", "reading and writing photos", True),
    ("PyYAML", "yaml", "settings and rig files", True),
    ("onnxruntime", "onnxruntime", "networks", True),
    ("scikit-image", "skimage", "the built-in pair", True),
    ("pillow-heif", "pillow_heif", "HEIC photos", False),
    ("av", "av", "videos and recording", False),
    ("OpenEXR", "OpenEXR", "EXR pictures", False),
    ("pyrealsense2", "pyrealsense2", "RealSense cameras and recordings", False),
    ("open3d", None, "ray-cast training scenes and point clouds", False),
)
"""(distribution, module to import or None for a slow one, what needs it, whether the main job needs it)."""


@click.command(epilog="Example: stereo-portrait doctor --json")
@common_options
def command(talk: Talk) -> int:
    """Check packages, compiled kernels, display and cameras; exit 2 if the main job cannot run."""
    checks = [_package(*entry) for entry in PACKAGES]
    checks += [_contrib(), _display(), _cameras(), _realsense()]
    broken = [c for c in checks if c["needed"] and not c["works"]]
    machine = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "checks": checks,
        "ready": not broken,
    }
    lines = [f"Python {machine['python']}, {machine['cores']} cores, {machine['platform']}"]
    for check in checks:
        mark = "ok     " if check["works"] else "MISSING" if check["needed"] else "absent "
        lines.append(f"{mark} {check['name']:22s} {check['found']}")
        if not check["works"]:
            lines.append(f"        {check['advice']}")
    lines.append("ready" if not broken else "the main job cannot run; mend what is MISSING")
    talk.result(machine, "\n".join(lines))
    return 2 if broken else 0


def _package(distribution: str, module: str | None, purpose: str, needed: bool) -> dict[str, Any]:
    try:
        version = importlib.metadata.version(distribution)
        if module == "pyrealsense2":
            from stereo_portrait.sources.realsense_sdk import load_sdk

            load_sdk()
        elif module is not None:
            importlib.import_module(module)
    except importlib.metadata.PackageNotFoundError:
        advice = f"for {purpose}: pip install {distribution}"
        return _check(distribution, False, needed, f"not installed (for {purpose})", advice)
    except DeviceError as error:
        return _check(distribution, False, needed, f"{version} does not load", str(error))
    except (ImportError, OSError) as error:
        advice = "a system library is missing; on Debian: apt-get install libgl1 libglib2.0-0 libgomp1"
        return _check(distribution, False, needed, f"{version} does not load: {error}", advice)
    return _check(distribution, True, needed, f"{version} (for {purpose})", "")


def _contrib() -> dict[str, Any]:
    try:
        import cv2

        works = hasattr(cv2, "ximgproc")
    except ImportError:
        works = False
    advice = "plain opencv-python hides the contrib modules: pip uninstall opencv-python; reinstall the contrib package"
    return _check("cv2.ximgproc", works, True, "the contrib modules load" if works else "not there", advice)


def _display() -> dict[str, Any]:
    from stereo_portrait.live.display import has_display

    shown = has_display()
    advice = "pictures go to files, the live picture to the browser"
    return _check("display", shown, False, "a window can be shown" if shown else "none that can be used", advice)


def _cameras() -> dict[str, Any]:
    from stereo_portrait.sources.uvc import list_cameras

    there = list_cameras()
    if sys.platform != "linux":
        found, advice = "not listed on this system", "try uvc:0,1, or the numbers that follow"
    elif not there:
        found, advice = "no /dev/video device", "plug in a camera, or work from recorded pictures"
    else:
        found, advice = ", ".join(f"{node} ({name})" for node, name in there), ""
    locked = [node for node, _ in there if not os.access(node, os.R_OK | os.W_OK)]
    if locked:
        advice = f"no permission for {', '.join(locked)}: sudo usermod -aG video $USER, then log in again"
    return _check("cameras (uvc:)", bool(there) and not locked, False, found, advice)


def _realsense() -> dict[str, Any]:
    from stereo_portrait.sources.realsense_sdk import UDEV, list_realsense

    try:
        there = list_realsense()
    except DeviceError as error:
        return _check("RealSense cameras", False, False, "cannot be looked for", str(error))
    found = ", ".join(f"{c.name} {c.serial}{f' on USB {c.usb}' if c.usb else ''}" for c in there)
    advice = f"plug it into a USB 3 port; {UDEV}; recordings (.db3, .bag) play without"
    return _check("RealSense cameras", bool(there), False, found or "none plugged in", advice)


def _check(name: str, works: bool, needed: bool, found: str, advice: str) -> dict[str, Any]:
    return {"name": name, "works": works, "needed": needed, "found": found, "advice": "" if works else advice}
