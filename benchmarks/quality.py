"""Every method on the held-out scenes, with and without registration: writes the tables of docs/quality.md.

    PYTHONPATH=src python benchmarks/quality.py SHARED [-o docs/quality.md] [--scenes a,b] [--methods a,b]

SHARED holds `data/scenes.json` and `refvec/`. Only scenes whose use is "eval" are read; nothing is tuned on them.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from fose import api
from fose.classical.reference import ReferenceScene
from fose.evaluation.cases import SceneCase, Settings
from fose.evaluation.reduced import ReferenceReducedTrial
from fose.evaluation.run import Evaluation, evaluate
from fose.evaluation.scores import METRICS
from fose.scene.sharpen import Options

COLUMNS = {"reduced": ("SAM", "ERGAS", "Q2n"), "full": ("D_lambda_K", "D_s", "HQNR")}
TITLES = {"reduced": "Reduced resolution", "full": "Full resolution"}
TOOLBOX = {  # MTF gains of bands and PAN
    "wv2_rr": ((0.35,) * 7 + (0.27,), 0.11),
    "ik_rr": ((0.26, 0.28, 0.29, 0.28), 0.17),
    "ge1_rr": ((0.23,) * 4, 0.16),
}
Values = dict[tuple[str, str, str, str], float]  # (scene, protocol, method, metric)


def cases(shared: Path, only: Sequence[str] | None) -> list[SceneCase]:
    """The evaluation scenes."""
    found = []
    for entry in json.loads((shared / "data/scenes.json").read_text()):
        folder = shared / "data" / entry["root"] / entry["name"]
        if entry["use"] == "eval" and (only is None or entry["name"] in only):
            target = str(folder / "target.tif") if entry["target"] else None
            found.append(SceneCase(entry["name"], str(folder / "pan.tif"), (str(folder / "ms.tif"),), target))
    return found


def values(evaluation: Evaluation) -> Values:
    """Scores by scene, protocol, method and metric."""
    return {
        (result.scene, result.protocol, result.method, metric): value
        for result in evaluation.results
        for metric, value in result.scores.values.items()
    }


def best(numbers: dict[str, float], metric: str) -> str:
    """The method of the best value."""
    return (max if METRICS[metric].higher else min)(numbers, key=lambda method: numbers[method])


def pipe(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))


def column(
    protocol: str, metric: str, methods: Sequence[str], on: Callable[..., float], off: Callable[..., float]
) -> list[str]:
    """Head and cells of one metric: "with / without registration", or one value where that changed nothing."""
    digits = METRICS[metric].digits
    with_it = {method: on(protocol, method, metric) for method in methods}
    without = {method: off(protocol, method, metric) for method in methods}
    first, changed = best(with_it, metric), with_it != without
    cells = [f"{metric} {'↑' if METRICS[metric].higher else '↓'}{' on / off' if changed else ''}"]
    for method in methods:
        value = f"{with_it[method]:.{digits}f}"
        value = f"**{value}**" if method == first else value
        cells.append(f"{value} / {without[method]:.{digits}f}" if changed else value)
    return cells


def table(protocols: Sequence[str], methods: Sequence[str], on: Callable[..., float], off: Callable[..., float]) -> str:
    """Methods in rows, the protocols' metrics in columns."""
    columns = [["method", *methods]]
    columns += [column(protocol, metric, methods, on, off) for protocol in protocols for metric in COLUMNS[protocol]]
    return pipe(list(zip(*columns, strict=True)))


def mean_of(found: Values, scenes: Sequence[str]) -> Callable[..., float]:
    """Mean over those of the scenes that have the protocol."""

    def mean(protocol: str, method: str, metric: str) -> float:
        return fmean(v for s in scenes if (v := found.get((s, protocol, method, metric))) is not None)

    return mean


def summary(scenes: Sequence[str], methods: Sequence[str], on: Values, off: Values, notes: Evaluation) -> str:
    """Per scene: the best method by ERGAS and by HQNR, what registration did."""
    rows = [["scene", "best ERGAS", "Q2n of it", "best Q2n", "best HQNR", "ERGAS of gsa, on / off", "registration"]]
    for scene in scenes:

        def pick(protocol: str, metric: str, scene: str = scene) -> tuple[str, str]:
            known = {m: on[scene, protocol, m, metric] for m in methods if (scene, protocol, m, metric) in on}
            if not known:
                return "–", "–"
            name = best(known, metric)
            return name, f"{name} {known[name]:.{METRICS[metric].digits}f}"

        name, shown = pick("reduced", "ERGAS")
        gsa = [f"{found.get((scene, 'reduced', 'gsa', 'ERGAS'), float('nan')):.3f}" for found in (on, off)]
        remarks = "; ".join(note for note in notes.notes.get(scene, ()) if note.startswith(("reduced", "full")))
        rows.append(
            [
                scene,
                shown,
                f"{on[scene, 'reduced', name, 'Q2n']:.4f}",
                pick("reduced", "Q2n")[1],
                pick("full", "HQNR")[1],
                " / ".join(gsa),
                remarks,
            ]
        )
    return pipe(rows)


def check(shared: Path, case: str, methods: Sequence[str]) -> list[str]:
    """A toolbox case in the toolboxes' conventions: scores of a few methods, and how far all are from Octave's."""
    folder = shared / "refvec" / case
    expected = json.loads((folder / "reference.json").read_text())["all_method_metrics"]
    with np.load(folder / "inputs.npz") as stored:
        pan, ms, target = stored["pan"], stored["ms_lr"].transpose(2, 0, 1), stored["gt"].transpose(2, 0, 1)
    trial = ReferenceReducedTrial(ReferenceScene(pan, ms, *TOOLBOX[case]), target)
    scores = {method: trial.score(api.method(method)).values for method in methods}
    worst, compared = (0.0, ""), 0
    for method, found in scores.items():
        octave = expected.get(method.upper().replace("-", "_").replace("BROVEY", "Brovey"), {}).get("cut21_th0", {})
        for metric, value in octave.items():
            worst = max(worst, (abs(found[metric] / value - 1), f"{method} {metric}"))
            compared += 1
    leader = best({method: found["ERGAS"] for method, found in scores.items()}, "ERGAS")
    shown = [
        " / ".join(f"{scores[m][k]:.{d}f}" for k, d in (("Q2n", 3), ("SAM", 2), ("ERGAS", 2))) for m in ("exp", leader)
    ]
    return [case, shown[0], f"{leader} {shown[1]}", str(compared), f"{worst[0]:.1e} ({worst[1]})"]


def document(shared: Path, scenes: list[SceneCase], methods: Sequence[str]) -> str:
    """Run everything and write it up."""
    sharpeners = {name: api.method(name) for name in methods}
    runs = {
        mode: evaluate(
            scenes, sharpeners, Settings(options=Options(register=mode)), lambda line: print(line, file=sys.stderr)
        )
        for mode in ("auto", "off")
    }
    failures = [str(failure) for run in runs.values() for failure in run.failures]
    on, off = values(runs["auto"]), values(runs["off"])
    names = [case.name for case in scenes]
    full = [name for name in names if any(key[:2] == (name, "full") for key in on)]
    parts = [
        HEADER.format(command=" ".join(["benchmarks/quality.py", *sys.argv[1:]]), commit=commit(), machine=machine()),
        "## Per scene\n\n" + summary(names, methods, on, off, runs["auto"]),
        f"## Means\n\nReduced resolution over {len(names)} scenes, full resolution over {len(full)}.\n\n"
        + table(("reduced",), methods, mean_of(on, names), mean_of(off, names)),
        table(("full",), methods, mean_of(on, full), mean_of(off, full)) if full else "",
        "## Every scene",
    ]
    for name in names:
        protocols = [p for p in COLUMNS if (name, p, methods[0], COLUMNS[p][0]) in on]
        tables = [table([p], methods, mean_of(on, [name]), mean_of(off, [name])) for p in protocols]
        parts += [f"### {name}", *tables]
    head = [
        "case",
        "exp: Q2n / SAM / ERGAS",
        "best ERGAS",
        "values compared with Octave",
        "largest relative difference",
    ]
    parts += [CHECK, pipe([head, *(check(shared, case, api.sharpener_names()) for case in TOOLBOX)])]
    parts += ["## Failures\n\n" + "\n".join(f"- {line}" for line in failures)] if failures else []
    return "\n\n".join(part for part in parts if part) + "\n"


def commit() -> str:
    """The commit that was measured."""
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


def machine() -> str:
    """What ran it."""
    return f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"


HEADER = """# Quality of every method on held-out scenes

Made by `{command}`, commit {commit}, {machine}. Nothing was tuned on these scenes.

Protocols as in [evaluation.md](evaluation.md), scene conventions, no border cut. `rr_*` have real targets; the others
are degraded (reduced resolution) and sharpened as they are (full resolution). Values are those with `--register auto`;
"on / off" adds those with `--register off` where they differ. SAM in degrees. Best with registration in bold.
At full resolution registration moves the MS for the metrics too, so on and off measure against different images.
Shifts at reduced resolution are in pixels of the degraded PAN, which are ratio times larger than PAN's."""

CHECK = """## Check against the toolboxes

Reduced-resolution cases of the reference vectors in the toolboxes' conventions (border cut 21)."""


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/quality.md"))
    parser.add_argument("--scenes", type=lambda text: text.split(","))
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(api.sharpener_names()))
    arguments = parser.parse_args()
    arguments.output.write_text(
        document(arguments.shared, cases(arguments.shared, arguments.scenes), arguments.methods)
    )


if __name__ == "__main__":
    main()
