"""A trained student as ONNX with half-precision weights, and its entry in weights.yaml.

python -m stereo_portrait.training.export monocular|subject --checkpoint FILE.pt --out FILE.onnx

Weights are stored as float16 and cast to float32 inside the graph, so the file is half as large and the arithmetic is
unchanged; ONNX Runtime folds the casts when it opens the file.
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


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its large constants stored as float16."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST_VALUES:
            continue
        values = numpy_helper.to_array(tensor)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("monocular", "subject"))
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    student, size = (Student(), (288, 384)) if options.task == "monocular" else (SubjectStudent(), (320, 320))
    student.load_state_dict(saved["average"])
    dynamic = {"image": {2: "height", 3: "width"}, "answer": {2: "height", 3: "width"}}
    part = options.out.with_suffix(".full")
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
    model = halved(onnx.load(str(part)))
    part.unlink()
    model.producer_name = "stereo-portrait"
    onnx.save(model, str(options.out))
    content = options.out.read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    print(json.dumps(facts | {"steps": saved["step"], "training_s": round(saved["spent_s"])}))


if __name__ == "__main__":
    main()
