"""Recipes: everything that decides a training, in one small typed TOML file that refuses unknown keys."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fose.errors import InputError
from fose.nn.model import ModelRecipe

T = TypeVar("T")


@dataclass(frozen=True)
class DataRecipe:
    """Which samples are made: how many scenes, and with which seed."""

    train: int = 1200
    valid: int = 96
    seed: int = 1
    made_up: bool = False  # textures instead of the data folder, for smoke tests
    pancollection: str = ""  # wv3, gf2 or qb: train_wv3.h5 and valid_wv3.h5 in the data folder instead


@dataclass(frozen=True)
class StageRecipe:
    """How long and how fast one stage trains. Progress is counted in steps of `batch` patches."""

    steps: int = 5000
    batch: int = 16
    patch: int = 64  # PAN pixels a side, a multiple of 4
    rate: float = 1e-3
    warmup: int = 200
    decay: float = 1e-4  # AdamW's weight decay
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """A whole training."""

    name: str
    data: DataRecipe = field(default_factory=DataRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    diffusion: StageRecipe = field(default_factory=StageRecipe)
    one_step: StageRecipe = field(default_factory=StageRecipe)
    end_to_end: StageRecipe = field(default_factory=StageRecipe)
    fusion: StageRecipe = field(default_factory=StageRecipe)
    teacher_patches: int = 2048  # patches whose 50-step results stage 2 caches
    teacher_samples: int = 2  # noise draws averaged for each of them
    teacher_steps: int = 50
    teacher_weight: float = 0.5  # of the distillation term; the target term has weight 1
    frozen_share: float = 0.3  # of stage 4's steps, in which only the ensemble blocks train
    joint_share: float = 1.0  # of stage 4's last weights in the model; the rest are those with frozen parts


def load(path: str | Path) -> Recipe:
    """Read a recipe; InputError names the file and the unknown or ill-typed key."""
    try:
        with Path(path).open("rb") as file:
            values = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read recipe {path}: {error}") from error
    return _build(Recipe, {"name": Path(path).stem} | values, str(path))


def from_dict(values: dict[str, Any]) -> Recipe:
    """The inverse of `as_dict`: the recipe that a checkpoint's header holds."""
    return _build(Recipe, values, "recipe")


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain values, for logs and checkpoints."""
    return dataclasses.asdict(recipe)


def _build(kind: type[T], values: dict[str, Any], where: str) -> T:
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]  # always a dataclass
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(f"{where}: expected keys {', '.join(fields)}; found {', '.join(unknown)}")
    built: dict[str, Any] = {}
    for name, value in values.items():
        default = fields[name].default_factory
        if isinstance(default, type) and dataclasses.is_dataclass(default):
            built[name] = _build(default, _table(value, f"{where}: {name}"), f"{where}: [{name}]")
        else:
            built[name] = _typed(fields[name].type, value, f"{where}: {name}")
    return kind(**built)


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a table, found {value!r}")
    return value


def _typed(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}: expected {kind.__name__}, found {value!r}")
    return value
