"""The table that proves the method: every part of Fose and every stage, on the held-out scenes, beside the classics.

    PYTHONPATH=src python benchmarks/ablation.py SHARED RUN [--frozen RUN] [--variant "LABEL=RUN:STAGE"]... [-o FILE]

RUN holds the checkpoints of a whole training (`fose train`); --frozen one whose fourth stage trained the ensemble
blocks alone; each --variant another run's stage, for example one without adaptive convolution. Needs the extra `train`.
Scores as in benchmarks/quality.py (--register auto). Times: the network alone, PyTorch float32, the rows interleaved.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch
from quality import COLUMNS, TOOLBOX, best, cases, commit, machine, pipe, values
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fose import api, classical
from fose.classical.reference import ReferenceScene
from fose.evaluation.cases import Settings
from fose.evaluation.reduced import ReferenceReducedTrial
from fose.evaluation.run import evaluate
from fose.evaluation.scores import METRICS
from fose.nn.model import at_end, is_denoiser, new_model
from fose.ops.features import CONDITIONS, SPATIAL, SPECTRAL
from fose.runtime.network import Network
from fose.scene.sharpen import Options
from fose.sharpener import Array
from fose.training import checkpoint
from fose.training.bank import Batch
from fose.training.recipe import from_dict
from fose.training.stages import sample_mean

Inputs = tuple[Tensor, Tensor, Tensor]
Predict = Callable[[Inputs], Tensor]
TIMED = (4, 256, 256)  # bands, rows, columns of a timed window
FIELD = 64  # PAN pixels: the context that every row is given, more than one pass of any network looks at


@dataclass(frozen=True)
class Row:
    """One line of the table. slow: measured at reduced resolution only."""

    label: str
    predict: Predict
    models: tuple[nn.Module, ...]
    base: bool = True
    slow: bool = False

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """The engine that `fose.runtime.network.Network` asks for."""
        with torch.no_grad():
            return self.predict((_tensor(spatial), _tensor(spectral), _tensor(conditions)))[0].numpy()

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for model in self.models for p in model.parameters())

    def multiply_adds(self) -> float:
        """Per PAN pixel, four bands."""
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.predict(example((4, 64, 64)))
        return counter.get_total_flops() / 2 / 64**2

    def seconds(self) -> float:
        """Of one window of `TIMED`."""
        inputs = example(TIMED)
        start = time.perf_counter()
        with torch.no_grad():
            self.predict(inputs)
        return time.perf_counter() - start


def _tensor(image: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image, np.float32))[None]


def example(shape: tuple[int, int, int]) -> Inputs:
    """Random inputs for (bands, rows, columns)."""
    bands, rows, cols = shape
    draw = torch.Generator().manual_seed(0)
    return (
        torch.randn(1, SPATIAL, rows, cols, generator=draw),
        torch.randn(1, bands, SPECTRAL, rows, cols, generator=draw),
        torch.randn(1, bands, CONDITIONS, generator=draw),
    )


def finished(run: Path, stage: str) -> tuple[nn.Module, bool]:
    """A stage's averaged weights, and whether it starts from the classical base."""
    tensors, header = checkpoint.read(run / f"{stage}.safetensors")
    sizes = from_dict(header["recipe"]).model
    model = new_model(stage, sizes)
    model.load_state_dict(checkpoint.under("ema", tensors), strict=True)
    return model.eval(), sizes.base


def sampler(model: nn.Module, steps: int) -> Predict:
    """The diffusion model in so many steps, one draw."""
    return lambda inputs: sample_mean(model, Batch(inputs, torch.zeros_like(inputs[1][:, :, 0])), steps, 1, 0)


def rows_of(run: Path, frozen: Path | None, variants: Sequence[str]) -> list[Row]:
    """The network's rows, in the order of docs/method.md."""
    teacher, _ = finished(run, "diffusion")
    student, _ = finished(run, "one_step")
    plain, _ = finished(run, "end_to_end")
    joint, _ = finished(run, "fusion")
    rows = [Row(f"diffusion, {steps} steps", sampler(teacher, steps), (teacher,), slow=True) for steps in (50, 10)]
    rows += [
        Row("diffusion, once at T, not distilled", lambda i: at_end(teacher, i), (teacher,)),
        Row("one step, distilled", lambda i: at_end(student, i), (student,)),
        Row("end to end", plain, (plain,)),
        Row("plain average of these two", lambda i: (at_end(student, i) + plain(i)) / 2, (student, plain)),
    ]
    if frozen:
        ensemble, _ = finished(frozen, "fusion")
        rows.append(Row("Fose, parts frozen", ensemble, (ensemble,)))
    rows.append(Row("**Fose**", joint, (joint,)))
    for variant in variants:
        label, _, place = variant.partition("=")
        folder, _, stage = place.rpartition(":")
        model, base = finished(Path(folder), stage)
        rows.append(Row(label, (lambda i, m=model: at_end(m, i)) if is_denoiser(stage) else model, (model,), base))
    return rows


def timings(rows: Sequence[Row], rounds: int = 5) -> list[float]:
    """Median seconds per megapixel of each row; the rows take turns, so that noise strikes all."""
    taken: list[list[float]] = [[] for _ in rows]
    for _ in range(rounds):
        for row, found in zip(rows, taken, strict=True):
            found.append(row.seconds())
    return [median(found) / (TIMED[1] * TIMED[2] / 1e6) for found in taken]


def _networks(rows: Sequence[Row]) -> dict[str, Network]:
    return {row.label: Network(row.label, row, FIELD, row.base) for row in rows}


Scores = dict[str, dict[str, dict[str, float]]]  # protocol and metric, then scene, then method


def measure(shared: Path, rows: Sequence[Row]) -> Scores:
    """All scores of the rows and of the classical methods."""
    networks = _networks(rows)
    classics = {name: api.method(name) for name in classical.names()}
    quick = {row.label: networks[row.label] for row in rows if not row.slow}
    scenes, scores = cases(shared, None), Scores()
    for protocol, chosen in (("reduced", networks), ("full", quick)):
        suited = scenes if protocol == "reduced" else [scene for scene in scenes if scene.target is None]
        settings = Settings(protocols=(protocol,), options=Options(register="auto"))
        done = evaluate(suited, classics | chosen, settings, lambda line: print(line, file=sys.stderr))
        for failure in done.failures:
            raise SystemExit(str(failure))
        for (scene, _, name, metric), value in values(done).items():
            if metric in COLUMNS[protocol]:
                scores.setdefault(f"{protocol} {metric}", {}).setdefault(scene, {})[name] = value
    return scores


def toolbox(shared: Path, rows: Sequence[Row]) -> Scores:
    """The reference vectors in the toolboxes' conventions (border cut 21)."""
    scores: Scores = {}
    for case, sensor in TOOLBOX.items():
        with np.load(shared / "refvec" / case / "inputs.npz") as stored:
            pan, ms, target = stored["pan"], stored["ms_lr"].transpose(2, 0, 1), stored["gt"].transpose(2, 0, 1)
        trial = ReferenceReducedTrial(ReferenceScene(pan, ms, *sensor), target)
        methods = {name: api.method(name) for name in classical.names()} | _networks(rows)
        for name, method in methods.items():
            found = trial.score(method).values
            for metric in COLUMNS["reduced"]:
                scores.setdefault(f"reduced {metric}", {}).setdefault(case, {})[name] = found[metric]
    return scores


def main_table(rows: Sequence[Row], scores: Scores) -> str:
    """Means over scenes, size and time."""
    columns = list(scores)
    classics = [name for name in next(iter(scores["reduced ERGAS"].values())) if name not in {r.label for r in rows}]
    means = {
        column: {name: fmean(scene[name] for scene in scores[column].values()) for name in next(iter(of.values()))}
        for column, of in scores.items()
    }
    leader = {column: best({name: means[column][name] for name in classics}, column.split()[1]) for column in columns}
    head = ["", *(c.split()[1] for c in columns), "parameters", "multiply–adds / pixel", "s / MP", "× faster than 50"]
    table = [
        head,
        ["best classical mean", *(f"{_shown(means[c][leader[c]])} ({leader[c]})" for c in columns), "", "", "", ""],
    ]
    ideal = []
    for column in columns:
        metric = column.split()[1]
        choose = max if METRICS[metric].higher else min
        ideal.append(_shown(fmean(choose(s[n] for n in classics) for s in scores[column].values())))
    table.append(["best classical of each scene", *ideal, "", "", "", ""])
    seconds = timings(rows)
    for row, spent in zip(rows, seconds, strict=True):
        table.append(
            [
                row.label,
                *(_shown(means[column].get(row.label)) for column in columns),
                f"{row.parameters / 1e3:.0f} k",
                f"{row.multiply_adds() / 1e3:.1f} k",
                f"{spent:.2f}",
                f"{seconds[0] / spent:.1f}",
            ]
        )
    return pipe(table)


def scene_table(rows: Sequence[Row], scores: Scores) -> str:
    """SAM / ERGAS / Q2n (and HQNR) per scene: the best classical value of each metric, then every row."""
    scenes = list(scores["reduced ERGAS"])
    ours = {row.label for row in rows}
    table = [["", *scenes]]

    def cell(scene: str, pick: Callable[[str, dict[str, float]], float | None]) -> str:
        return " / ".join(_shown(pick(c, scores[c][scene])) for c in scores if scene in scores[c] and _main(c))

    def best_classic(column: str, of: dict[str, float]) -> float:
        choose = max if METRICS[column.split()[1]].higher else min
        return choose(value for name, value in of.items() if name not in ours)

    table.append(["best classical", *(cell(scene, best_classic) for scene in scenes)])
    for row in rows:
        table.append([row.label, *(cell(scene, lambda _, of, label=row.label: of.get(label)) for scene in scenes)])
    return pipe(table)


def _main(column: str) -> bool:
    return column.split()[1] in ("SAM", "ERGAS", "Q2n", "HQNR")


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    """Parse, run, print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--frozen", type=Path)
    parser.add_argument("--variant", action="append", default=[])
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    rows = rows_of(arguments.run, arguments.frozen, arguments.variant)
    scores, reference = measure(arguments.shared, rows), toolbox(arguments.shared, rows)
    parts = [
        f"Made by `{' '.join(['benchmarks/ablation.py', *sys.argv[1:]])}`, commit {commit()}, {machine()}, "
        f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads.",
        "### Means over the evaluation scenes",
        main_table(rows, scores),
        "### Per scene: SAM / ERGAS / Q2n / HQNR",
        scene_table(rows, scores),
        "### Toolbox cases, toolbox conventions: SAM / ERGAS / Q2n",
        scene_table(rows, reference),
    ]
    text = "\n\n".join(parts) + "\n"
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
