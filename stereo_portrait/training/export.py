"""A trained student as ONNX with small weights, and its entry in weights.yaml.

python -m stereo_portrait.training.export monocular|subject --checkpoint FILE.pt --out FILE.onnx

Weights are stored as float16, or a convolution's as bytes in steps of each output channel's own, and turned into
float32 inside the graph, so the file is small and the arithmetic unchanged; ONNX Runtime folds that when it opens it.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from stereo_portrait.training.students import Student
from stereo_portrait.training.subject_student import SubjectStudent

LEAST_VALUES = 64  # smaller tensors stay float32


class Whole(nn.Module):
    """The student, its answer at the input's size."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.interpolate(self.student(image), scale_factor=2.0, mode="bilinear", align_corners=False)


def stored_small(model: onnx.ModelProto, as_bytes: bool) -> onnx.ModelProto:
    """The same graph, its large constants as float16 or, of convolutions where `as_bytes`, as int8 times a step."""
    unpacking, steps = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST_VALUES:
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        if as_bytes and values.ndim == 4:
            step = np.maximum(np.abs(values).max((1, 2, 3), keepdims=True) / 127, 1e-12).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(np.rint(values / step).astype(np.int8), f"{name}_byte"))
            steps.append(numpy_helper.from_array(step, f"{name}_step"))
            unpacking.append(helper.make_node("Cast", [f"{name}_byte"], [f"{name}_count"], to=TensorProto.FLOAT))
            unpacking.append(helper.make_node("Mul", [f"{name}_count", f"{name}_step"], [name]))
        else:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            unpacking.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    model.graph.initializer.extend(steps)
    nodes = [*unpacking, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def exported(student: nn.Module, size: tuple[int, int], out: Path, as_bytes: bool) -> dict[str, int | str]:
    """Write the student for pictures of any height and width, traced at `size`; the file's length and hash."""
    dynamic = {"image": {2: "height", 3: "width"}, "answer": {2: "height", 3: "width"}}
    part = out.with_suffix(".full")
    torch.onnx.export(
        Whole(student).eval(),
        (torch.zeros(1, 3, *size),),
        str(part),
        input_names=["image"],
        output_names=["answer"],
        dynamic_axes=dynamic,
        opset_version=17,
        dynamo=False,
    )
    model = stored_small(onnx.load(str(part)), as_bytes)
    part.unlink()
    model.producer_name = "stereo-portrait"
    onnx.save(model, str(out))
    content = out.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("monocular", "subject"))
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    student, size = (Student(), (288, 384)) if options.task == "monocular" else (SubjectStudent(), (320, 320))
    student.load_state_dict(saved["average"])
    facts = exported(student, size, options.out, as_bytes=options.task == "subject")
    print(json.dumps(facts | {"steps": saved["step"], "training_s": round(saved["spent_s"])}))


if __name__ == "__main__":
    main()
