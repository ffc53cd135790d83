"""Bundle adjustment of one rig: cameras, the pose between them and every board pose at once, with standard errors.

Shared parameters, in order: left fx fy cx cy and coefficients, the same for the right, rotation vector and translation
of right_from_left. The board poses are eliminated by the Schur complement, so that cost grows linearly with views.
Source: Triggs et al., "Bundle Adjustment: A Modern Synthesis", 1999.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.rig import Camera

Array = NDArray[np.float64]
ModelName = Literal["pinhole4", "pinhole5", "pinhole8", "fisheye"]
COEFFICIENTS: dict[str, int] = {"pinhole4": 4, "pinhole5": 5, "pinhole8": 8, "fisheye": 4}
NAMES = {
    "pinhole4": ("k1", "k2", "p1", "p2"),
    "pinhole5": ("k1", "k2", "p1", "p2", "k3"),
    "pinhole8": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "fisheye": ("k1", "k2", "k3", "k4"),
}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One exposure: what each camera saw of the board; a camera that saw nothing has no points."""

    name: str
    left_m: Array  # (n, 3) board points that the left camera saw
    left_px: Array  # (n, 2)
    right_m: Array
    right_px: Array

    @property
    def both(self) -> bool:
        """Whether both cameras saw enough of the board."""
        return len(self.left_px) >= 4 and len(self.right_px) >= 4


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A solution: shared parameters, board poses in the left camera's frame, residuals and information."""

    model: ModelName
    shared: Array  # (2 * (4 + k) + 6,)
    poses: Array  # (views, 6) rotation vector, translation: left_from_board
    residuals: list[tuple[Array, Array]]  # per view (n, 2) left, (m, 2) right: measured minus predicted, px
    information: Array  # Schur complement of the shared parameters, unit noise

    @property
    def intrinsics(self) -> int:
        """Parameters of one camera."""
        return 4 + COEFFICIENTS[self.model]

    def camera(self, side: int, size_px: tuple[int, int]) -> Camera:
        """The left (0) or right (1) camera."""
        p = self.shared[side * self.intrinsics : (side + 1) * self.intrinsics].tolist()
        kind: Literal["pinhole", "fisheye"] = "fisheye" if self.model == "fisheye" else "pinhole"
        return Camera(*size_px, p[0], p[1], p[2], p[3], tuple(p[4:]), kind)

    @property
    def pose(self) -> tuple[Array, Array]:
        """(3, 3) rotation and (3,) translation, right_from_left."""
        rotation = np.asarray(cv2.Rodrigues(self.shared[-6:-3])[0], np.float64)
        return rotation, self.shared[-3:].copy()

    @property
    def rms_px(self) -> float:
        """Root mean square distance between measured and predicted corners, both cameras."""
        squares = np.concatenate([np.square(r).sum(axis=1) for pair in self.residuals for r in pair])
        return float(np.sqrt(squares.mean()))

    def covariance(self) -> Array:
        """(shared, shared) covariance: the information's inverse times the noise that the residuals show."""
        values = sum(r.size for pair in self.residuals for r in pair)
        squares = sum(float(np.square(r).sum()) for pair in self.residuals for r in pair)
        freedom = max(1, values - len(self.shared) - self.poses.size)
        scale = np.sqrt(np.maximum(np.diag(self.information), 1e-30))
        inverse = np.linalg.pinv(self.information / np.outer(scale, scale), rcond=1e-14, hermitian=True)
        return np.asarray(inverse / np.outer(scale, scale) * (squares / freedom), np.float64)

    def parameter_names(self) -> list[str]:
        """Names of the shared parameters, with side and unit."""
        own = ("fx_px", "fy_px", "cx_px", "cy_px", *NAMES[self.model])
        pose = ("rotation_x_rad", "rotation_y_rad", "rotation_z_rad", "t_x_m", "t_y_m", "t_z_m")
        return [f"{side}.{name}" for side in ("left", "right") for name in own] + list(pose)


def project(points_m: Array, pose: Array, intrinsics: Array, fisheye: bool) -> tuple[Array, Array, Array]:
    """(n, 2) pixels, (2n, 6) derivative by the pose, (2n, 4 + k) by fx fy cx cy and coefficients."""
    fx, fy, cx, cy = intrinsics[:4]
    k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    if fisheye:
        px, jacobian = cv2.fisheye.projectPoints(points_m[:, None], pose[:3], pose[3:], k, intrinsics[4:])
        j = np.asarray(jacobian, np.float64)  # columns: f f c c k1..k4 rotation translation skew
        return np.asarray(px, np.float64).reshape(-1, 2), j[:, 8:14], j[:, :8]
    px, jacobian = cv2.projectPoints(points_m, pose[:3], pose[3:], k, intrinsics[4:])
    j = np.asarray(jacobian, np.float64)  # columns: rotation translation f f c c coefficients
    return np.asarray(px, np.float64).reshape(-1, 2), j[:, :6], j[:, 6 : 6 + len(intrinsics)]


def _compose(pose: Array, between: Array) -> tuple[Array, Array, Array]:
    """right_from_board, its (6, 6) derivatives by left_from_board and by right_from_left."""
    r, t, rr1, rt1, rr2, rt2, tr1, tt1, tr2, tt2 = cv2.composeRT(pose[:3], pose[3:], between[:3], between[3:])
    by_pose, by_between = np.block([[rr1, rt1], [tr1, tt1]]), np.block([[rr2, rt2], [tr2, tt2]])
    return np.concatenate([r.ravel(), t.ravel()]), by_pose, by_between


def solve(
    views: list[View],
    model: ModelName,
    shared: Array,
    poses: Array,
    huber_px: float | None = None,
    free: NDArray[np.bool_] | None = None,
    iterations: int = 40,
) -> Fit:
    """Levenberg-Marquardt from a starting point; with `huber_px`, large residuals count linearly.

    `free` says which shared parameters may move (all by default; none solves the poses alone).
    """
    count = len(shared)
    free = np.ones(count, np.bool_) if free is None else free
    damping = 1e-4
    state = _linearised(views, model, shared, poses, huber_px)
    for _ in range(iterations):
        step_shared, step_poses = _step(state, damping, free)
        new_shared, new_poses = shared + step_shared, poses + step_poses
        trial = _linearised(views, model, new_shared, new_poses, huber_px)
        if trial.cost <= state.cost:
            gain = (state.cost - trial.cost) / max(state.cost, 1e-30)
            shared, poses, state = new_shared, new_poses, trial
            damping = max(damping * 0.2, 1e-9)
            if gain < 1e-9:
                break
        else:
            damping *= 8
            if damping > 1e8:
                break
    return Fit(model, shared, poses, state.residuals, _schur(state, 0.0)[0])


@dataclass(slots=True)
class _Linear:
    cost: float
    residuals: list[tuple[Array, Array]]
    u: Array  # (s, s)
    g: Array  # (s,)
    v: Array  # (views, 6, 6)
    h: Array  # (views, 6)
    w: Array  # (views, s, 6)


def _linearised(views: list[View], model: ModelName, shared: Array, poses: Array, huber_px: float | None) -> _Linear:
    fisheye, n = model == "fisheye", 4 + COEFFICIENTS[model]
    s = len(shared)
    linear = _Linear(0.0, [], np.zeros((s, s)), np.zeros(s), np.zeros((len(views), 6, 6)), np.zeros((len(views), 6)),
                     np.zeros((len(views), s, 6)))  # fmt: skip
    for i, view in enumerate(views):
        found: list[Array] = []
        for side, points_m, px in ((0, view.left_m, view.left_px), (1, view.right_m, view.right_px)):
            if len(px) == 0:
                found.append(np.zeros((0, 2)))
                continue
            own = slice(side * n, (side + 1) * n)
            if side == 0:
                predicted, by_pose, by_own = project(points_m, poses[i], shared[own], fisheye)
                by_shared = np.zeros((2 * len(px), s))
            else:
                pose, turn, between = _compose(poses[i], shared[-6:])
                predicted, by_right, by_own = project(points_m, pose, shared[own], fisheye)
                by_pose = by_right @ turn
                by_shared = np.zeros((2 * len(px), s))
                by_shared[:, -6:] = by_right @ between
            by_shared[:, own] = by_own
            error = px - predicted
            found.append(error)
            length = np.linalg.norm(error, axis=1)
            if not np.isfinite(length).all():
                linear.cost = np.inf
                length = np.nan_to_num(length, nan=1e6, posinf=1e6)
                error = np.nan_to_num(error, nan=0.0, posinf=0.0, neginf=0.0)
            if huber_px is None:
                linear.cost += float(np.square(length).sum())
                weight = np.ones(len(length))
            else:
                small = length <= huber_px
                linear.cost += float(np.where(small, length**2, huber_px * (2 * length - huber_px)).sum())
                weight = np.where(small, 1.0, huber_px / np.maximum(length, 1e-12))
            rows = np.repeat(weight, 2)
            flat = error.ravel()
            linear.u += by_shared.T @ (by_shared * rows[:, None])
            linear.g += by_shared.T @ (flat * rows)
            linear.v[i] += by_pose.T @ (by_pose * rows[:, None])
            linear.h[i] += by_pose.T @ (flat * rows)
            linear.w[i] += by_shared.T @ (by_pose * rows[:, None])
        linear.residuals.append((found[0], found[1]))
    return linear


def _schur(state: _Linear, damping: float) -> tuple[Array, Array, Array]:
    diagonal = np.einsum("ijj->ij", state.v)
    v = state.v.copy()
    v[:, range(6), range(6)] += damping * diagonal + 1e-12
    inverse: Array = np.asarray(np.linalg.inv(v), np.float64)
    wv = np.einsum("isp,ipq->isq", state.w, inverse)
    reduced = state.u - np.einsum("isq,itq->st", wv, state.w)
    return reduced, inverse, state.g - np.einsum("isq,iq->s", wv, state.h)


def _step(state: _Linear, damping: float, free: NDArray[np.bool_]) -> tuple[Array, Array]:
    reduced, inverse, right = _schur(state, damping)
    step = np.zeros(len(state.g))
    if free.any():
        a = reduced[np.ix_(free, free)] + np.diag(damping * np.diag(state.u)[free] + 1e-15)
        scale = 1 / np.sqrt(np.maximum(np.diag(a), 1e-30))
        try:
            step[free] = scale * np.linalg.solve(a * np.outer(scale, scale), scale * right[free])
        except np.linalg.LinAlgError:
            step[free] = 0.0
    rest = state.h - np.einsum("isp,s->ip", state.w, step)
    return step, np.einsum("ipq,iq->ip", inverse, rest)


def board_pose(points_m: Array, px: Array, intrinsics: Array, fisheye: bool) -> Array | None:
    """(6,) camera_from_board of a flat board, or None where the points do not allow one."""
    rays = undistorted(px, intrinsics, fisheye)
    usable = np.isfinite(rays).all(axis=1) & (np.abs(rays).max(axis=1) < 8)
    if usable.sum() < 4:
        return None
    try:
        found, r, t = cv2.solvePnP(
            points_m[usable], np.ascontiguousarray(rays[usable]), np.eye(3), np.zeros(4), flags=cv2.SOLVEPNP_IPPE
        )
    except cv2.error:
        return None
    pose = np.concatenate([np.ravel(r), np.ravel(t)])
    return pose if found and np.isfinite(pose).all() and pose[5] > 0 else None


def undistorted(px: Array, intrinsics: Array, fisheye: bool) -> Array:
    """(n, 2) directions on the plane z = 1."""
    fx, fy, cx, cy = intrinsics[:4]
    k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    points = np.ascontiguousarray(px, np.float64)[:, None]
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-12)
    if fisheye:
        flat = np.asarray(cv2.fisheye.undistortPoints(points, k, intrinsics[4:], criteria=stop), np.float64)[:, 0]
        return np.where(np.abs(flat) > 1e5, np.nan, flat)
    return np.asarray(cv2.undistortPoints(points, k, intrinsics[4:], criteria=stop), np.float64)[:, 0]
