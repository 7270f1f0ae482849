"""The training loop. It knows patches, steps and losses, not which stage it runs."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fose.training.bank import Bank
from fose.training.checkpoint import optimizer_tensors, prefixed, read, restore_optimizer, save, under
from fose.training.device import autocast
from fose.training.plot import draw
from fose.training.recipe import StageRecipe
from fose.training.stages import NAMES, Stage
from fose.training.world import World

# What runs, how much of it is done, out of how much, and the validation error where it was just measured.
Progress = Callable[[str, int, int, float | None], None]

CHECK_EVERY = 500  # steps between validations and checkpoints
VALID_BATCHES = 12
ASIDE = "frozen"  # folder of a run for the checkpoint that a stage keeps aside


@dataclass
class Run:
    """Where a stage stands: everything that its checkpoint holds."""

    stage: Stage
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]  # exponential moving average of the model's tensors
    step: int = 0
    seconds: float = 0.0


def rate_at(recipe: StageRecipe, step: int) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def train(
    stage: Stage,
    train_bank: Bank,
    valid_bank: Bank,
    folder: Path,
    header: dict[str, Any],
    world: World,
    progress: Progress,
) -> nn.Module:
    """Train a stage to its end, resuming from its checkpoint in `folder`; returns the model with averaged weights.

    The first process writes <stage>.safetensors (and keeps it aside after the step that the stage says), appends to
    <stage>.jsonl and redraws training.png. An interrupted and
    resumed run equals an unbroken one, on as many processes.
    """
    stage.model.to(world.device)
    run = _start(stage, folder)
    if run.step < stage.recipe.steps:
        stage.prepare(train_bank, world, lambda done, total: progress(f"{stage.name}: teacher", done, total, None))
    while run.step < stage.recipe.steps:
        started = time.perf_counter()
        ends = (stage.aside, stage.recipe.steps, run.step + CHECK_EVERY)
        steps = min(end for end in ends if end > run.step) - run.step
        total = torch.zeros(1, dtype=torch.float64, device=world.device)
        for _ in range(steps):
            progress(stage.name, run.step, stage.recipe.steps, None)
            total += _step(run, train_bank, world)
        world.average([total])
        loss = total.item() / steps
        run.seconds += time.perf_counter() - started
        if world.first:
            error = validate(run, valid_bank, world.device)
            _log(folder / f"{stage.name}.jsonl", run, loss, error)
            _save(run, folder, header | {"validation": error})
            if run.step == stage.aside:
                (folder / ASIDE).mkdir(exist_ok=True)
                _save(run, folder / ASIDE, header | {"validation": error})
            draw(folder, NAMES, stage.name)
            progress(stage.name, run.step, stage.recipe.steps, error)
    world.wait()  # until the checkpoint is there, which the next stage may read
    stage.model.load_state_dict(run.average)
    return stage.model.eval()


def _start(stage: Stage, folder: Path) -> Run:
    optimizer = torch.optim.AdamW(stage.model.parameters(), lr=stage.recipe.rate, weight_decay=stage.recipe.decay)
    run = Run(stage, optimizer, {name: tensor.clone() for name, tensor in stage.model.state_dict().items()})
    path = folder / f"{stage.name}.safetensors"
    if path.exists():
        tensors, header = read(path)
        stage.model.load_state_dict(under("model", tensors), strict=True)
        run.average = {name: tensor.to(run.average[name]) for name, tensor in under("ema", tensors).items()}
        restore_optimizer(optimizer, under("optimizer", tensors))
        run.step, run.seconds = int(header["step"]), float(header["seconds"])
    return run


def _step(run: Run, bank: Bank, world: World) -> Tensor:
    """One step; returns the loss of this process's share."""
    stage, recipe = run.stage, run.stage.recipe
    step = run.step
    run.step += 1
    for group in run.optimizer.param_groups:
        group["lr"] = rate_at(recipe, step)
    chosen = set(map(id, stage.trainable(step)))
    for parameter in stage.model.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
    stage.model.train()
    with autocast(world.device):
        batch = stage.batch(bank, step, world.share(recipe.batch))
        loss = stage.loss(batch.to(world.device), step)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
    trained = [parameter for parameter in stage.model.parameters() if parameter.grad is not None]
    world.average([parameter.grad for parameter in trained if parameter.grad is not None])
    nn.utils.clip_grad_norm_(trained, recipe.clip)
    run.optimizer.step()
    decay = min(recipe.ema, (1 + step) / (10 + step))
    with torch.no_grad():
        for name, tensor in stage.model.state_dict().items():
            run.average[name].lerp_(tensor, 1 - decay)
    return loss.detach()


def validate(run: Run, bank: Bank, where: torch.device) -> float:
    """Mean error of the averaged weights over fixed validation patches, in residual units."""
    stage = run.stage
    current = {name: tensor.clone() for name, tensor in stage.model.state_dict().items()}
    stage.model.load_state_dict(run.average)
    stage.model.eval()
    with torch.no_grad(), autocast(where):
        batches = (bank.batch(16, 64, (0, index), augment=False).to(where) for index in range(VALID_BATCHES))
        error = sum(float(stage.error(batch)) for batch in batches) / VALID_BATCHES
    stage.model.load_state_dict(current)
    return error


def _save(run: Run, folder: Path, header: dict[str, Any]) -> None:
    tensors = (
        prefixed("model", run.stage.model.state_dict())
        | prefixed("ema", run.average)
        | prefixed("optimizer", optimizer_tensors(run.optimizer))
    )
    state = {"stage": run.stage.name, "step": run.step, "seconds": run.seconds}
    save(folder / f"{run.stage.name}.safetensors", tensors, header | state)


def _log(path: Path, run: Run, loss: float, error: float) -> None:
    line = {"step": run.step, "loss": loss, "valid": error, "seconds": round(run.seconds, 1)}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
