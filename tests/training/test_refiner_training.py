"""Training asks for what it should, and the exported file says what PyTorch says; needs the extra "train"."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
from stereo_portrait.networks.session import open_session  # noqa: E402
from stereo_portrait.refinement.candidates import CANDIDATES  # noqa: E402
from stereo_portrait.refinement.choice import ANSWERS, PLANES, SURE  # noqa: E402
from stereo_portrait.refinement.evidence_features import evidence_of  # noqa: E402
from stereo_portrait.refinement.evidence_layout import CHANNELS, COSTS, SHAPE, UNLIKE, as_numbers  # noqa: E402
from stereo_portrait.sources import synthetic  # noqa: E402
from stereo_portrait.training import export_refiner  # noqa: E402
from stereo_portrait.training.export_refiner import exported  # noqa: E402
from stereo_portrait.training.refiner_crops import upside_down  # noqa: E402
from stereo_portrait.training.refiner_loss import apart, edge_weight, loss_of  # noqa: E402
from stereo_portrait.training.refiner_network import SHIPPED, WIDE, GuidedNetwork, Widths, with_weights  # noqa: E402


def answers(favourite: int, sure: float) -> "torch.Tensor":
    full = torch.zeros(1, ANSWERS, 8, 8)
    full[:, favourite] = 6
    full[:, SURE] = sure
    return torch.nn.functional.pixel_unshuffle(full, 2)


def loss(favourite: int, sure: float, target_px: float) -> float:
    offsets = torch.full((1, CANDIDATES - 1, 8, 8), 30.0)
    offsets[:, 3] = 7.0  # candidate 4 alone is right
    target = torch.full((1, 1, 8, 8), target_px)
    return float(loss_of(answers(favourite, sure), offsets, target, torch.ones(1, 1, 8, 8))[0])


def test_choosing_the_right_candidate_costs_least() -> None:
    losses = [loss(favourite, 0, 7.0) for favourite in range(CANDIDATES)]
    assert int(np.argmin(losses)) == 4


def test_being_sure_pays_only_when_right() -> None:
    assert loss(4, 3, 7.0) < loss(4, -3, 7.0)
    assert loss(1, -3, 7.0) < loss(1, 3, 7.0)


def test_a_safe_candidate_is_preferred_to_an_equal_venture() -> None:
    offsets = torch.zeros(1, CANDIDATES - 1, 8, 8)
    target, weight = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    safe, venture = (float(loss_of(answers(k, 0), offsets, target, weight)[0]) for k in (1, 4))
    assert safe < venture


def test_a_pupil_that_says_what_its_teacher_says_is_nearest_to_it() -> None:
    weight = torch.ones(1, 1, 8, 8)
    taught = answers(2, 1.5)
    gaps = [float(apart(said, taught, weight)) for said in (taught, answers(2, -1.5), answers(3, 1.5))]
    assert gaps[0] < gaps[1] < gaps[2]


@pytest.mark.parametrize("widths", [SHIPPED, WIDE])
def test_weights_tell_the_widths_of_their_network(widths: Widths) -> None:
    network, told = GuidedNetwork(widths), torch.rand(1, 4 * CHANNELS, 16, 16)
    assert torch.equal(with_weights(network.state_dict())(told), network(told))


def test_true_edges_weigh_more() -> None:
    features = torch.zeros(1, 4 * CHANNELS, 16, 16)
    target = torch.zeros(1, 1, 32, 32)
    target[..., 16:] = 10
    weight = edge_weight(features, target)
    assert weight[0, 0, 16, 16] > weight[0, 0, 16, 2] == 1
    across = torch.nn.functional.pixel_unshuffle(torch.full((1, 1, 32, 32), 2 * 10 / 14), 2)
    features[:, 4 * (SHAPE + 1) : 4 * (SHAPE + 2)] = across  # the base steps by 10 px everywhere
    assert (edge_weight(features, torch.zeros(1, 1, 32, 32)) > 1).float().mean() > 0.9


def test_a_picture_upside_down_is_told_as_if_it_had_been_seen_so() -> None:
    photo = synthetic.square_in_front(12, 4, 48, 32, seed=1, side_px=12).pair.left
    draw = np.random.default_rng(0)
    base = draw.integers(4, 12, (32, 48)).astype(np.float32)
    nothing = np.zeros((32, 48), np.bool_)

    def told(photo: np.ndarray, base: np.ndarray) -> np.ndarray:
        photo, base = np.ascontiguousarray(photo), np.ascontiguousarray(base)
        return as_numbers(evidence_of(photo, None, base, None, None, base, nothing, nothing).features)

    turned, seen = upside_down(told(photo, base)), told(photo[::-1], base[::-1])
    same = np.r_[0 : 4 * COSTS, 4 * SHAPE : 4 * UNLIKE]  # which of two equal surfaces lies behind is left open
    assert np.abs(turned - seen)[same].max() < 1e-6


def test_the_exported_file_agrees_with_torch_at_another_size(tmp_path: Path) -> None:
    torch.manual_seed(1)
    draw = np.random.default_rng(0)
    scenes = [draw.integers(60, 200, (4 * CHANNELS, height, 24), dtype=np.uint8) for height in (16, 32)]
    assert exported(GuidedNetwork(), scenes, tmp_path / "network.onnx") < 0.06  # half a step is 0.05
    assert (tmp_path / "network.onnx").stat().st_size < 1_000_000
    assert [p.name for p in tmp_path.iterdir()] == ["network.onnx"]
    assert "Resize" not in {node.op_type for node in onnx.load(tmp_path / "network.onnx").graph.node}
    said = open_session(tmp_path / "network.onnx").said({"features": np.zeros((1, 32, 16, 4 * CHANNELS), np.uint8)})
    assert [(a.dtype, a.shape) for a in said] == [(np.uint8, (1, PLANES, 32, 16))]


def test_enlarging_by_copies_changes_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    draw = np.random.default_rng(0)
    scenes = [draw.integers(60, 200, (4 * CHANNELS, 16, 24), dtype=np.uint8)]
    network = GuidedNetwork()
    torch.nn.init.normal_(
        network.verdict.weight, std=0.5
    )  # the surroundings' part of the answer is not lost in rounding
    exported(network, scenes, tmp_path / "copied.onnx")
    monkeypatch.setattr(export_refiner, "by_copies", lambda model: model)
    exported(network, scenes, tmp_path / "resized.onnx")
    told = {"features": draw.integers(60, 200, (1, 32, 48, 4 * CHANNELS), dtype=np.uint8)}
    copied, resized = (open_session(tmp_path / f"{name}.onnx").said(told)[0] for name in ("copied", "resized"))
    assert np.array_equal(copied, resized)
    assert len(np.unique(copied)) > 100
