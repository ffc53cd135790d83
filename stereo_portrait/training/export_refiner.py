"""The trained guided network as ONNX of whole numbers, and its facts for weights.yaml.

python -m stereo_portrait.training.export_refiner --checkpoint FILE.pt --pool DIR --out FILE.onnx

Weights and what lies between the layers become bytes (7 bits for the weights: processors without VNNI add two products
in 16 bits); the ranges of what lies between are those seen on scenes of the pool. The file is opened again by ONNX
Runtime and compared with PyTorch.
"""

import argparse
import copy
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from stereo_portrait.refinement.choice import ANSWER_UNITS, ANSWER_ZERO, ANSWERS, PLANES
from stereo_portrait.refinement.evidence_layout import CHANNELS, UNITS, ZERO, as_numbers
from stereo_portrait.training.checkpoint import averaged_weights
from stereo_portrait.training.refiner_network import GuidedNetwork, with_weights

OPSET = 17
SCENES = 12  # that show the ranges

Bytes = NDArray[np.uint8]


class Shown(CalibrationDataReader):
    """Scenes, one by one."""

    def __init__(self, scenes: list[Bytes]) -> None:
        self.scenes: Iterator[Bytes] = iter(scenes)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        scene = next(self.scenes, None)
        return None if scene is None else {"features": as_numbers(scene[None])}


def exported(network: GuidedNetwork, scenes: list[Bytes], out: Path) -> float:
    """Write the network to `out`; the mean difference of the answers from PyTorch's on the first scene.

    `scenes`: (4 CHANNELS, h, w) bytes, h and w multiples of 8.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        full, whole = Path(folder) / "full.onnx", Path(folder) / "whole.onnx"
        planes = {2: "height", 3: "width"}
        torch.onnx.export(
            with_spare_planes(network).eval(),
            (torch.zeros(1, 4 * CHANNELS, 64, 96),),
            str(full),
            input_names=["features"],
            output_names=["answers"],
            dynamic_axes=dict.fromkeys(("features", "answers"), planes),
            opset_version=OPSET,
            dynamo=False,
        )
        quant_pre_process(str(full), str(full), skip_symbolic_shape=True)
        codes = {"features": (ZERO, UNITS), "answers": (ANSWER_ZERO, ANSWER_UNITS)}
        told = {
            name: [{"scale": np.array(1 / units, np.float32), "zero_point": np.array(zero, np.uint8)}]
            for name, (zero, units) in codes.items()
        }
        quantize_static(
            str(full),
            str(whole),
            Shown(scenes),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"TensorQuantOverrides": told},
        )
        model = by_copies(of_bytes(onnx.load(str(whole))))
    model.producer_name = "stereo-portrait"
    onnx.save(model, str(out))
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {"features": np.ascontiguousarray(scenes[0].transpose(1, 2, 0))[None]})
    with torch.no_grad():
        ours = network(torch.from_numpy(as_numbers(scenes[0][None]))).numpy()
    return float(np.abs((np.float32(said[:, : 4 * ANSWERS]) - ANSWER_ZERO) / ANSWER_UNITS - ours).mean())


def with_spare_planes(network: GuidedNetwork) -> GuidedNetwork:
    """The same network with PLANES answers, the last of which say zero."""
    padded, spare = copy.deepcopy(network), PLANES - 4 * ANSWERS
    padded.verdict = nn.Conv2d(network.verdict.in_channels, PLANES, 1)
    with torch.no_grad():
        padded.verdict.weight.copy_(F.pad(network.verdict.weight, (0, 0) * 3 + (0, spare)))
        padded.verdict.bias.copy_(F.pad(network.verdict.bias, (0, spare)))
    return padded


def of_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network without the steps that make bytes of its input and numbers of its output.

    It takes (1, h, w, C): the runtime's whole numbers lie in that order, and OpenCV turns them four times as fast.
    """
    graph = model.graph
    makers = {node.output[0]: node for node in graph.node}
    (first,) = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "features"]
    (second,) = [n for n in graph.node if n.input and n.input[0] == first.output[0]]
    second.input[0] = "planes"
    graph.node.remove(first)
    graph.node.insert(0, onnx.helper.make_node("Transpose", ["features"], ["planes"], perm=[0, 3, 1, 2]))
    across = graph.input[0].type.tensor_type.shape.dim
    _, planes, *sides = [copy.deepcopy(side) for side in across]
    for side, wanted in zip(across[1:], (*sides, planes), strict=True):
        side.CopyFrom(wanted)
    (output,) = graph.output
    last = makers[output.name]
    makers[last.input[0]].output[0] = output.name
    graph.node.remove(last)
    for value in (*graph.input, output):
        value.type.tensor_type.elem_type = TensorProto.UINT8
    onnx.checker.check_model(model)
    return model


def by_copies(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network that enlarges by copying: the runtime's Resize takes ten times as long for bytes.

    Channels last, as the runtime keeps bytes, a pixel beside itself is a row twice as wide and a row beside itself two.
    """
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    for resize in [node for node in graph.node if node.op_type == "Resize"]:
        before, (after,) = makers[resize.input[0]], readers[resize.output[0]]
        same = all((constants[a] == constants[b]).all() for a, b in zip(before.input[1:], after.input[1:], strict=True))
        mode = next(a.s for a in resize.attribute if a.name == "mode")
        doubled = resize.input[2] in constants and constants[resize.input[2]].tolist() == [1, 1, 2, 2]
        if not same or mode != b"nearest" or not doubled or len(readers[before.output[0]]) > 1:
            raise ValueError(f"{resize.name} does more than to put each byte down four times: it cannot be copied")
        source = makers[before.input[0]]
        weights = makers[makers[source.input[0]].input[1]].input[0]
        added = _twice(before.input[0], after.output[0], resize.name, len(constants[weights]))
        graph.initializer.extend(v for v in added if isinstance(v, TensorProto))
        for node in (before, resize, after):
            graph.node.remove(node)
        place = list(graph.node).index(source) + 1
        for node in reversed([n for n in added if isinstance(n, onnx.NodeProto)]):
            graph.node.insert(place, node)
    read = {name for node in graph.node for name in node.input}
    for value in [v for v in graph.initializer if v.name not in read]:
        graph.initializer.remove(value)
    onnx.checker.check_model(model)
    return model


def _twice(source: str, into: str, name: str, planes: int) -> list[onnx.NodeProto | TensorProto]:
    """Steps from (1, planes, h, w) to (1, planes, 2 h, 2 w), each value four times."""
    node = onnx.helper.make_node
    return [
        numpy_helper.from_array(np.array([0, 0, -1, planes], np.int64), f"{name}/wide"),
        numpy_helper.from_array(np.array([1, 2, 1, 1], np.int64), f"{name}/double"),
        node("Transpose", [source], [f"{name}/last"], perm=[0, 2, 3, 1]),
        node("Concat", [f"{name}/last"] * 2, [f"{name}/pixels"], axis=3),
        node("Reshape", [f"{name}/pixels", f"{name}/wide"], [f"{name}/rows"]),
        node("Concat", [f"{name}/rows"] * 2, [f"{name}/lines"], axis=2),
        node("Shape", [f"{name}/rows"], [f"{name}/size"]),
        node("Mul", [f"{name}/size", f"{name}/double"], [f"{name}/larger"]),
        node("Reshape", [f"{name}/lines", f"{name}/larger"], [f"{name}/done"]),
        node("Transpose", [f"{name}/done"], [into], perm=[0, 3, 1, 2]),
    ]


def shown(pool: Path) -> list[Bytes]:
    """Scenes from all over the pool."""
    shards = sorted(p for p in pool.glob("stereo_*") if p.is_dir() and not p.suffix)
    found = []
    for number in range(SCENES):
        shard = np.load(shards[number * len(shards) // SCENES] / "features.npy", mmap_mode="r")
        found.append(np.array(shard[number * len(shard) // SCENES]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    network = with_weights(averaged_weights(options.checkpoint))
    difference = exported(network, shown(options.pool), options.out)
    content = options.out.read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "steps": saved["step"]}
    print(json.dumps(facts | {"minutes": round(saved["spent_s"] / 60), "mean_difference": difference}))


if __name__ == "__main__":
    main()
