"""A training log as a picture: bad pixels before and after, on the pool and on what was kept aside.

python -m stereo_portrait.training.curves LOG.jsonl OUT.png
"""

import json
import sys
from pathlib import Path


def draw_curves(log: Path, out: Path) -> None:
    """Two panels, errors above 2 px and above 0.5 px, against the step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    steps = [line["step"] for line in lines]
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    for panel, name, limit in zip(panels, ("2", "05"), ("2", "0.5"), strict=True):
        for key, label in ((f"bad{name}", "trained on"), (f"aside_bad{name}", "kept aside")):
            panel.plot(steps, [100 * line[key] for line in lines], label=label)
        for key, label in ((f"base{name}", "matcher, trained on"), (f"aside_base{name}", "matcher, kept aside")):
            panel.plot(steps, [100 * line[key] for line in lines], "--", label=label)
        panel.set(title=f"pixels off by more than {limit} px, %", xlabel="step", ylim=(0, None))
        panel.legend()
    figure.savefig(out, dpi=90)
    pyplot.close(figure)


if __name__ == "__main__":
    draw_curves(Path(sys.argv[1]), Path(sys.argv[2]))
