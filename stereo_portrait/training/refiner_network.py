"""The guided network as a PyTorch module: a small U over the folded features, no normalisation by batch or picture.

It looks at every candidate disparity with the evidence for it, chooses one for each pixel, corrects it by less than a
pixel, may propose a value of its own, and says how sure it is. Choosing keeps edges sharp: a blend of two surfaces'
disparities belongs to neither (Tosi et al., "SMD-Nets", CVPR 2021).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stereo_portrait.refinement.candidates import CANDIDATES
from stereo_portrait.refinement.evidence_layout import CHANNELS

CHOICES = CANDIDATES + 1  # the last one is the network's own proposal
STEP, OWN, SURE = CHOICES, CHOICES + 1, CHOICES + 2
ANSWERS = CHOICES + 3
OWN_REACH_PX = 24.0
SLOPE = 0.1


def bent(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


class Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, 1, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(bent(self.first(bent(x))))


class GuidedNetwork(nn.Module):
    """f32 (N, 4 CHANNELS, H/2, W/2) -> f32 (N, 4 ANSWERS, H/2, W/2), both folded; H and W multiples of 16.

    The U is narrow at half size and cannot carry what speaks for each candidate at each pixel; `evidence` does, past
    the U to the verdict, where it meets what the U knows of the surroundings.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (24, 32, 64, 96), kept: int = 48, hidden: int = 64) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
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
        self.answers = nn.Conv2d(w2, 4 * ANSWERS, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, SLOPE, nonlinearity="leaky_relu")
                nn.init.zeros_(module.bias)
        for block in (self.level4, self.level8, *self.level16):
            nn.init.zeros_(block.second.weight)
        nn.init.normal_(self.answers.weight, std=0.01)
        nn.init.normal_(self.verdict.weight, std=0.01)
        with torch.no_grad():  # it begins as the classical answer
            self.answers.bias[8:12] = 2.0

    def forward(self, features: Tensor) -> Tensor:
        return together(self.before_verdict(features), self.answers, self.verdict)

    def before_verdict(self, features: Tensor) -> Tensor:
        """f32 (N, w2 + hidden, H/2, W/2) what the answers and the verdict are made of."""
        entry = beside(features, self.stem, self.evidence)
        around, evidence = bent(entry).split([self.stem.out_channels, self.evidence.out_channels], 1)
        x2 = self.level2(around)
        x4 = self.level4(self.down4(bent(x2)))
        x8 = self.level8(self.down8(bent(x4)))
        x16 = self.level16(self.down16(bent(x8)))
        y = self.join8(bent(x8 + twice(self.up8(bent(x16)))))
        y = self.join4(bent(x4 + twice(self.up4(bent(y)))))
        y = bent(self.join2(bent(x2 + twice(self.up2(bent(y))))))
        weighed = bent(self.weighed(torch.cat([evidence, y], 1)))
        return torch.cat([y, weighed], 1)


def beside(x: Tensor, *layers: nn.Conv2d) -> Tensor:
    """The answers of 1 x 1 convolutions to the same input, one after the other, in one pass over it."""
    biases = [layer.bias for layer in layers if layer.bias is not None]
    return F.conv2d(x, torch.cat([layer.weight for layer in layers]), torch.cat(biases))


def together(x: Tensor, first: nn.Conv2d, second: nn.Conv2d) -> Tensor:
    """The sum of two 1 x 1 convolutions, of the first channels of `x` and of the others, in one pass."""
    assert first.bias is not None
    assert second.bias is not None
    return F.conv2d(x, torch.cat([first.weight, second.weight], 1), first.bias + second.bias)


def twice(x: Tensor) -> Tensor:
    """Each value four times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def unfolded(answers: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(N, CHOICES, H, W) choice logits, (N, 1, H, W) step px, own proposal px from the base, confidence logit."""
    full = F.pixel_shuffle(answers, 2)
    step = torch.tanh(full[:, STEP : STEP + 1])
    own = OWN_REACH_PX * torch.tanh(full[:, OWN : OWN + 1] / 4)
    return full[:, :CHOICES], step, own, full[:, SURE : SURE + 1]
