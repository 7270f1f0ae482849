"""The four stages. A stage says what trains, from what it starts, and its loss; the loop knows nothing else.

| stage | trains | loss |
|---|---|---|
| 1 diffusion | denoiser | L1 on x0, uniform t |
| 2 one step | student, from stage 1 | L1 to the target + L1 to the mean of the teacher's samples |
| 3 end to end | plain network | L1 |
| 4 fusion | ensemble blocks, then everything | L1 |

Liu et al. (2025), arXiv 2512.17202, states four stages; their contents are ours (docs/method.md).
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn

from fose.diffusion.sampler import ddim
from fose.diffusion.schedule import cosine
from fose.nn.fose import Fose
from fose.nn.model import at_end, new_model
from fose.training.bank import Bank, Batch
from fose.training.device import autocast
from fose.training.recipe import Recipe, StageRecipe
from fose.training.world import World

NAMES = ("diffusion", "one_step", "end_to_end", "fusion")


class Stage(Protocol):
    """What the loop needs."""

    name: str
    recipe: StageRecipe
    aside: int  # step whose checkpoint is kept aside, 0: none

    @property
    def model(self) -> nn.Module:
        """The network, on the device that the loop chose."""

    def prepare(self, bank: Bank, world: World, progress: Callable[[int, int], None]) -> None:
        """Whatever must be computed once before the first step."""

    def batch(self, bank: Bank, step: int, share: slice) -> Batch:
        """Those patches of a step that are in the share; which they are is a pure function of the step."""

    def trainable(self, step: int) -> Iterable[nn.Parameter]:
        """Parameters that train at a step."""

    def loss(self, batch: Batch, step: int) -> Tensor:
        """Training loss, a scalar."""

    def error(self, batch: Batch) -> Tensor:
        """Validation error: L1 of the deterministic prediction, in residual units."""


def build(name: str, recipe: Recipe, parts: dict[str, nn.Module]) -> "Stage":
    """The stage of that name; `parts` holds the finished (EMA) models of the stages before it."""
    if name == "diffusion":
        return Diffusion(recipe)
    if name == "one_step":
        return OneStep(recipe, parts["diffusion"])
    if name == "end_to_end":
        return Plain(recipe)
    return Fusion(recipe, parts["one_step"], parts["end_to_end"])


class _Base:
    """Nothing to prepare, random patches from the bank, all parameters trainable."""

    name: str
    recipe: StageRecipe
    model: nn.Module
    aside = 0

    def prepare(self, bank: Bank, world: World, progress: Callable[[int, int], None]) -> None:
        """Nothing."""

    def batch(self, bank: Bank, step: int, share: slice) -> Batch:
        """Random patches."""
        seed = (self.recipe.seed, NAMES.index(self.name), step)
        return bank.batch(self.recipe.batch, self.recipe.patch, seed, share)

    def trainable(self, step: int) -> Iterable[nn.Parameter]:
        """Everything."""
        return self.model.parameters()


def l1(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference, in float32."""
    return (predicted.float() - wanted).abs().mean()


class Diffusion(_Base):
    """Stage 1: the denoiser learns x0 from x_t at uniform t."""

    name = "diffusion"

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.model = recipe.diffusion, new_model(self.name, recipe.model)
        self.abar = torch.tensor(cosine(), dtype=torch.float32)

    def loss(self, batch: Batch, step: int) -> Tensor:
        """L1 on x0."""
        clean = batch.clean
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        time, noise = batch.times(len(self.abar), generator), batch.noise(generator)
        level = self.abar[time].to(clean.device)[:, None, None, None]
        noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
        predicted = self.model(noisy, time.to(clean) / (len(self.abar) - 1), batch.inputs)
        return l1(predicted, clean)

    def error(self, batch: Batch) -> Tensor:
        """The undistilled network evaluated once at T: the zero point of the distillation."""
        return l1(at_end(self.model, batch.inputs), batch.clean)


def sample_mean(model: nn.Module, batch: Batch, steps: int, draws: int, seed: int) -> Tensor:
    """Mean of several DDIM samples. A single one adds the posterior's spread, which would drag a student down."""
    abar = cosine()
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros_like(batch.clean)

    def denoise(noisy: Tensor, time: int) -> Tensor:
        when = torch.full_like(noisy[:, 0, 0, 0], time / (len(abar) - 1))
        predicted: Tensor = model(noisy, when, batch.inputs)
        return predicted.float()

    for _ in range(draws):
        total += ddim(denoise, batch.noise(generator), abar.tolist(), steps)
    return total / draws


class OneStep(_Base):
    """Stage 2: the student, evaluated once at T, learns the target and the mean of the teacher's samples."""

    name = "one_step"

    def __init__(self, recipe: Recipe, teacher: nn.Module) -> None:
        self.recipe, self.whole = recipe.one_step, recipe
        self.teacher = teacher.eval().requires_grad_(False)
        self.model = new_model(self.name, recipe.model)
        self.model.load_state_dict(teacher.state_dict())
        self.cached: list[tuple[Batch, Tensor]] = []

    def prepare(self, bank: Bank, world: World, progress: Callable[[int, int], None]) -> None:
        """Compute the teacher's results once, for this process's share of as many patches as the recipe says."""
        recipe, count = self.whole, max(1, self.whole.teacher_patches // self.recipe.batch)
        self.teacher.to(world.device)
        share = world.share(self.recipe.batch)
        with torch.no_grad(), autocast(world.device):
            for index in range(count):
                batch = bank.batch(self.recipe.batch, self.recipe.patch, (self.recipe.seed, 99, index), share)
                steps, draws = recipe.teacher_steps, recipe.teacher_samples
                result = sample_mean(self.teacher, batch.to(world.device), steps, draws, index)
                self.cached.append((batch, result.float().cpu()))
                progress(index + 1, count)

    def loss(self, batch: Batch, step: int) -> Tensor:
        """L1 to the target on fresh patches plus weighted L1 to the teacher on a cached batch."""
        known, result = self.cached[step % len(self.cached)]
        predicted = at_end(self.model, known.to(batch.clean.device).inputs)
        distance = l1(predicted, result.to(predicted.device))
        return self.error(batch) + self.whole.teacher_weight * distance

    def error(self, batch: Batch) -> Tensor:
        """L1 of the one-step prediction."""
        return l1(at_end(self.model, batch.inputs), batch.clean)


class Plain(_Base):
    """Stage 3: the end-to-end network, independent of stages 1 and 2."""

    name = "end_to_end"

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.model = recipe.end_to_end, new_model(self.name, recipe.model)

    def loss(self, batch: Batch, step: int) -> Tensor:
        """L1."""
        return self.error(batch)

    def error(self, batch: Batch) -> Tensor:
        """L1."""
        return l1(self.model(batch.inputs), batch.clean)


class Fusion(_Base):
    """Stage 4: the ensemble blocks on frozen parts, then everything."""

    name = "fusion"

    def __init__(self, recipe: Recipe, student: nn.Module, plain: nn.Module) -> None:
        self.recipe, self.frozen = recipe.fusion, int(recipe.frozen_share * recipe.fusion.steps)
        self.aside = self.frozen
        model = new_model(self.name, recipe.model)
        if not isinstance(model, Fose):
            raise TypeError(f"expected a Fose network, found {type(model).__name__}")
        model.denoiser.load_state_dict(student.state_dict())
        model.end_to_end.load_state_dict(plain.state_dict())
        self.model: Fose = model

    def trainable(self, step: int) -> Iterable[nn.Parameter]:
        """The ensemble blocks first, then everything."""
        if step < self.frozen:
            return [*self.model.exchange.parameters(), *self.model.output.parameters()]
        return self.model.parameters()

    def loss(self, batch: Batch, step: int) -> Tensor:
        """L1."""
        return self.error(batch)

    def error(self, batch: Batch) -> Tensor:
        """L1."""
        return l1(self.model(batch.inputs), batch.clean)
