"""Boards: SPEC, drawing, printing to scale, detection."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from stereo_portrait.core.errors import CalibrationError
from stereo_portrait.geometry.board import board_picture, find_corners, looks_mirrored, parse_board, seen_size
from stereo_portrait.geometry.target import PAPERS_MM, target_pdf, target_png, target_yaml

CHESS = "chessboard:9x6:25mm"
CHARUCO = "charuco:10x7:25mm:19mm:DICT_5X5_1000"
TARGETS = Path(__file__).resolve().parents[2] / "calibration" / "targets"


@pytest.mark.parametrize("spec", [CHESS, CHARUCO, "charuco:8x11:24mm:18mm:DICT_4X4_50"])
def test_a_drawn_board_is_found_where_it_was_drawn(spec: str) -> None:
    board = parse_board(spec)
    px_per_mm, margin_mm = 2.0, 30.0
    picture = cv2.GaussianBlur(board_picture(board, px_per_mm, margin_mm), (0, 0), 0.8)
    found = find_corners(picture, board)
    assert found is not None
    assert len(found.ids) == len(board.points_m)
    expected = ((board.points_m[found.ids, :2] * 1000 + board.square_mm + margin_mm) * px_per_mm) - 0.5
    if board.kind == "chessboard" and np.linalg.norm(found.points_px[0] - expected[0]) > 5:
        expected = expected[::-1]  # a plain board may be counted from either end
    assert np.linalg.norm(found.points_px - expected, axis=1).max() < 0.12


def test_a_charuco_board_is_found_in_part_and_a_mirrored_one_is_named() -> None:
    board = parse_board(CHARUCO)
    picture = board_picture(board, 2.4, 30.0)
    part = picture.copy()
    part[:, : picture.shape[1] // 3] = 128
    found = find_corners(part, board)
    assert found is not None
    assert 8 <= len(found.ids) < len(board.points_m)
    whole = find_corners(picture, board)
    assert whole is not None
    assert np.abs(whole.points_px[found.ids] - found.points_px).max() < 0.5
    assert looks_mirrored(np.ascontiguousarray(picture[:, ::-1]), board)
    assert not looks_mirrored(picture, board)


def test_a_board_of_another_size_is_measured() -> None:
    assert seen_size(board_picture(parse_board("chessboard:7x5:25mm"), 2.0, 30.0)) in ((7, 5), (5, 7))


@pytest.mark.parametrize(
    "spec",
    ["", "chessboard", "chessboard:9x6", "chessboard:9x6:0mm", "chessboard:2x2:25mm", "chess:9x6:25mm",
     "charuco:10x7:25mm:26mm:DICT_5X5_1000", "charuco:10x7:25mm:19mm:DICT_NONE", "charuco:30x20:25mm:19mm:DICT_4X4_50"],
)  # fmt: skip
def test_a_spec_that_makes_no_sense_is_refused(spec: str) -> None:
    with pytest.raises(CalibrationError):
        parse_board(spec)


@pytest.mark.parametrize("paper", PAPERS_MM)
@pytest.mark.parametrize("spec", ["chessboard:9x6:24mm", "charuco:10x7:24mm:18mm:DICT_5X5_1000"])
def test_a_pdf_prints_true_to_scale(paper: str, spec: str) -> None:
    board = parse_board(spec)
    text = _content(target_pdf(board, paper))
    rectangles = np.array(re.findall(r"([-\d.]+) ([-\d.]+) ([-\d.]+) ([-\d.]+) re", text), float) * 25.4 / 72
    squares = rectangles[np.abs(rectangles[:, 2] - 24) < 1e-3]
    across, down = board.squares
    assert len(squares) == (across * down + 1) // 2
    assert np.ptp(squares[:, 0]) == pytest.approx((across - 1) * 24, abs=1e-3)
    assert (squares[:, :2] > 4).all()  # inside what printers reach
    assert (squares[:, 0] + 24 < max(PAPERS_MM[paper]) - 4).all()
    assert board.spec in text


def _content(pdf: bytes) -> str:
    import base64
    import zlib

    out = ""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        data = stream.strip()
        if data.endswith(b"~>"):
            data = base64.a85decode(data.removeprefix(b"<~").removesuffix(b"~>"))
        try:
            out += zlib.decompress(data).decode("latin-1")
        except zlib.error:
            out += data.decode("latin-1")
    return out


def test_a_board_too_large_for_the_paper_names_the_size_that_fits() -> None:
    with pytest.raises(CalibrationError, match="at most"):
        target_pdf(parse_board("chessboard:9x6:60mm"), "a4")


def test_a_screen_target_has_whole_pixels() -> None:
    picture = cv2.imdecode(np.frombuffer(target_png(parse_board(CHESS), 40), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (9 * 40, 12 * 40)
    assert set(np.unique(picture)) == {0, 255}


def test_ready_made_targets_match_their_descriptions() -> None:
    described = sorted(TARGETS.glob("*.yaml"))
    assert len(described) >= 6
    for path in described:
        facts = yaml.safe_load(path.read_text())
        board = parse_board(facts["spec"])
        assert path.read_text() == target_yaml(board, facts["paper"])
        assert board.spec in _content(path.with_suffix(".pdf").read_bytes())
        assert path.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
