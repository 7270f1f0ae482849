"""The curves of a run as one picture, drawn from its logs."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

PICTURE = "training.png"


def draw(folder: Path, stages: Iterable[str], writer: str) -> None:
    """Write `folder`/training.png: training loss and validation error against steps, one panel for each stage logged.

    writer: the stage that draws; stages may train side by side in one folder, and each writes a part of its own name.
    """
    logs = {stage: read_log(folder / f"{stage}.jsonl") for stage in stages if (folder / f"{stage}.jsonl").exists()}
    figure = Figure(figsize=(4 * len(logs), 3.2), layout="constrained")
    panels = figure.subplots(1, len(logs), squeeze=False)[0]
    for panel, (stage, lines) in zip(panels, logs.items(), strict=True):
        _panel(panel, stage, lines)
    part = folder / f"{writer}.png.part"
    figure.savefig(part, format="png", dpi=110)
    part.replace(folder / PICTURE)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSON-lines log, one for each step in order; of a step logged twice, the later one."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [line for _, line in sorted({line["step"]: line for line in lines}.items())]


def _panel(panel: Axes, stage: str, lines: list[dict[str, Any]]) -> None:
    steps = [line["step"] for line in lines]
    for key, label in (("loss", "training loss"), ("valid", "validation error")):
        panel.plot(steps, [line[key] for line in lines], marker=".", markersize=4, linewidth=1, label=label)
    panel.set_title(f"{stage.replace('_', ' ')}: {lines[-1]['valid']:.4f} after {steps[-1]} steps", fontsize=9)
    panel.set_xlim(left=0)
    panel.set_xlabel("steps")
    panel.set_ylabel("L1, residual units")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
