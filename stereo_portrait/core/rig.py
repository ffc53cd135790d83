"""Cameras and rigs: what a calibration knows, before and after rectification."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.arrays import checked
from stereo_portrait.core.errors import RigError

DistortionModel = Literal["none", "pinhole", "fisheye"]
FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Intrinsics of one camera; pixel centres are integers, so the image starts at -0.5.

    `distortion` holds OpenCV's coefficients: (k1 k2 p1 p2 [k3 [k4 k5 k6 ...]]) for "pinhole", (k1 k2 k3 k4) for
    "fisheye" (Kannala-Brandt), empty for "none".
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, ...] = ()
    distortion_model: DistortionModel = "none"

    def __post_init__(self) -> None:
        numbers = (self.fx_px, self.fy_px, self.cx_px, self.cy_px, *self.distortion)
        if not all(math.isfinite(v) for v in numbers):
            raise RigError(f"a camera's numbers must be finite, found {numbers}; recalibrate or mend the rig file")
        if self.fx_px <= 0 or self.fy_px <= 0:
            raise RigError(f"a focal length must be positive, found fx {self.fx_px:g}, fy {self.fy_px:g} px")
        if self.width_px < 1 or self.height_px < 1:
            raise RigError(f"an image size must be positive, found {self.width_px}x{self.height_px}")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3) pinhole matrix in pixels."""
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1.0]])

    def resized(self, width_px: int, height_px: int) -> "Camera":
        """The same camera read out at another size: rays are kept."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        return Camera(
            width_px,
            height_px,
            self.fx_px * sx,
            self.fy_px * sy,
            (self.cx_px + 0.5) * sx - 0.5,
            (self.cy_px + 0.5) * sy - 0.5,
            self.distortion,
            self.distortion_model,
        )

    def cropped(self, x_px: int, y_px: int, width_px: int, height_px: int) -> "Camera":
        """The camera of the window whose top left pixel is (x, y)."""
        return Camera(
            width_px,
            height_px,
            self.fx_px,
            self.fy_px,
            self.cx_px - x_px,
            self.cy_px - y_px,
            self.distortion,
            self.distortion_model,
        )


@dataclass(frozen=True, slots=True, eq=False)
class RigCalibration:
    """Two cameras and the pose between them: x_right = R x_left + t."""

    left: Camera
    right: Camera
    rotation_right_from_left: NDArray[np.float64]  # (3, 3)
    translation_right_from_left_m: NDArray[np.float64]  # (3,)
    rms_px: float | None = None
    parameter_sigma: dict[str, float] = field(default_factory=dict)  # standard errors, keyed by parameter name
    calibrated_on: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        rotation = checked(self.rotation_right_from_left, "rotation_right_from_left", (3, 3), np.float64)
        t_m = checked(self.translation_right_from_left_m, "translation_right_from_left_m", (3,), np.float64)
        object.__setattr__(self, "rotation_right_from_left", rotation)
        object.__setattr__(self, "translation_right_from_left_m", t_m)
        if not (np.isfinite(rotation).all() and np.isfinite(t_m).all()):
            raise RigError("the pose between the cameras holds NaN or infinity; recalibrate or mend the rig file")
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
            raise RigError(
                "the rotation between the cameras is not a rotation matrix; recalibrate or mend the rig file"
            )
        if self.baseline_m <= 0:
            raise RigError("the baseline is zero: the two cameras stand in one place; check the translation's unit")

    @property
    def baseline_m(self) -> float:
        """Distance between the two optical centres."""
        return float(np.linalg.norm(self.translation_right_from_left_m))


@dataclass(frozen=True, slots=True)
class RectifiedRig:
    """A rectified pair's geometry: rows aligned, one focal length, disparity positive in the left view.

    Z = f B / (d + cx_right - cx_left); the difference of the principal points is Middlebury's `doffs`.
    """

    width_px: int
    height_px: int
    focal_px: float
    baseline_m: float
    cx_left_px: float
    cx_right_px: float
    cy_px: float

    def __post_init__(self) -> None:
        numbers = (self.focal_px, self.baseline_m, self.cx_left_px, self.cx_right_px, self.cy_px)
        if not all(math.isfinite(v) for v in numbers):
            raise RigError(f"a rectified rig's numbers must be finite, found {numbers}; mend the rig file")
        if self.focal_px <= 0 or self.baseline_m <= 0:
            raise RigError(
                f"focal length and baseline must be positive, found {self.focal_px:g} px and {self.baseline_m:g} m"
            )
        if self.width_px < 1 or self.height_px < 1:
            raise RigError(f"an image size must be positive, found {self.width_px}x{self.height_px}")

    @property
    def doffs_px(self) -> float:
        """cx_right - cx_left: what is added to a disparity before it becomes depth."""
        return self.cx_right_px - self.cx_left_px

    def inverse_depth_per_m(self, disparity_px: FloatArray) -> FloatArray:
        """1/Z in 1/m; NaN stays NaN; negative where the disparity says "behind infinity"."""
        scale = np.float32(1.0 / (self.focal_px * self.baseline_m))
        return (disparity_px + np.float32(self.doffs_px)) * scale

    def depth_m(self, disparity_px: FloatArray) -> FloatArray:
        """Z = f B / (d + doffs) in metres; +inf at and beyond infinity; NaN stays NaN."""
        shifted_px = np.asarray(disparity_px) + np.float32(self.doffs_px)
        with np.errstate(divide="ignore"):
            depth = np.float32(self.focal_px * self.baseline_m) / np.maximum(shifted_px, 0)
        return np.asarray(depth, dtype=np.asarray(disparity_px).dtype)

    def disparity_px(self, depth_m: FloatArray) -> FloatArray:
        """d = f B / Z - doffs in pixels; infinity gives -doffs; NaN stays NaN."""
        depth = np.asarray(depth_m)
        return np.asarray(np.float32(self.focal_px * self.baseline_m) / depth - np.float32(self.doffs_px), depth.dtype)

    def resized(self, width_px: int, height_px: int) -> "RectifiedRig":
        """The rig at another size; the aspect ratio may change by rounding only, focal length follows the width."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        return RectifiedRig(
            width_px,
            height_px,
            self.focal_px * sx,
            self.baseline_m,
            (self.cx_left_px + 0.5) * sx - 0.5,
            (self.cx_right_px + 0.5) * sx - 0.5,
            (self.cy_px + 0.5) * sy - 0.5,
        )
