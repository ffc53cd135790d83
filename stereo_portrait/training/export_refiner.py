"""The trained guided network as ONNX of whole numbers, and its facts for weights.yaml.

python -m stereo_portrait.training.export_refiner --checkpoint FILE.pt [--with FILE.pt ...] --pool DIR --out FILE.onnx

Weights of earlier checkpoints of the same run may be averaged with the last ones. Weights and what lies between the
layers become bytes (7 bits for the weights: processors without VNNI add two products in 16 bits); the ranges of what
lies between are those seen on scenes of the pool. The file is opened again by ONNX Runtime and compared with PyTorch.
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from stereo_portrait.refinement.choice import ANSWER_UNITS, ANSWER_ZERO, STEP_UNITS, STEP_ZERO
from stereo_portrait.refinement.evidence_layout import CHANNELS, UNITS, ZERO, as_numbers
from stereo_portrait.training.refiner_network import OWN, STEP, GuidedNetwork

OPSET = 17
SCENES = 12  # that show the ranges

Bytes = NDArray[np.uint8]


class InTwo(nn.Module):
    """The network, its answers in two: corrections need finer steps than log odds."""

    def __init__(self, network: GuidedNetwork) -> None:
        super().__init__()
        self.network = network
        rows = torch.arange(self.network.verdict.out_channels)
        step = (rows >= 4 * STEP) & (rows < 4 * OWN)
        self.said, self.step = self._part(~step), self._part(step)

    def _part(self, rows: Tensor) -> nn.Conv2d:
        """Some rows of both last layers as one layer."""
        layers = (self.network.answers, self.network.verdict)
        part = nn.Conv2d(sum(layer.in_channels for layer in layers), int(rows.sum()), 1)
        with torch.no_grad():
            part.weight.copy_(torch.cat([layer.weight[rows] for layer in layers], 1))
            part.bias.copy_(sum(layer.bias[rows] for layer in layers if layer.bias is not None))  # type: ignore[union-attr]
        return part

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.network.before_verdict(features)
        return self.said(seen), self.step(seen)


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
            InTwo(network).eval(),
            (torch.zeros(1, 4 * CHANNELS, 64, 96),),
            str(full),
            input_names=["features"],
            output_names=["answers", "steps"],
            dynamic_axes=dict.fromkeys(("features", "answers", "steps"), planes),
            opset_version=OPSET,
            dynamo=False,
        )
        quant_pre_process(str(full), str(full), skip_symbolic_shape=True)
        codes = {"features": (ZERO, UNITS), "answers": (ANSWER_ZERO, ANSWER_UNITS), "steps": (STEP_ZERO, STEP_UNITS)}
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
        model = of_bytes(onnx.load(str(whole)))
    model.producer_name = "stereo-portrait"
    onnx.save(model, str(out))
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    said = session.run(None, {"features": scenes[0][None]})
    with torch.no_grad():
        ours = InTwo(network)(torch.from_numpy(as_numbers(scenes[0][None])))
    differences = [
        np.abs((np.float32(a) - zero) / units - b.numpy()).mean()
        for a, b, (zero, units) in zip(said, ours, list(codes.values())[1:], strict=True)
    ]
    return float(np.mean(differences))


def of_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network without the steps that make bytes of its input and numbers of its outputs."""
    graph = model.graph
    makers = {node.output[0]: node for node in graph.node}
    (first,) = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "features"]
    (second,) = [n for n in graph.node if n.input and n.input[0] == first.output[0]]
    second.input[0] = "features"
    graph.node.remove(first)
    for output in graph.output:
        last = makers[output.name]
        makers[last.input[0]].output[0] = output.name
        graph.node.remove(last)
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.elem_type = TensorProto.UINT8
    onnx.checker.check_model(model)
    return model


def shown(pool: Path) -> list[Bytes]:
    """Scenes from all over the pool."""
    shards = sorted(p for p in pool.glob("stereo_*") if p.is_dir() and not p.suffix)
    found = []
    for number in range(SCENES):
        shard = np.load(shards[number * len(shards) // SCENES] / "features.npy", mmap_mode="r")
        found.append(np.array(shard[number * len(shard) // SCENES]))
    return found


def mean_weights(checkpoints: list[Path]) -> dict[str, Tensor]:
    """The mean of several checkpoints' averaged weights.

    On scenes unlike those trained on it errs less than any of them (Wortsman et al., "Model Soups", ICML 2022).
    """
    states = [torch.load(p, map_location="cpu", weights_only=True)["average"] for p in checkpoints]
    return {name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--with", dest="earlier", type=Path, nargs="*", default=[], help="checkpoints to average with")
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    network = GuidedNetwork()
    network.load_state_dict(mean_weights([options.checkpoint, *options.earlier]))
    difference = exported(network, shown(options.pool), options.out)
    content = options.out.read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "steps": saved["step"]}
    print(json.dumps(facts | {"minutes": round(saved["spent_s"] / 60), "mean_difference": difference}))


if __name__ == "__main__":
    main()
