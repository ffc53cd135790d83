"""The subject network as a PyTorch module: its teacher's stages at an eighth of the work.

U-2-Net (Qin et al., Pattern Recognition 2020) is a U whose every stage is a U itself. The student keeps that shape from
stride 4 down, where the decision falls what the subject is. The two encoder stages at full and half size, which cost
the teacher most of its time, become the beginning: one narrow U at half size and one at stride 4; the two decoder
stages the head.

Takes f32 (N, 3, H, W), sRGB 0..255, sides multiples of 64; answers logits at half that size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, MIDDLE, HEAD, FIRST = 64, 16, 32, 32
BEFORE = {
    "en3": ("en2",),
    "en4": ("en3",),
    "en5": ("en4",),
    "en6": ("en5",),
    "de5": ("en6", "en5"),
    "de4": ("de5", "en4"),
}
"""The inner stages in their order, and those that each starts from."""
Stages = dict[str, Tensor]


class Convolution(nn.Module):
    """Convolution, batch normalisation (folded into it by the export), ReLU."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation=dilation, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.convolution(x)))


class ResidualU(nn.Module):
    """A U of `levels` sizes beside a short cut; without `entry` its input is the short cut."""

    def __init__(self, inputs: int, outputs: int, levels: int, middle: int = MIDDLE, entry: bool = True) -> None:
        super().__init__()
        self.entry = Convolution(inputs, outputs) if entry else nn.Identity()
        self.down = nn.ModuleList(Convolution(outputs if k == 0 else middle, middle) for k in range(levels))
        self.bottom = Convolution(middle, middle, dilation=2)
        self.up = nn.ModuleList(Convolution(2 * middle, outputs if k == levels - 1 else middle) for k in range(levels))

    def forward(self, x: Tensor) -> Tensor:
        x = entered = self.entry(x)
        beside: list[Tensor] = []
        for level, step in enumerate(self.down):
            x = step(x if level == 0 else F.max_pool2d(x, 2))
            beside.append(x)
        x = self.bottom(x)
        for level, step in enumerate(self.up):
            x = step(torch.cat([x if level == 0 else twice(x), beside.pop()], 1))
        return x + entered


class DilatedU(nn.Module):
    """The same where the picture is too small to shrink: dilations instead of sizes."""

    def __init__(self, inputs: int, middle: int = MIDDLE) -> None:
        super().__init__()
        self.entry = Convolution(inputs, WIDTH)
        self.down = nn.ModuleList(Convolution(WIDTH if d == 1 else middle, middle, d) for d in (1, 2, 4, 8))
        self.up = nn.ModuleList(Convolution(2 * middle, WIDTH if d == 1 else middle, d) for d in (4, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        entered = self.entry(x)
        at1 = self.down[0](entered)
        at2 = self.down[1](at1)
        at4 = self.down[2](at2)
        x = self.up[0](torch.cat([self.down[3](at4), at4], 1))
        x = self.up[1](torch.cat([x, at2], 1))
        return self.up[2](torch.cat([x, at1], 1)) + entered


class Beginning(nn.Module):
    """From the picture (N, 3, H, W) to features at half its size, and to the teacher's second stage at stride 4."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255))
        self.stem2 = Convolution(3, FIRST, stride=2, kernel=5)
        self.en1 = ResidualU(FIRST, FIRST, 5, middle=24, entry=False)
        self.stem4 = Convolution(FIRST, WIDTH, stride=2)
        self.en2 = ResidualU(WIDTH, WIDTH, 4, middle=32)

    def forward(self, image: Tensor) -> Stages:
        fine = self.en1(self.stem2((image - self.mean) * self.scale))
        return {"fine": fine, "en2": self.en2(self.stem4(fine))}


class Head(nn.Module):
    """Logits at half the picture's size from the last stage at stride 8 and features at strides 4 and 2."""

    def __init__(self) -> None:
        super().__init__()
        self.above = nn.Conv2d(WIDTH, HEAD, 1)
        self.beside = nn.Conv2d(WIDTH, HEAD, 1)
        self.de3 = ResidualU(2 * HEAD, HEAD, 4)
        self.narrow = nn.Conv2d(HEAD, MIDDLE, 1)
        self.fine = nn.Conv2d(FIRST, MIDDLE, 1)
        self.join = Convolution(MIDDLE, MIDDLE)
        self.answer = nn.Conv2d(MIDDLE, 1, 3, 1, 1)

    def forward(self, made: Stages) -> Tensor:
        x = self.de3(torch.cat([twice(self.above(made["de4"])), self.beside(made["at4"])], 1))
        return self.answer(self.join(F.relu(twice(self.narrow(x)) + self.fine(made["fine"]))))


class SubjectStudent(nn.Module):
    """Stages named as the teacher's: en2 is what its second stage hands on, and so on, each channel in units of its own
    spread (`lesson_files.spreads`); `at4` is the third stage before it is halved, `fine` the features at half size."""

    def __init__(self) -> None:
        super().__init__()
        self.beginning = Beginning()
        self.en3 = ResidualU(WIDTH, WIDTH, 4)
        self.en4 = ResidualU(WIDTH, WIDTH, 3)
        self.en5, self.de5 = DilatedU(WIDTH), DilatedU(2 * WIDTH)
        self.en6 = DilatedU(WIDTH, middle=40)  # a hundred pixels: width costs nothing here, and the most depends on it
        self.de4 = ResidualU(2 * WIDTH, WIDTH, 3)
        self.head = Head()

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.stages(image))

    def stages(self, image: Tensor) -> Stages:
        """All that the head is given, and all that the teacher can judge."""
        made: Stages = self.beginning(image)
        for name in BEFORE:
            made |= self.stage(name, made)
        return made

    def stage(self, name: str, given: Stages) -> Stages:
        """One inner stage from those before it."""
        made: Tensor = getattr(self, name)(entering(name, given))
        return {"at4": made, name: F.max_pool2d(made, 2)} if name == "en3" else {name: made}


def entering(name: str, given: Stages) -> Tensor:
    """What a stage starts from."""
    before = [given[name] for name in BEFORE[name]]
    if len(before) == 2:
        return torch.cat([twice(before[0]), before[1]], 1)
    return F.max_pool2d(before[0], 2) if name in ("en5", "en6") else before[0]


def twice(x: Tensor) -> Tensor:
    """Bilinear doubling."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
