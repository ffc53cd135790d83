"""Run the monocular teacher once over the photographs and keep what it said.

python -m stereo_portrait.training.teach --photos DIR --teacher FILE.onnx --out DIR [--variants N]

Writes OUT/monocular_{train,near,far}_{wide,tall}_{images,answers}.npy (uint8 and float16), which training maps into
memory instead of decoding pictures again. Variant 0 is the whole photograph (what the scores use), the others are
random windows. The subject network has lessons of its own: subject_lessons.py.
"""

import argparse
import random
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from stereo_portrait.training.photographs import photographs, random_window, read_rgb

LONG_PX, SHORT_PX = 384, 288
SEED = 7
SMALLEST_WINDOW = 0.6


def teacher_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def monocular_input(pixels: np.ndarray) -> np.ndarray:
    """TCMonoDepth's contract: f32 (1, 3, H, W), RGB 0..255."""
    return pixels.astype(np.float32).transpose(2, 0, 1)[None]


def windows(pixels: np.ndarray, variants: int, chooser: random.Random) -> list[tuple[str, np.ndarray]]:
    """(shape name, picture at the student's largest size) of the whole photograph and of random windows of it."""
    height, width = pixels.shape[:2]
    shape, size = ("wide", (LONG_PX, SHORT_PX)) if width >= height else ("tall", (SHORT_PX, LONG_PX))
    aspect = size[0] / size[1]
    found = []
    for variant in range(variants):
        if variant == 0:
            w = round(min(width, height * aspect))
            h = round(min(height, width / aspect))
            x, y = (width - w) // 2, (height - h) // 2
        else:
            x, y, w, h = random_window(height, width, aspect, SMALLEST_WINDOW, chooser)
        method = cv2.INTER_AREA if size[0] < w else cv2.INTER_CUBIC
        found.append((shape, cv2.resize(pixels[y : y + h, x : x + w], size, interpolation=method)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--first-variant", type=int, default=0, help="skip the variants below; for a later top-up")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    session = teacher_session(options.teacher, options.threads)
    entry = session.get_inputs()[0].name
    images: dict[str, list[np.ndarray]] = {}
    answers: dict[str, list[np.ndarray]] = {}
    began = time.time()
    everything = photographs(options.photos)
    for index, photograph in enumerate(everything):
        pixels = read_rgb(photograph.path)
        chooser = random.Random(f"{SEED}/{photograph.path.name}")
        variants = options.variants if photograph.part == "train" else 1
        for shape, picture in windows(pixels, variants, chooser)[options.first_variant :]:
            answer = session.run(None, {entry: monocular_input(picture)})[0][0, 0]
            key = f"monocular_{photograph.part}_{shape}"
            images.setdefault(key, []).append(picture)
            answers.setdefault(key, []).append(answer.astype(np.float16))
        if index % 100 == 0:
            print(f"{index}/{len(everything)} {time.time() - began:.0f} s", flush=True)
    suffix = f"_from{options.first_variant}" if options.first_variant else ""
    for key in images:
        np.save(options.out / f"{key}{suffix}_images.npy", np.stack(images[key]))
        np.save(options.out / f"{key}{suffix}_answers.npy", np.stack(answers[key]))
    print(f"done in {time.time() - began:.0f} s: " + ", ".join(f"{k} {len(v)}" for k, v in images.items()), flush=True)


if __name__ == "__main__":
    main()
