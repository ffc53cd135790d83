"""A training log, and a picture of it: one panel for each figure, what is trained on beside what was kept aside."""

import json
from pathlib import Path

Panels = dict[str, dict[str, str]]
"""Title of a panel -> label of a line -> key in the log; what the log lacks is left out, a panel without lines too."""


def log_line(log: Path, line: dict[str, float], panels: Panels) -> None:
    """Say the line, add it to the log, and draw the log again beside it."""
    print(log.stem, json.dumps(line), flush=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    draw_curves(log, log.with_suffix(".png"), panels)


def draw_curves(log: Path, out: Path, panels: Panels) -> None:
    """Every panel's lines against the step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    steps = [line["step"] for line in lines]
    panels = {title: shown for title, shown in panels.items() if any(key in lines[-1] for key in shown.values())}
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(5.5 * len(panels), 4), constrained_layout=True, squeeze=False
    )
    for axis, (title, shown) in zip(axes[0], panels.items(), strict=True):
        for label, key in shown.items():
            if key in lines[-1]:
                axis.plot(steps, [line.get(key, float("nan")) for line in lines], label=label)
        axis.set(title=title, xlabel="step", ylim=(0, None))
        axis.legend()
    figure.savefig(out, dpi=90)
    pyplot.close(figure)
