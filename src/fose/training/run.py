"""A whole training: recipe and data in, four checkpoints, their logs and a picture out."""

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import nn

from fose import data
from fose._version import __version__
from fose.data.made_up import made_up_sources
from fose.data.patches import patches
from fose.errors import InputError
from fose.nn.model import new_model
from fose.training import checkpoint, world
from fose.training.bank import Bank
from fose.training.export import export
from fose.training.loop import ASIDE, Progress, train
from fose.training.recipe import Recipe, as_dict, load
from fose.training.stages import NAMES, build
from fose.training.world import World

# Folder of a run in which its last stage lies ready for `fose sharpen --method`.
MODEL = "model"
AVERAGED = "averaged"  # and in which those weights lie that it is made of, where stage 4's are averaged
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
    _check_batches(plan, world.size())
    for split in (data.TRAIN, data.VALIDATION):
        next(_samples(plan, split, 1))
    return plan


def _check_batches(plan: Plan, processes: int) -> None:
    for name in plan.stages:
        batch = getattr(plan.recipe, name).batch
        if batch % processes:
            raise InputError(
                f"recipe {plan.recipe.name}: [{name}] batch: expected a multiple of the {processes} processes, "
                f"found {batch}; start another number of processes or change the recipe"
            )


def _bank(plan: Plan, split: str, progress: Progress) -> Bank:
    count = plan.recipe.data.train if split == data.TRAIN else plan.recipe.data.valid

    def counted(samples: Iterable[data.Sample]) -> Iterator[data.Sample]:
        for done, sample in enumerate(samples, 1):
            yield sample
            progress(f"{split} samples", done, count, None)

    return Bank(counted(_samples(plan, split, count)), plan.recipe.model.base)


def _samples(plan: Plan, split: str, count: int) -> Iterator[data.Sample]:
    recipe = plan.recipe.data
    if recipe.made_up:
        return data.draw(made_up_sources(4, recipe.seed + (split == data.TRAIN)), count, recipe.seed)
    if recipe.pancollection:
        return patches(plan.data, recipe.pancollection, split, count)
    return data.samples(plan.data, split, count, recipe.seed)


def train_all(plan: Plan, output: Path, device: str, threads: int | None, progress: Progress) -> None:
    """Run the plan's stages in order; each resumes from its checkpoint in `output`.

    device: cpu, cuda or cuda:N. threads: of the CPU (None: all cores). Where torchrun started several processes, each
    takes its share of every batch, and the first one alone writes and reports progress. The last stage is exported to
    output/model, which `fose sharpen --method` takes. InputError where there is no such device.
    """
    if threads:
        torch.set_num_threads(threads)
    with threadpool_limits(threads), world.joined(device) as here:
        _train_all(plan, output, here, progress if here.first else _silent)


def _silent(name: str, done: int, total: int, error: float | None) -> None:
    pass


def _train_all(plan: Plan, output: Path, here: World, progress: Progress) -> None:
    recipe = plan.recipe
    if here.first:
        output.mkdir(parents=True, exist_ok=True)
    train_bank, valid_bank = (_bank(plan, split, progress) for split in (data.TRAIN, data.VALIDATION))
    header = {"recipe": as_dict(recipe), "version": __version__, "commit": commit(), "licence": "Apache-2.0"}
    for name in plan.stages:
        parts = {needed: finished(output, needed, recipe) for needed in NEEDS[name]}
        torch.manual_seed(getattr(recipe, name).seed)
        train(build(name, recipe, parts), train_bank, valid_bank, output, header, here, progress)
    if here.first:
        export(_averaged(plan, output), plan.stages[-1], output / MODEL)


def _averaged(plan: Plan, output: Path) -> Path:
    """The folder of the checkpoint to export: after stage 4 and where the recipe says so, that of averaged weights."""
    stage, share = plan.stages[-1], plan.recipe.joint_share
    if stage != "fusion" or share == 1:
        return output
    folder, name = output / AVERAGED, f"{stage}.safetensors"
    folder.mkdir(exist_ok=True)
    checkpoint.average(output / ASIDE / name, output / name, share, folder / name)
    return folder


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
