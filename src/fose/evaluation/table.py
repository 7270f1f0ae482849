"""Tables of scores: mean ± standard deviation over scenes, written as text, CSV, Markdown, LaTeX or JSON."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from fose.evaluation.run import Evaluation, Result
from fose.evaluation.scores import METRICS

TITLES = {
    "reduced": "Reduced resolution (Wald)",
    "full": "Full resolution (no reference)",
}


@dataclass(frozen=True)
class Cell:
    """Mean of a metric over n scenes; std has divisor n - 1, None for one scene or where a score is infinite."""

    mean: float
    std: float | None
    n: int


@dataclass(frozen=True)
class Table:
    """Rows of methods, columns of metrics; a cell is absent where a metric has no value on any scene."""

    group: str
    protocol: str
    metrics: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Cell]]

    @property
    def title(self) -> str:
        """What it shows."""
        title = TITLES.get(self.protocol, self.protocol)
        return f"{self.group}: {title}" if self.group else title

    @property
    def scenes(self) -> int:
        """The number of scenes that the best-covered method was scored on."""
        return max(count(row) for row in self.rows.values())

    def best(self, metric: str) -> set[str]:
        """The methods whose displayed mean is best, among those scored on all scenes; none in a table of one row."""
        spec = METRICS[metric]
        rated = {
            method: round(row[metric].mean, spec.digits)
            for method, row in self.rows.items()
            if metric in row and row[metric].n == self.scenes
        }
        if len(self.rows) < 2 or not rated:
            return set()
        top = (max if spec.higher else min)(rated.values())
        return {method for method, value in rated.items() if value == top}


def count(row: Mapping[str, Cell]) -> int:
    """Scenes that a method was scored on."""
    return max(cell.n for cell in row.values())


def cell(values: Sequence[float]) -> Cell:
    """Mean and standard deviation of at least one score."""
    finite = all(map(math.isfinite, values))
    return Cell(fmean(values), stdev(values) if len(values) > 1 and finite else None, len(values))


def tabulate(results: Iterable[Result]) -> list[Table]:
    """One table for each group and protocol, in the order of the results."""
    grouped: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for result in results:
        row = grouped.setdefault((result.group, result.protocol), {}).setdefault(result.method, {})
        for metric, value in result.scores.values.items():
            row.setdefault(metric, []).append(value)
    return [
        Table(
            group,
            protocol,
            tuple(metric for metric in METRICS if any(metric in row for row in rows.values())),
            {method: {metric: cell(values) for metric, values in row.items()} for method, row in rows.items()},
        )
        for (group, protocol), rows in grouped.items()
    ]


def _show(table: Table, method: str, metric: str, mark: Callable[[str], str], plus_minus: str, absent: str) -> str:
    """A cell as text: mean ± std, marked where best, with its n where it is not the row's."""
    found = table.rows[method].get(metric)
    if found is None:
        return absent
    digits = METRICS[metric].digits
    text = f"{found.mean:.{digits}f}"
    if found.std is not None:
        text += f"{plus_minus}{found.std:.{digits}f}"
    if method in table.best(metric):
        text = mark(text)
    return text if found.n == count(table.rows[method]) else f"{text} (n={found.n})"


def _head(metric: str) -> str:
    unit = METRICS[metric].unit
    return f"{metric} [{unit}]" if unit else metric


def _grid(table: Table, mark: Callable[[str], str], plus_minus: str, absent: str = "–") -> list[list[str]]:
    """Header row and one row per method, as text."""
    rows = [["method", "n", *map(_head, table.metrics)]]
    for method, row in table.rows.items():
        cells = [_show(table, method, metric, mark, plus_minus, absent) for metric in table.metrics]
        rows.append([method, str(count(row)), *cells])
    return rows


def text(evaluation: Evaluation) -> str:
    """Aligned columns; the best of a column carries an asterisk."""
    parts = []
    for table in tabulate(evaluation.results):
        grid = _grid(table, lambda value: f"{value}*", " ± ")
        widths = [max(len(row[column]) for row in grid) for column in range(len(grid[0]))]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in grid]
        parts.append("\n".join([table.title, *lines, _legend(table)]))
    return "\n\n".join(parts) + "\n"


def _legend(table: Table) -> str:
    lower = [metric for metric in table.metrics if not METRICS[metric].higher]
    spread = "mean ± standard deviation (n - 1); " if table.scenes > 1 else ""
    return f"{spread}lower is better for {', '.join(lower)}; * best"


def markdown(evaluation: Evaluation) -> str:
    """Pipe tables, the best of a column bold."""
    parts = []
    for table in tabulate(evaluation.results):
        head, *rows = _grid(table, lambda value: f"**{value}**", " ± ")
        head[2:] = [
            f"{name} {'↑' if METRICS[metric].higher else '↓'}"
            for name, metric in zip(head[2:], table.metrics, strict=True)
        ]
        rule = ["---", *["---:"] * (len(head) - 1)]
        parts.append(f"### {table.title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows)))
    return "\n\n".join(parts) + "\n"


def latex(evaluation: Evaluation) -> str:
    """Tabulars with booktabs rules, the best of a column bold."""
    parts = []
    for table in tabulate(evaluation.results):
        head, *rows = _grid(table, lambda value: rf"\textbf{{{value}}}", r" $\pm$ ", "--")
        head[2:] = [
            rf"{name} $\{'up' if METRICS[metric].higher else 'down'}arrow$"
            for name, metric in zip(head[2:], table.metrics, strict=True)
        ]
        lines = [" & ".join(row).replace("_", r"\_") + r" \\" for row in (head, *rows)]
        columns = "l" + "r" * (len(head) - 1)
        body = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
        parts.append("\n".join([f"% {table.title}", *body, r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


def comma_separated(evaluation: Evaluation) -> str:
    """One row per table and method, mean and std of each metric in columns of their own, at full precision."""
    tables = tabulate(evaluation.results)
    metrics = [metric for metric in METRICS if any(metric in table.metrics for table in tables)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = [f"{metric}_{part}" for metric in metrics for part in ("mean", "std", "n")]
    writer.writerow(["group", "protocol", "method", *columns])
    for table in tables:
        for method, row in table.rows.items():
            cells = [row.get(metric) for metric in metrics]
            values = [(found.mean, found.std, found.n) if found else ("", "", "") for found in cells]
            writer.writerow([table.group, table.protocol, method, *(part for value in values for part in value)])
    return out.getvalue()


def as_json(evaluation: Evaluation) -> str:
    """Everything: tables, every scene's scores, failures and notes. Infinities are the string "inf"."""
    tables = [asdict(table) | {"title": table.title} for table in tabulate(evaluation.results)]
    results = [asdict(result) for result in evaluation.results]
    failures = [asdict(failure) for failure in evaluation.failures]
    found = {"tables": tables, "results": results, "failures": failures, "notes": evaluation.notes}
    return json.dumps(plain(found), indent=2, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """JSON has no infinity: write it as the string "inf", which float() reads."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


FORMATS: Mapping[str, Callable[[Evaluation], str]] = {
    "text": text,
    "csv": comma_separated,
    "markdown": markdown,
    "latex": latex,
    "json": as_json,
}
