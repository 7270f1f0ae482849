"""The network in PyTorch: in half precision on NVIDIA GPUs; in float32 on the CPU, to compare other engines with.

Needs the extra `gpu` (or `train`).
"""

import copy
import json
import re
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import torch
from torch import nn

from fose.errors import InputError
from fose.nn.files import WEIGHTS, read_tensors
from fose.nn.layers import FOLD, unfold
from fose.nn.model import ModelRecipe, OneWindow, new_model
from fose.sharpener import Array

Inputs = tuple[Array, Array, Array]  # spatial, spectral, conditions, as the engine is given them


class TorchEngine:
    """Evaluates a model file (safetensors); implements `fose.runtime.network.Engine`.

    device: "cpu", "cuda" (every GPU that is visible; the pipeline's threads share them out) or "cuda:1".
    Raises InputError where PyTorch does not see the device or the file is not a model of fose.
    A window that a GPU's memory does not hold is evaluated in pieces.
    """

    def __init__(self, path: Path, device: str) -> None:
        devices = _devices(device)
        self.header, model = _load(path)
        self.base = bool(self.header["recipe"]["model"]["base"])
        self.receptive_field = int(self.header["receptive_field"])
        self._models = [_placed(model, where) for where in devices]
        self._turn, self._mine = count(), local()

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W), float32."""
        if not hasattr(self._mine, "model"):
            self._mine.model = self._models[next(self._turn) % len(self._models)]
            self._mine.stream = _stream(next(self._mine.model.parameters()).device)
        with torch.inference_mode(), self._mine.stream:
            return _evaluated(self._mine.model, (spatial, spectral, conditions), self.receptive_field + FOLD)


def _evaluated(model: nn.Module, inputs: Inputs, reach: int) -> Array:
    """x0 (C, H, W) of a window; where the memory of the model's device does not hold it, of its halves, joined.

    reach: PAN pixels, whole folded positions, that each half is given beyond its own. Raises InputError where a window
    does not fit that is less than four of them long: its halves would be surroundings for the most part.
    """
    spatial, spectral, conditions = inputs
    axis = 1 if spatial.shape[1] > spatial.shape[2] else 2
    side = spatial.shape[axis]
    try:
        return _at_once(model, inputs)
    except torch.OutOfMemoryError as error:
        if side < 4 * reach:
            where = next(model.parameters()).device
            raise InputError(
                f"the GPU's memory is full ({where}); use fewer --threads, another --device, or --device cpu"
            ) from error
    # Not in the handler: the error holds what the failed evaluation had allocated.
    torch.cuda.empty_cache()
    middle = side // 2 // FOLD * FOLD
    halves = []
    for first, stop in ((0, middle), (middle, side)):
        start = max(first - reach, 0)
        seen = slice(start, stop + reach)
        half = _along(spatial, axis, seen), _along(spectral, axis + 1, seen), conditions
        part = _evaluated(model, half, reach)
        halves.append(_along(part, axis, slice(first - start, stop - start)))
    return np.concatenate(halves, axis)


def _at_once(model: nn.Module, inputs: Inputs) -> Array:
    weight = next(model.parameters())
    placed = []
    for image in inputs:
        held = torch.from_numpy(np.ascontiguousarray(image))
        # Only from pinned memory is a copy to a GPU asynchronous. Its benefit has not been measured.
        held = held.pin_memory() if weight.is_cuda else held
        placed.append(held.to(weight.device, non_blocking=True).to(weight.dtype))
    return np.asarray(unfold(model(*placed))[:, 0].float().cpu().numpy())  # cpu() waits for this thread's stream


def _stream(where: torch.device) -> AbstractContextManager[object]:
    """A context in which a thread's work on a GPU is queued on its own, so that the copies and kernels of several
    threads can overlap (not measured); nothing on the CPU."""
    if where.type != "cuda":
        return nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(where))  # type: ignore[no-untyped-call]


def _along(image: Array, axis: int, span: slice) -> Array:
    return image[(slice(None),) * axis + (span,)]


def _devices(device: str) -> list[torch.device]:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise InputError(f"--device: expected auto, cpu, cuda or cuda:0 and so on; found {device!r}")
    where = torch.device(device)
    if where.type != "cuda":
        return [where]
    seen = torch.cuda.device_count()
    if seen == 0 or (where.index or 0) >= seen:
        raise InputError(f"--device {device}: PyTorch {torch.__version__} sees {seen} GPUs; use --device cpu")
    return [where] if where.index is not None else [torch.device("cuda", index) for index in range(seen)]


def _placed(model: nn.Module, where: torch.device) -> nn.Module:
    """A copy on a device; on a GPU in float16 with channels last, which its matrix units want."""
    placed: nn.Module = copy.deepcopy(model)
    if where.type == "cuda":
        placed = placed.to(where, torch.float16)
        placed = placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.cuda.synchronize(where)  # the threads' streams do not wait for this one's
        return placed
    return placed.to(where)


def _load(path: Path) -> tuple[dict[str, Any], nn.Module]:
    tensors, metadata = read_tensors(path, "model")
    if metadata.get("format") != WEIGHTS:
        raise InputError(f"expected a model that fose train wrote, found {path}; train or export it again")
    header = json.loads(metadata["header"])
    model = new_model(metadata["stage"], ModelRecipe(**header["recipe"]["model"]))
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise InputError(f"expected a model of this version of fose, found {path}; train or export it again") from error
    return header, OneWindow(model.eval())
