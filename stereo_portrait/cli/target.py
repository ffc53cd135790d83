"""stereo-portrait target: a calibration board to print, or to show on a screen."""

from pathlib import Path

import click

from stereo_portrait.cli.frame import Talk, common_options
from stereo_portrait.core.errors import OutputError


@click.command()
@click.option(
    "--board", "spec", required=True, metavar="SPEC", help="chessboard:9x6:25mm or charuco:11x8:25mm:19mm:DICT"
)
@click.option("--paper", type=click.Choice(["a4", "letter", "a3"]), default="a4", show_default=True)
@click.option(
    "--square-px", type=click.IntRange(8, 400), default=60, show_default=True, help="For PNG: pixels a square."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="A .pdf to print or a .png to show."
)
@common_options
def command(talk: Talk, spec: str, paper: str, square_px: int, output: Path) -> None:
    """Draw a calibration board: PDF prints true to scale with a ruler to check it, PNG is for a screen.

    Example: stereo-portrait target --board charuco:11x7:24mm:18mm:DICT_5X5_1000 --paper a4 -o board.pdf
    """
    from stereo_portrait.export.files import staged_file, write_bytes
    from stereo_portrait.geometry.board import parse_board
    from stereo_portrait.geometry.target import target_pdf, target_png

    board = parse_board(spec)
    kind = output.suffix.lower()
    if kind not in (".pdf", ".png"):
        raise OutputError(f"cannot write a board as '{output.suffix}'; name a .pdf to print or a .png for a screen")
    data = target_pdf(board, paper) if kind == ".pdf" else target_png(board, square_px)
    with staged_file(output) as path:
        write_bytes(path, data)
    hint = "print at 100 %, then hold a ruler to the ruler" if kind == ".pdf" else "measure a square on the screen"
    talk.result({"board": board.spec, "file": str(output)}, f"wrote {output}; {hint}")
