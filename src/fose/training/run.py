"""A whole training: recipe and data in, four checkpoints, a log and a plot out."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fose import data
from fose._version import __version__
from fose.data.made_up import made_up_sources
from fose.errors import InputError
from fose.nn.model import new_model
from fose.training import checkpoint
from fose.training.bank import Bank
from fose.training.loop import train
from fose.training.recipe import Recipe, as_dict, load
from fose.training.stages import NAMES, build

# What each stage starts from.
NEEDS = {"diffusion": (), "one_step": ("diffusion",), "end_to_end": (), "fusion": ("one_step", "end_to_end")}


@dataclass(frozen=True)
class Plan:
    """What will be trained."""

    recipe: Recipe
    data: Path
    stages: tuple[str, ...]

    def describe(self) -> str:
        """A few lines for people: stages, steps, parameters, data."""
        lines = [f"recipe {self.recipe.name}: {self.recipe.data.train} training samples from {self.data}"]
        for name in self.stages:
            stage = getattr(self.recipe, name)
            parameters = sum(p.numel() for p in new_model(name, self.recipe.model).parameters())
            lines.append(f"  {name}: {stage.steps} steps of {stage.batch} patches, {parameters:,} parameters")
        return "\n".join(lines)


def prepare(recipe: str | Path, folder: str | Path, stages: tuple[str, ...] | None = None) -> Plan:
    """Read a recipe and check that its data is there; InputError or ReadError says what is wrong."""
    unknown = sorted(set(stages or ()) - set(NAMES))
    if unknown:
        raise InputError(f"--stages: expected some of {', '.join(NAMES)}; found {', '.join(unknown)}")
    plan = Plan(load(recipe), Path(folder), stages or NAMES)
    next(iter(_samples(plan, data.TRAIN, 1)))
    return plan


def _samples(plan: Plan, split: str, count: int) -> Iterator[data.Sample]:
    recipe = plan.recipe.data
    if recipe.made_up:
        return data.draw(made_up_sources(4, recipe.seed + (split == data.TRAIN)), count, recipe.seed)
    return data.samples(plan.data, split, count, recipe.seed)


def train_all(plan: Plan, output: Path, device: str, threads: int | None, say: Callable[[str], None]) -> None:
    """Run the plan's stages in order; each resumes from its checkpoint in `output`."""
    if threads:
        torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    recipe = plan.recipe
    train_bank = Bank(_samples(plan, data.TRAIN, recipe.data.train), recipe.model.base)
    valid_bank = Bank(_samples(plan, data.VALIDATION, recipe.data.valid), recipe.model.base)
    header = {"recipe": as_dict(recipe), "version": __version__, "commit": commit(), "licence": "Apache-2.0"}

    def progress(stage: str, done: int, total: int, error: float) -> None:
        say(f"{stage}: {done}/{total}" + ("" if error != error else f", validation L1 {error:.4f}"))

    for name in plan.stages:
        parts = {needed: finished(output, needed, recipe) for needed in NEEDS[name]}
        torch.manual_seed(getattr(recipe, name).seed)
        train(build(name, recipe, parts), train_bank, valid_bank, output, header, device, progress)


def finished(folder: Path, name: str, recipe: Recipe) -> nn.Module:
    """The averaged weights of a stage that was trained before."""
    path = folder / f"{name}.safetensors"
    if not path.exists():
        raise InputError(f"expected the finished stage {name} at {path}, found none; train it first")
    return checkpoint.load_model(path, new_model(name, recipe.model))


def commit() -> str:
    """The commit that this code runs at, "unknown" outside a checkout."""
    found: Any = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
