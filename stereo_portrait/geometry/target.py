"""A board on paper, true to scale, with a ruler that shows whether the printer kept it; or on a screen."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray

from stereo_portrait.core.errors import CalibrationError
from stereo_portrait.geometry.board import Board, black_rectangles_mm, board_picture

PAPERS_MM = {"a4": (210.0, 297.0), "letter": (215.9, 279.4), "a3": (297.0, 420.0)}
MARGIN_MM = 5.0
FOOT_MM = 17.0  # ruler and words


def page_mm(board: Board, paper: str) -> tuple[float, float]:
    """(width, height) of the page, turned so that the board fits.

    Raises:
        CalibrationError: the board is larger than the page; the largest square that fits is named.
    """
    across, down = board.squares
    short, long = PAPERS_MM[paper]
    best = 0.0
    for width, height in ((long, short), (short, long)):
        room = (width - 2 * MARGIN_MM) / across, (height - 2 * MARGIN_MM - FOOT_MM) / down
        if min(room) >= board.square_mm - 1e-9:
            return width, height
        best = max(best, min(room))
    squares = f"{across}x{down} squares of {board.square_mm:g} mm"
    raise CalibrationError(
        f"{squares} do not fit on {paper}; use at most {int(best * 2) / 2:g} mm, fewer squares, or larger paper"
    )


def target_pdf(board: Board, paper: str) -> bytes:
    """One page: the board as vectors, a ruler, and the SPEC that goes with it.

    Raises:
        CalibrationError: it does not fit.
    """
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    width_mm, height_mm = page_mm(board, paper)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(width_mm * mm, height_mm * mm), invariant=1)
    canvas.setTitle(f"Calibration board {board.spec}")
    canvas.setCreator("stereo-portrait")
    across, down = (n * board.square_mm for n in board.squares)
    left_mm = (width_mm - across) / 2
    top_mm = FOOT_MM + MARGIN_MM + down + (height_mm - 2 * MARGIN_MM - FOOT_MM - down) / 2
    for x, y, w, h in black_rectangles_mm(board):
        canvas.rect((left_mm + x) * mm, (top_mm - y - h) * mm, w * mm, h * mm, stroke=0, fill=1)
    _ruler(canvas, MARGIN_MM + 8, MARGIN_MM + 9, 10 * int((width_mm - 2 * MARGIN_MM - 16) / 10), mm)
    canvas.setFont("Helvetica", 8)
    lines = (
        f"--board {board.spec}",
        "Print at 100 %, no fitting. The ruler must be true: if not, put the measured square size into the SPEC.",
    )
    for i, line in enumerate(lines):
        canvas.drawString((MARGIN_MM + 8) * mm, (MARGIN_MM + 4.5 - 3.5 * i) * mm, line)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _ruler(canvas: object, x_mm: float, y_mm: float, length_mm: int, mm: float) -> None:
    from reportlab.pdfgen.canvas import Canvas

    assert isinstance(canvas, Canvas)
    canvas.setLineWidth(0.2 * mm)
    canvas.setFont("Helvetica", 6)
    canvas.line(x_mm * mm, y_mm * mm, (x_mm + length_mm) * mm, y_mm * mm)
    for i in range(length_mm + 1):
        tall = 4.0 if i % 10 == 0 else 3.0 if i % 5 == 0 else 2.0
        canvas.line((x_mm + i) * mm, y_mm * mm, (x_mm + i) * mm, (y_mm + tall) * mm)
        if i % 10 == 0:
            canvas.drawCentredString((x_mm + i) * mm, (y_mm + 4.5) * mm, f"{i} mm" if i == length_mm else str(i))


def target_png(board: Board, square_px: int = 60) -> bytes:
    """The board for a screen, every square a whole number of pixels; its size in mm depends on the screen."""
    picture = board_picture(board, square_px / board.square_mm, margin_mm=board.square_mm)
    return cv2.imencode(".png", picture)[1].tobytes()


def target_yaml(board: Board, paper: str) -> str:
    """What a person needs to know about a printed board, and where to write down what the printer did."""
    across, down = board.squares
    lines = [
        f"spec: {board.spec}",
        f"kind: {board.kind}",
        f"paper: {paper}",
        f"squares: [{across}, {down}]",
        f"inner_corners: [{board.corners[0]}, {board.corners[1]}]",
        f"square_mm: {board.square_mm:g}",
    ]
    if board.kind == "charuco":
        lines += [f"marker_mm: {board.marker_mm:g}", f"dictionary: {board.dictionary}"]
    count = across - 1 if across <= 11 else 10
    nominal = count * board.square_mm
    lines += [
        "how_to_measure: >-",
        f"  Measure {count} squares in one go, from the edge of the first black square on: {nominal:g} mm are due.",
        f"  Divide by {count} and put the result into the SPEC in place of {board.square_mm:g}mm. Measure down the",
        "  page too; if the two differ by more than 0.3 %, print on another printer. Glue the sheet to glass or a",
        "  stiff board: flat counts most.",
    ]
    return "\n".join(lines) + "\n"


def page_picture(board: Board, paper: str, px_per_mm: float = 4.0) -> NDArray[np.uint8]:
    """(H, W) the printed page as a picture, board in its place; the ruler is left out."""
    width_mm, height_mm = page_mm(board, paper)
    page = np.full((round(height_mm * px_per_mm), round(width_mm * px_per_mm)), 255, np.uint8)
    drawn = board_picture(board, px_per_mm)
    x = (page.shape[1] - drawn.shape[1]) // 2
    y = (page.shape[0] - round(FOOT_MM * px_per_mm) - drawn.shape[0]) // 2
    page[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn
    return page
