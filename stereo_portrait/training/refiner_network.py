"""The guided network as a PyTorch module: a small U over the folded features, no normalisation by batch or picture.

It looks at every candidate disparity with the evidence for it, chooses one for each pixel, corrects it by less than a
pixel, and says how sure it is. Choosing keeps edges sharp: a blend of two surfaces'
disparities belongs to neither (Tosi et al., "SMD-Nets", CVPR 2021).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stereo_portrait.refinement.candidates import CANDIDATES
from stereo_portrait.refinement.choice import ANSWERS, FINER, STEP, SURE
from stereo_portrait.refinement.evidence_layout import CHANNELS

Widths = tuple[tuple[int, int, int, int], int, int]
"""Channels at a half, a quarter, an eighth and a sixteenth of the size; of the evidence kept; before the verdict."""
SHIPPED: Widths = ((16, 32, 48, 64), 32, 48)
WIDE: Widths = ((24, 32, 64, 96), 48, 64)  # teaches it


class Block(nn.Module):
    """Two convolutions beside a short cut. Nothing negative goes in or comes out: whole numbers need no sign."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, 1, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class GuidedNetwork(nn.Module):
    """f32 (N, 4 CHANNELS, H/2, W/2) -> f32 (N, 4 ANSWERS, H/2, W/2), both folded; H and W multiples of 16.

    The U is narrow at half size and cannot carry what speaks for each candidate at each pixel; `evidence` does, past
    the U to the verdict, where it meets what the U knows of the surroundings.
    """

    def __init__(self, widths: Widths = SHIPPED) -> None:
        super().__init__()
        (w2, w4, w8, w16), kept, hidden = widths
        self.evidence = nn.Conv2d(4 * CHANNELS, kept, 1)
        self.weighed = nn.Conv2d(kept + w2, hidden, 1)
        self.verdict = nn.Conv2d(hidden, 4 * ANSWERS, 1)
        self.stem = nn.Conv2d(4 * CHANNELS, w2, 1)
        self.level2 = nn.Conv2d(w2, w2, 3, 1, 1)
        self.down4 = nn.Conv2d(w2, w4, 2, 2)
        self.level4 = Block(w4)
        self.down8 = nn.Conv2d(w4, w8, 2, 2)
        self.level8 = Block(w8)
        self.down16 = nn.Conv2d(w8, w16, 2, 2)
        self.level16 = nn.Sequential(Block(w16), Block(w16))
        self.up8 = nn.Conv2d(w16, w8, 1)
        self.join8 = nn.Conv2d(w8, w8, 3, 1, 1)
        self.up4 = nn.Conv2d(w8, w4, 1)
        self.join4 = nn.Conv2d(w4, w4, 3, 1, 1)
        self.up2 = nn.Conv2d(w4, w2, 1)
        self.join2 = nn.Conv2d(w2, w2, 3, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        for block in (self.level4, self.level8, *self.level16):
            nn.init.zeros_(block.second.weight)
        nn.init.normal_(self.verdict.weight, std=0.01)
        with torch.no_grad():  # it begins as the classical answer
            self.verdict.bias[4:8] = 2.0

    def forward(self, features: Tensor) -> Tensor:
        entry = beside(features, self.stem, self.evidence)
        around, evidence = F.relu(entry).split([self.stem.out_channels, self.evidence.out_channels], 1)
        x2 = F.relu(self.level2(around))
        x4 = self.level4(F.relu(self.down4(x2)))
        x8 = self.level8(F.relu(self.down8(x4)))
        x16 = self.level16(F.relu(self.down16(x8)))
        y = F.relu(self.join8(F.relu(x8 + twice(self.up8(x16)))))
        y = F.relu(self.join4(F.relu(x4 + twice(self.up4(y)))))
        y = F.relu(self.join2(F.relu(x2 + twice(self.up2(y)))))
        return self.verdict(F.relu(self.weighed(torch.cat([evidence, y], 1))))


def with_weights(weights: dict[str, Tensor]) -> GuidedNetwork:
    """The network of whatever widths these weights have."""

    def width(layer: str) -> int:
        return len(weights[f"{layer}.weight"])

    of_u = (width("stem"), width("down4"), width("down8"), width("down16"))
    network = GuidedNetwork((of_u, width("evidence"), width("weighed")))
    network.load_state_dict(weights)
    return network


def beside(x: Tensor, *layers: nn.Conv2d) -> Tensor:
    """The answers of 1 x 1 convolutions to the same input, one after the other, in one pass over it."""
    biases = [layer.bias for layer in layers if layer.bias is not None]
    return F.conv2d(x, torch.cat([layer.weight for layer in layers]), torch.cat(biases))


def twice(x: Tensor) -> Tensor:
    """Each value four times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def unfolded(answers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(N, CANDIDATES, H, W) choice logits, (N, 1, H, W) step px, and confidence logit."""
    full = F.pixel_shuffle(answers, 2)
    return full[:, :CANDIDATES], torch.tanh(full[:, STEP : STEP + 1] / FINER), full[:, SURE : SURE + 1]
