"""Checkpoints: safetensors files that say in their header what they are. Loading is strict."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fose.errors import InputError
from fose.nn.files import read_tensors

FORMAT = "fose-checkpoint-1"


def save(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write beside the target, then rename: a killed run leaves the previous checkpoint."""
    part = path.with_suffix(".part")
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(flat, part, {"format": FORMAT, "header": json.dumps(header)})
    part.replace(path)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header; InputError where the file is not such a checkpoint."""
    tensors, metadata = read_tensors(path, "checkpoint")
    if metadata.get("format") != FORMAT:
        raise InputError(f"expected {path} to be a {FORMAT} file, found format {metadata.get('format')!r}")
    return tensors, json.loads(metadata["header"])


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names under a prefix."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's state by parameter number."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": torch.as_tensor(value) for index, part in state.items() for key, value in part.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def average(first: Path, last: Path, share: float, target: Path) -> None:
    """Write the checkpoint of (1 - share) of the first's averaged weights and share of the last's.

    Wortsman et al. (2022), "Robust fine-tuning of zero-shot models": weights between the start and the end of a
    fine-tuning keep what it learned and forget less of what it knew.
    """
    start, before = read(first)
    end, header = read(last)
    ours, theirs = under("ema", start), under("ema", end)
    mixed = {name: torch.lerp(ours[name], tensor, share) for name, tensor in theirs.items()}
    parts = ((1 - share, first.stem, before), (share, last.stem, header))
    averaged = ", ".join(f"{weight:g} of {stage} at step {found['step']}" for weight, stage, found in parts)
    save(target, prefixed("ema", mixed), header | {"averaged": averaged})


def load_model(path: Path, model: nn.Module) -> nn.Module:
    """The averaged (EMA) weights of a finished stage, strictly."""
    tensors, _ = read(path)
    model.load_state_dict(under("ema", tensors), strict=True)
    return model
