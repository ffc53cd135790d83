"""The fast depthwise convolution learns what PyTorch's own learns."""

import pytest

torch = pytest.importorskip("torch")

from stereo_portrait.training.depthwise import Depthwise  # noqa: E402


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_answers_and_gradients_are_those_of_the_plain_convolution(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    fast = Depthwise(12, kernel, stride)
    plain = torch.nn.Conv2d(12, 12, kernel, stride, kernel // 2, groups=12)
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(2, 12, 16, 20)
    found = []
    for module in (fast, plain):
        entry = x.clone().requires_grad_(True)
        answer = module(entry)
        (answer * torch.arange(answer.numel()).view_as(answer) / answer.numel()).sum().backward()
        found.append((answer, entry.grad, module.weight.grad, module.bias.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_frozen_weights_cost_no_gradient_and_pass_one_on() -> None:
    fast = Depthwise(4, 3)
    fast.requires_grad_(False)
    x = torch.randn(1, 4, 8, 8, requires_grad=True)
    fast(x).sum().backward()
    assert x.grad is not None
    assert fast.weight.grad is None
