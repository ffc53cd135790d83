"""Scores of the shipped networks, as docs/networks.md gives them: the .onnx files through the project's own stages.

python -m stereo_portrait.training.score_networks monocular|subject --teacher FILE.onnx --photos DIR [--data DIR]

The teacher sees every photograph as its contract says (for depth: 384x288 or 288x384; for masks: 320x320), the student
through `networks/`. `--data` adds pairwise order accuracy against true depth. For masks the teacher is also shown the
mirrored photograph: "decided" are those where it then finds the same subject.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.networks.contract import ask
from stereo_portrait.networks.session import open_session
from stereo_portrait.networks.weights import open_network
from stereo_portrait.sources.dataset_scenes import load_scenes
from stereo_portrait.training.photographs import photographs, read_rgb
from stereo_portrait.training.scores import intersection_over_union, order_accuracy, rank_correlation
from stereo_portrait.training.subject_lessons import SUBJECT_PX, subject_input
from stereo_portrait.training.teach import LONG_PX, SHORT_PX, monocular_input

DECIDED = 0.9  # intersection over union of the teacher with itself, mirrored
SETS = ("middlebury2001", "middlebury2003", "middlebury2006", "middlebury2014")


class Pair:
    """A student and its teacher."""

    def __init__(self, task: str, teacher: Path) -> None:
        self.task = task
        self.student, self.contract = open_network("built-in", task, 2)
        self.teacher = open_session(teacher, 2)

    def taught(self, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H, W) the teacher's answer on the photo's grid."""
        height, width = photo.shape[:2]
        if self.task == "monocular":
            size = (LONG_PX, SHORT_PX) if width >= height else (SHORT_PX, LONG_PX)
            prepare = monocular_input
        else:
            size, prepare = (SUBJECT_PX, SUBJECT_PX), subject_input
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        answer = self.teacher.run({self.teacher.inputs[0]: prepare(small)})[0][0, 0]
        return np.asarray(cv2.resize(answer, (width, height), interpolation=cv2.INTER_LINEAR))

    def said(self, photo: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, W) both answers on the photo's grid."""
        height, width = photo.shape[:2]
        student = ask(self.student, self.contract, photo)
        return cv2.resize(student, (width, height), interpolation=cv2.INTER_LINEAR), self.taught(photo)

    def score(self, photo: NDArray[np.uint8]) -> tuple[float, float]:
        """Rank correlation, or IoU at one half of the masks; and for masks the teacher's with itself, mirrored."""
        student, teacher = self.said(photo)
        if self.task == "monocular":
            return rank_correlation(student[::2, ::2], teacher[::2, ::2]), 1.0
        mirrored = self.taught(np.ascontiguousarray(photo[:, ::-1]))[:, ::-1]
        theirs, again = (m / max(float(m.max()), 0.3) > 0.5 for m in (teacher, mirrored))
        return intersection_over_union(student > 0.5, theirs), intersection_over_union(again, theirs)


def true_depths(data: Path) -> list[tuple[str, NDArray[np.uint8], NDArray[np.float32]]]:
    """(name, photo, true inverse depth up to scale and shift)."""
    found = [(s.name, s.pair.left, s.truth_disparity_px) for name in SETS for s in load_scenes(str(data / name))]
    for colour in sorted((data / "rgbd").rglob("*color*.*")):
        depth_path = colour.with_name(colour.name.replace("color", "depth")).with_suffix(".png")
        if depth_path.exists():
            depth = cv2.imread(str(depth_path), cv2.IMREAD_UNCHANGED).astype(np.float32)
            depth[depth == 0] = np.nan
            found.append((f"{colour.parent.name}/{colour.stem}", read_rgb(colour), 1000 / depth))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("monocular", "subject"))
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    pair = Pair(options.task, options.teacher)
    scores: dict[str, list[float]] = {}
    for photograph in photographs(options.photos):
        if photograph.part == "train":
            continue
        value, itself = pair.score(read_rgb(photograph.path))
        part = photograph.part
        for key in (part, f"{part}, {photograph.path.parent.name}"):
            scores.setdefault(key, []).append(value)
        if pair.task == "subject":
            scores.setdefault(f"{part}, teacher with itself", []).append(itself)
            scores.setdefault(f"{part}, {'' if itself >= DECIDED else 'un'}decided", []).append(value)
    for key in sorted(scores):
        v = np.array(scores[key])
        low = np.percentile(v, 10)
        print(f"{key:26} {len(v):4} photos: mean {v.mean():.3f}, median {np.median(v):.3f}, 10th percentile {low:.3f}")
    if options.data is not None and options.task == "monocular":
        rows = []
        for name, photo, truth in true_depths(options.data):
            rows.append([order_accuracy(m, truth) for m in pair.said(photo)])
            print(f"order accuracy {name:32} student {rows[-1][0]:.3f} teacher {rows[-1][1]:.3f}")
        mean = np.mean(rows, axis=0)
        print(f"order accuracy, mean of {len(rows)}: student {mean[0]:.3f}, teacher {mean[1]:.3f}")
    photo = np.random.default_rng(0).integers(0, 255, (SHORT_PX, LONG_PX, 3), dtype=np.uint8)
    took = []
    for _ in range(30):
        began = time.perf_counter()
        ask(pair.student, pair.contract, photo)
        took.append(time.perf_counter() - began)
    best, median = 1000 * min(took), 1000 * np.median(took)
    print(f"a photo of {LONG_PX}x{SHORT_PX}, two threads: {best:.1f} ms at best, {median:.1f} ms median")


if __name__ == "__main__":
    main()
