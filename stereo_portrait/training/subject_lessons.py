"""What the subject teacher sees inside: its mask and the features of its stages, for views of photographs.

python -m stereo_portrait.training.subject_lessons --photos DIR --teacher u2netp.onnx --out DIR [--variants N]

A mask alone says little about how it was found, and a thousand photographs are few; 64 maps at each of seven stages say
a lot (Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015). Variant 0 of a photograph is the whole of it,
1 its mirror image, the others random windows, every other one mirrored. Writes OUT/VARIANT_NUMBER/*.npy, a shard being
whole or absent, so that a stopped run goes on where it was, and several processes may share the work
(--part 0/2, --part 1/2).
"""

import argparse
import random
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from stereo_portrait.training.photographs import Photograph, photographs, random_window, read_rgb

STAGES = ("en2", "en3", "en4", "en5", "en6", "de5", "de4")
STRIDES = (4, 8, 8, 16, 32, 16, 8)
"""Encoder stages 2 and 3 are kept as the next stage takes them: after the maximum over 2 x 2."""
SHARD = 32
SUBJECT_PX = 320
SEED = 11


def opened(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """The teacher with its stages among the outputs: U-2-Net ends each of its eleven stages with its only addition."""
    model = onnx.load(str(path))
    sums = [node.output[0] for node in model.graph.node if node.op_type == "Add"]
    names = ("en1", "en2", "en3", "en4", "en5", "en6", "de5", "de4", "de3", "de2", "de1")
    if len(sums) != len(names):
        raise ValueError(f"{path}: found {len(sums)} stages, expected the {len(names)} of U-2-Net")
    for name, tensor in zip(names, sums, strict=True):
        if name in STAGES:
            model.graph.node.append(onnx.helper.make_node("Identity", [tensor], [name]))
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def subject_input(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """U-2-Net's contract: f32 (1, 3, 320, 320), RGB divided by its own maximum, ImageNet mean and deviation."""
    scaled = pixels.astype(np.float32) / max(float(pixels.max()), 1e-6)
    normal = (scaled - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    return normal.transpose(2, 0, 1)[None].astype(np.float32)


def view_of(pixels: NDArray[np.uint8], name: str, variant: int) -> NDArray[np.uint8]:
    """(320, 320, 3) the photograph, its mirror image or a window of it, as the teacher takes them."""
    height, width = pixels.shape[:2]
    if variant > 1:
        chooser = random.Random(f"{SEED}/{name}/{variant}")
        aspect = chooser.uniform(0.75, 1.33) * width / height
        x, y, w, h = random_window(height, width, aspect, 0.45, chooser)
        pixels = pixels[y : y + h, x : x + w]
    if variant % 2:
        pixels = pixels[:, ::-1]
    method = cv2.INTER_AREA if pixels.shape[1] > SUBJECT_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), (SUBJECT_PX, SUBJECT_PX), interpolation=method))


def packed(features: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(C, H, W) as bytes over each channel's own range: uint8, and (C, 2) of offset and step."""
    low = features.min(axis=(1, 2))
    step = np.maximum((features.max(axis=(1, 2)) - low) / 255, 1e-8)
    return np.rint((features - low[:, None, None]) / step[:, None, None]).astype(np.uint8), np.stack([low, step], 1)


def lesson(session: onnxruntime.InferenceSession, view: NDArray[np.uint8]) -> dict[str, NDArray]:
    """The view, the teacher's mask (float16, half size) and its packed stages."""
    entry, first = session.get_inputs()[0].name, session.get_outputs()[0].name
    mask, *stages = session.run([first, *STAGES], {entry: subject_input(view)})
    found = {"image": view, "mask": cv2.resize(mask[0, 0], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)}
    found["mask"] = found["mask"].astype(np.float16)
    for name, stride, values in zip(STAGES, STRIDES, stages, strict=True):
        maps = values[0]
        side = SUBJECT_PX // stride
        if maps.shape[-1] == 2 * side:
            maps = maps.reshape(len(maps), side, 2, side, 2).max(axis=(2, 4))
        found[name], found[f"{name}_range"] = packed(maps)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=3)
    parser.add_argument("--part", default="0/1", help="which share of the shards, such as 1/2")
    options = parser.parse_args()
    mine, shares = (int(v) for v in options.part.split("/"))
    cv2.setNumThreads(1)
    session = opened(options.teacher, 1)
    everything: list[Photograph] = photographs(options.photos)
    parts = {
        "train": [p for p in everything if p.part == "train"],
        "aside": [p for p in everything if p.part != "train"],
    }
    random.Random(SEED).shuffle(parts["train"])
    work = [("aside", 0, i) for i in range(0, len(parts["aside"]), SHARD)]
    for variant in range(options.variants):
        work += [("train", variant, i) for i in range(0, len(parts["train"]), SHARD)]
    began = time.time()
    for number, (part, variant, first) in enumerate(work):
        folder = options.out / f"{part}_{variant}_{first:05d}"
        if number % shares != mine or folder.exists():
            continue
        chosen = parts[part][first : first + SHARD]
        lessons = [lesson(session, view_of(read_rgb(p.path), p.path.name, variant)) for p in chosen]
        making = folder.with_suffix(".part")
        making.mkdir(parents=True, exist_ok=True)
        for key in lessons[0]:
            np.save(making / f"{key}.npy", np.stack([k[key] for k in lessons]))
        (making / "files.txt").write_text("".join(f"{p.part}\t{p.path.parent.name}/{p.path.name}\n" for p in chosen))
        making.rename(folder)
        print(f"{number + 1}/{len(work)} shards, {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
