"""From a trained run to a model that ships: weights alone, the same network as ONNX, checked against each other."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fose.errors import InputError
from fose.nn.files import WEIGHTS
from fose.nn.layers import unfold
from fose.nn.model import OneWindow, new_model, receptive_field
from fose.ops.features import CONDITIONS, SPATIAL, SPECTRAL
from fose.runtime.openvino import HEADER, OpenVinoEngine
from fose.training import checkpoint
from fose.training.recipe import Recipe, from_dict
from fose.weights import ONNX, TENSORS

PARITY = 1e-4  # largest difference allowed between the two runtimes, of the largest value


def export(run: Path, stage: str, target: Path) -> dict[str, Any]:
    """Write `target`/model.safetensors and model.onnx from a stage's averaged weights; returns the header.

    A denoiser is exported as its one-step form. InputError where the two differ by more than `PARITY`.
    """
    tensors, header = checkpoint.read(run / f"{stage}.safetensors")
    recipe: Recipe = from_dict(header["recipe"])
    header["receptive_field"] = receptive_field(stage, recipe.model)
    model = new_model(stage, recipe.model)
    model.load_state_dict(checkpoint.under("ema", tensors), strict=True)
    target.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, target / TENSORS, {"format": WEIGHTS, "stage": stage, "header": json.dumps(header)})
    window = OneWindow(model.eval())
    _to_onnx(window, target / ONNX)
    _label(target / ONNX, header)
    difference = _largest_difference(window, target / ONNX)
    if difference > PARITY:
        raise InputError(f"expected OpenVINO to equal PyTorch within {PARITY}, found a difference of {difference:.2g}")
    return header


def _example(bands: int, height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randn(SPATIAL, height, width, generator=draw),
        torch.randn(bands, SPECTRAL, height, width, generator=draw),
        torch.randn(bands, CONDITIONS, generator=draw),
    )


def _to_onnx(window: nn.Module, path: Path) -> None:
    axes = {
        "spatial": {1: "H", 2: "W"},
        "spectral": {0: "C", 2: "H", 3: "W"},
        "conditions": {0: "C"},
        "residual": {0: "C", 2: "h", 3: "w"},
    }
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of every shape it reads; the parity check covers other sizes and band counts.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            window,
            _example(3, 64, 96),
            str(path),
            input_names=["spatial", "spectral", "conditions"],
            output_names=["residual"],
            dynamic_axes=axes,
            dynamo=False,
            opset_version=18,
        )


def _label(path: Path, header: dict[str, Any]) -> None:
    """Say in the file what it is, as the safetensors file does."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {HEADER: json.dumps(header)})
    onnx.save(model, path)


def _largest_difference(window: nn.Module, path: Path) -> float:
    engine, worst = OpenVinoEngine(path, "float32"), 0.0
    for bands, height, width in ((1, 64, 64), (4, 96, 64), (8, 64, 128)):
        inputs = _example(bands, height, width, seed=bands)
        with torch.no_grad():
            wanted = unfold(window(*inputs))[:, 0].numpy()
        found = engine(*(image.numpy() for image in inputs))
        worst = max(worst, float(np.abs(found - wanted).max() / np.abs(wanted).max()))
    return worst
