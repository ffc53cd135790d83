from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stereo_portrait.core.errors import WeightsError
from stereo_portrait.networks.contract import Contract, ask, contract_from, read_contract
from stereo_portrait.networks.session import open_session, padded


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 32))
def test_padding_keeps_the_picture_and_repeats_its_border(height: int, width: int, multiple: int) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    grown = padded(picture, multiple)
    assert grown.shape[0] % multiple == 0
    assert grown.shape[1] % multiple == 0
    assert (grown[:height, :width] == picture).all()
    assert (grown[height:, :width] == picture[-1]).all()


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "n.onnx").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"n\.onnx is not a network"):
        open_session(tmp_path / "n.onnx")
    with pytest.raises(WeightsError, match="cannot read the network"):
        open_session(tmp_path / "absent.onnx")


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_pictures_are_shown_at_whole_multiples_with_their_shape_roughly_kept(width: int, height: int) -> None:
    shown = Contract("inverse_depth", short_side_px=288, multiple_px=32).input_size(width, height)
    assert all(side % 32 == 0 and 288 <= side <= 4 * 288 for side in shown)
    if max(width, height) / min(width, height) < 4:
        assert shown[0] / shown[1] == pytest.approx(width / height, rel=0.06)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"answer": "colour", "short_side_px": 288}, "answer must be"),
        ({"answer": "mask"}, "either short_side_px"),
        ({"answer": "mask", "short_side_px": 288, "width_px": 9, "height_px": 9}, "either short_side_px"),
        ({"answer": "mask", "short_side_px": "288"}, "whole number"),
        ({"answer": "mask", "short_side_px": 288, "mean": [1, 2]}, "three numbers"),
        ({"answer": "mask", "short_side_px": 288, "men": [1, 2, 3]}, "no contract key"),
        ({"short_side_px": 288}, "name its answer"),
        ([1, 2], "keys and values"),
    ],
)
def test_a_wrong_contract_says_what_is_wrong(document: object, complaint: str) -> None:
    with pytest.raises(WeightsError, match=complaint):
        contract_from(document, "n.yaml")


def test_a_missing_contract_file_shows_an_example(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="answer: inverse_depth"):
        read_contract(tmp_path / "n.yaml")


@pytest.mark.parametrize("kind", ["no input", "two inputs", "a list"])
def test_a_network_of_another_kind_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    onnx = pytest.importorskip("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    names = {"no input": [], "two inputs": ["x", "y"], "a list": ["x"]}[kind]
    inputs = [helper.make_tensor_value_info(name, number, [1, 3, 32, 32]) for name in names]
    output = helper.make_tensor_value_info("out", number, None)
    if kind == "no input":
        one = helper.make_tensor("one", number, [2, 2], [1.0] * 4)
        nodes = [helper.make_node("Constant", [], ["out"], value=one)]
    elif kind == "two inputs":
        nodes = [helper.make_node("Add", names, ["out"])]
    else:
        nodes = [helper.make_node("SequenceConstruct", ["x", "x"], ["out"])]
        output = helper.make_tensor_sequence_value_info("out", number, None)
    graph = helper.make_graph(nodes, "g", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "odd.onnx")
    contract = contract_from({"answer": "mask", "width_px": 32, "height_px": 32}, "test")
    with pytest.raises(WeightsError, match=r"odd\.onnx"):
        ask(open_session(tmp_path / "odd.onnx"), contract, np.zeros((40, 40, 3), np.uint8))
