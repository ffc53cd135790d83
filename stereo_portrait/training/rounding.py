"""Training that feels how the network will run: weights and what lies between the layers rounded to whole numbers.

Gradients pass as if nothing was rounded. Source: Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

WEIGHT_STEPS = 63  # to either side of zero: 7 bits
BYTE_STEPS = 255
SLOWNESS = 0.98  # of the running ranges


@contextmanager
def rounded_weights(network: nn.Module) -> Iterator[None]:
    """Inside, every convolution's weights are whole multiples of a step of their output channel."""
    kept = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            weight = layer.weight.data
            step = weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8) / WEIGHT_STEPS
            kept.append((layer, weight))
            layer.weight.data = torch.round(weight / step) * step
    try:
        yield
    finally:
        for layer, weight in kept:
            layer.weight.data = weight


class RoundedBetween:
    """Rounds what convolutions and marked places (`nn.Identity`) of a network hand on to bytes over its usual range."""

    def __init__(self, network: nn.Module) -> None:
        self._ranges: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Identity):
                layer.register_forward_hook(self._rounded)

    def _rounded(self, layer: nn.Module, _told: Any, said: Tensor) -> Tensor:
        values = said.detach()
        low, high = values.amin().clamp_max(0), values.amax().clamp_min(1e-6)
        if layer in self._ranges:
            before, after = self._ranges[layer]
            low, high = low.lerp(before, SLOWNESS), high.lerp(after, SLOWNESS)
        self._ranges[layer] = (low, high)
        step = (high - low) / BYTE_STEPS
        rounded = (torch.round((values - low) / step).clamp(0, BYTE_STEPS)) * step + low
        return said + (rounded - values)
