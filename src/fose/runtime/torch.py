"""The network in PyTorch: in half precision on NVIDIA GPUs; in float32 on the CPU, to compare other engines with.

Needs the extra `gpu` (or `train`).
"""

import copy
import json
from itertools import count
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import torch
from torch import nn

from fose.errors import InputError
from fose.nn.files import WEIGHTS, read_tensors
from fose.nn.layers import unfold
from fose.nn.model import ModelRecipe, OneWindow, new_model
from fose.sharpener import Array


class TorchEngine:
    """Evaluates a model file (safetensors); implements `fose.runtime.network.Engine`.

    device: "cpu", "cuda" (every GPU that is visible; the pipeline's threads share them out) or "cuda:1".
    Raises InputError where PyTorch does not see the device or the file is not a model of fose.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.header, model = _load(path)
        self.base = bool(self.header["recipe"]["model"]["base"])
        self.receptive_field = int(self.header["receptive_field"])
        self._models = [_placed(model, where) for where in _devices(device)]
        self._turn, self._mine = count(), local()

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W), float32."""
        if not hasattr(self._mine, "model"):
            self._mine.model = self._models[next(self._turn) % len(self._models)]
        model: nn.Module = self._mine.model
        weight = next(model.parameters())
        inputs = [
            torch.from_numpy(np.ascontiguousarray(image)).to(weight.device, weight.dtype)
            for image in (spatial, spectral, conditions)
        ]
        try:
            with torch.inference_mode():
                return np.asarray(unfold(model(*inputs))[:, 0].float().cpu().numpy())
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"the GPU's memory is full ({weight.device}); use fewer --threads, another --device, or --device cpu"
            ) from error


def _devices(device: str) -> list[torch.device]:
    try:
        where = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"--device: expected auto, cpu, cuda or cuda:0 and so on; found {device!r}") from error
    if where.type != "cuda":
        return [where]
    seen = torch.cuda.device_count()
    if seen == 0 or (where.index or 0) >= seen:
        raise InputError(f"--device {device}: PyTorch {torch.__version__} sees {seen} GPUs; use --device cpu")
    return [where] if where.index is not None else [torch.device("cuda", index) for index in range(seen)]


def _placed(model: nn.Module, where: torch.device) -> nn.Module:
    """A copy on a device; on a GPU in float16 with channels last, which its matrix units want."""
    placed = copy.deepcopy(model)
    if where.type == "cuda":
        placed = placed.to(where, torch.float16)
        return placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
    return placed.to(where)


def _load(path: Path) -> tuple[dict[str, Any], nn.Module]:
    tensors, metadata = read_tensors(path, "model")
    if metadata.get("format") != WEIGHTS:
        raise InputError(f"expected a model that fose train wrote, found {path}; train or export it again")
    header = json.loads(metadata["header"])
    model = new_model(metadata["stage"], ModelRecipe(**header["recipe"]["model"]))
    model.load_state_dict(tensors, strict=True)
    return header, OneWindow(model.eval())
