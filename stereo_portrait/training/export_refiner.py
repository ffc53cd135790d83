"""The trained guided network as ONNX with half-precision weights, and its facts for weights.yaml.

python -m stereo_portrait.training.export_refiner --checkpoint FILE.pt [--with FILE.pt ...] --out FILE.onnx

Weights of earlier checkpoints of the same run may be averaged with the last ones: on scenes unlike those trained on,
the mean errs less than any of them (Wortsman et al., "Model Soups", ICML 2022).
The file is opened again by ONNX Runtime and compared with PyTorch; the largest difference is printed.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from stereo_portrait.refinement.evidence_layout import CHANNELS
from stereo_portrait.training.export import halved
from stereo_portrait.training.refiner_network import GuidedNetwork

OPSET = 17


def exported(network: GuidedNetwork, out: Path) -> float:
    """Write the network to `out` and return the largest difference from PyTorch on noise of another size."""
    part = out.with_suffix(".full")
    planes = {2: "height", 3: "width"}
    torch.onnx.export(
        network.eval(),
        (torch.zeros(1, 4 * CHANNELS, 64, 96),),
        str(part),
        input_names=["features"],
        output_names=["answers"],
        dynamic_axes={"features": planes, "answers": planes},
        opset_version=OPSET,
        dynamo=False,
    )
    model = halved(onnx.load(str(part)))
    part.unlink()
    model.producer_name = "stereo-portrait"
    onnx.save(model, str(out))
    noise = np.random.default_rng(0).standard_normal((1, 4 * CHANNELS, 40, 56)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        for parameter in network.parameters():  # as they are stored
            parameter.copy_(parameter.half().float())
        ours = network(torch.from_numpy(noise)).numpy()
    return float(np.abs(session.run(None, {"features": noise})[0] - ours).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--with", dest="earlier", type=Path, nargs="*", default=[], help="checkpoints to average with")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    states = [torch.load(p, map_location="cpu", weights_only=True)["average"] for p in options.earlier]
    states.append(saved["average"])
    network = GuidedNetwork()
    network.load_state_dict({name: sum(s[name] for s in states) / len(states) for name in saved["average"]})
    difference = exported(network, options.out)
    content = options.out.read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "steps": saved["step"]}
    print(json.dumps(facts | {"minutes": round(saved["spent_s"] / 60), "parity": difference}))


if __name__ == "__main__":
    main()
