"""What the guided network is asked for: to choose well, to correct well, and to know how far it may be trusted."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stereo_portrait.refinement.evidence_layout import SHAPE
from stereo_portrait.training.refiner_network import unfolded

EDGE_JUMP_PX = 2.0
EDGE_WEIGHT = 1.5
SELECTIVITY = 0.08
TELLING_PX = 0.5  # a candidate this much nearer to the truth is not worth a choice
VENTURE = (0.0, 0.0, 0.1, 0.06, 0.08)
"""What leaving the base and its median must gain at least: a choice that helps little is not made."""


def edge_weight(features: Tensor, target: Tensor) -> Tensor:
    """(N, 1, H, W): more near jumps of the true disparity."""
    shape = F.pixel_shuffle(features[:, 4 * (SHAPE + 1) : 4 * (SHAPE + 3)].float(), 2)
    steps = 4 * shape / (2 - shape.abs()).clamp_min(1e-3)  # the inverse of the features' squeeze
    across = steps[:, :1, :, :-1] + target[..., 1:] - target[..., :-1]
    down = steps[:, 1:, :-1] + target[..., 1:, :] - target[..., :-1, :]
    jump = F.pad(across.abs() > EDGE_JUMP_PX, (0, 1)) | F.pad(down.abs() > EDGE_JUMP_PX, (0, 0, 0, 1))
    return 1 + EDGE_WEIGHT * F.max_pool2d(jump.float(), 11, 1, 5)


def bounded(error_px: Tensor) -> Tensor:
    """Grows fastest below a pixel, hardly beyond a few: what bad-pixel counts see."""
    return error_px / (error_px + 1) + 0.02 * error_px.clamp_max(16)


def loss_of(answers: Tensor, offsets: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
    logits, step, sure = unfolded(answers)
    proposals = torch.cat([torch.zeros_like(target), offsets], 1) + step
    venture = torch.tensor(VENTURE).view(1, -1, 1, 1)
    cost = bounded((proposals - target).abs()) + venture
    share = torch.softmax(logits, 1)
    expected = (share * cost).sum(1, keepdim=True)
    plainly = bounded((proposals.detach() - target).abs().sub(TELLING_PX).clamp_min(0)) + venture
    wanted = torch.softmax(-plainly / SELECTIVITY, 1)  # what a choice with hindsight would be
    missed = -(wanted * torch.log_softmax(logits, 1).clamp_min(-8)).sum(1, keepdim=True)
    chosen = logits.detach().argmax(1, keepdim=True)
    error = (proposals.gather(1, chosen) - target).abs().detach()
    right = (error < 1).float()
    doubt = F.binary_cross_entropy_with_logits(sure, right, reduction="none")
    total = (weight * (expected + 0.2 * missed + 0.15 * doubt.clamp_max(6))).mean()
    told = {
        "bad2": float((error > 2).float().mean()),
        "bad05": float((error > 0.5).float().mean()),
        "base2": float((target.abs() > 2).float().mean()),
        "base05": float((target.abs() > 0.5).float().mean()),
        "doubt": doubt.mean().item(),
    }
    return total, told


def apart(answers: Tensor, taught: Tensor, weight: Tensor) -> Tensor:
    """How far the answers are from a teacher's: its choice, its correction and its confidence."""
    (logits, step, sure), (taught_logits, taught_step, taught_sure) = unfolded(answers), unfolded(taught)
    share = torch.softmax(taught_logits, 1)
    gap = torch.log_softmax(taught_logits, 1) - torch.log_softmax(logits, 1).clamp_min(-8)
    choice = (share * gap).sum(1, keepdim=True)
    doubt = F.binary_cross_entropy_with_logits(sure, torch.sigmoid(taught_sure), reduction="none")
    return (weight * (choice + 2 * (step - taught_step).abs() + 0.15 * doubt)).mean()
