"""Updates that teach every direction of a weight matrix at one pace; needs the extra "train"."""

import copy

import pytest

torch = pytest.importorskip("torch")
from stereo_portrait.training.muon import Muon, muon_and_adamw, orthogonal  # noqa: E402


@pytest.mark.parametrize("shape", [(16, 16), (8, 72), (64, 9)])
def test_an_update_has_the_gradients_directions_and_equal_lengths_in_all_of_them(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape) * torch.logspace(-0.5, 0.5, shape[1])
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonal(matrix) @ v.T
    assert float(inner.diagonal().min()) > 0.4
    assert float(inner.diagonal().max()) < 1.3
    assert float((inner - inner.diagonal().diag()).abs().max()) < 1e-4


def test_slow_directions_are_learned_sooner_than_by_adamw() -> None:
    torch.manual_seed(2)
    scales = torch.logspace(-2, 0, 24)
    turn = torch.linalg.qr(torch.randn(24, 24))[0]
    seen, wanted = torch.randn(256, 24) * scales @ turn, torch.randn(24, 12)
    left = {}
    for name in ("muon", "adamw"):
        weight = torch.nn.Parameter(torch.zeros(24, 12))
        optimiser = Muon([weight], 0.1) if name == "muon" else torch.optim.AdamW([weight], 0.1)
        for _ in range(100):
            weight.grad = seen.T @ (seen @ (weight.detach() - wanted)) / len(seen)
            optimiser.step()
        left[name] = float((weight.detach() - wanted).square().mean())
    assert left["muon"] < 0.8 * left["adamw"]


def test_a_weight_without_a_gradient_stays_and_a_kept_state_goes_on_alike() -> None:
    torch.manual_seed(3)
    first, idle = torch.nn.Parameter(torch.randn(4, 3, 3, 3)), torch.nn.Parameter(torch.randn(4, 4))
    optimiser, before = Muon([first, idle], 0.01), idle.detach().clone()
    first.grad = torch.randn_like(first)
    optimiser.step()
    assert torch.equal(idle, before)
    again = torch.nn.Parameter(first.detach().clone())
    resumed = Muon([again, idle], 0.01)
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for weight, by in ((first, optimiser), (again, resumed)):
        weight.grad = torch.ones_like(weight)
        by.step()
    assert torch.equal(first, again)


def test_biases_and_single_answers_are_not_made_orthogonal() -> None:
    network = torch.nn.ModuleDict({"middle": torch.nn.Conv2d(4, 4, 3), "answer": torch.nn.Conv2d(4, 1, 3)})
    large, small = muon_and_adamw(network, 0.1, 0.01)
    assert [id(p) for p in large.param_groups[0]["params"]] == [id(network["middle"].weight)]
    assert len(small.param_groups[0]["params"]) == 3


def test_a_last_layer_can_be_left_to_adamw() -> None:
    network = torch.nn.ModuleDict({"middle": torch.nn.Conv2d(4, 4, 3), "odds": torch.nn.Conv2d(4, 6, 1)})
    large, small = muon_and_adamw(network, 0.1, 0.01, but=network["odds"])
    assert [id(p) for p in large.param_groups[0]["params"]] == [id(network["middle"].weight)]
    assert {id(p) for p in network["odds"].parameters()} < {id(p) for p in small.param_groups[0]["params"]}
