"""The networks by name and size, and the form in which they are evaluated on one window."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fose.nn.denoiser import Denoiser
from fose.nn.end_to_end import EndToEnd
from fose.nn.fose import Fose
from fose.nn.layers import FOLD

Inputs = tuple[Tensor, Tensor, Tensor]
Network = Denoiser | EndToEnd | Fose


@dataclass(frozen=True)
class ModelRecipe:
    """Sizes of the networks. Widths are multiples of 32, as the matrix units of CPUs want."""

    width: int = 32
    depth: int = 4
    plain_width: int = 32
    hidden: int = 24
    adaptive: int = 1  # blocks of the denoiser, the last ones, that have adaptive convolution
    base: bool = True  # start from the injected classical base; False: from the MS on the PAN grid, as the paper does


def new_model(stage: str, sizes: ModelRecipe) -> Network:
    """The untrained network of a training stage: a denoiser, the end-to-end network, or both joined."""
    denoiser = Denoiser(sizes.width, sizes.depth, adaptive=sizes.adaptive)
    plain = EndToEnd(sizes.plain_width, sizes.depth)
    if is_denoiser(stage):
        return denoiser
    return plain if stage == "end_to_end" else Fose(denoiser, plain, sizes.hidden)


def receptive_field(stage: str, sizes: ModelRecipe) -> int:
    """PAN pixels on each side that a stage's network looks at: a folded position for every 3x3 layer on the way."""
    if stage == "end_to_end":
        return FOLD * (1 + sizes.depth)
    layers = 1 + 2 * sizes.depth + sizes.adaptive
    return FOLD * (layers if is_denoiser(stage) else layers + 2)


def is_denoiser(stage: str) -> bool:
    """Whether the stage's network takes x_t and a time."""
    return stage in ("diffusion", "one_step")


def at_end(model: nn.Module, inputs: Inputs) -> Tensor:
    """A denoiser evaluated once at t = T from x_T = 0: the student's prediction, deterministic."""
    predicted: Tensor = model(None, torch.ones_like(inputs[2][:, 0, 0]), inputs)
    return predicted


class OneWindow(nn.Module):
    """A network for one window, without the batch axis: what an engine evaluates, and unfolds.

    A denoiser is evaluated once, as `at_end` does.
    """

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model

    def forward(self, spatial: Tensor, spectral: Tensor, conditions: Tensor) -> Tensor:
        """x0 on the folded grid (C, 16, H/4, W/4) from (3, H, W), (C, 3, H, W), (C, 10)."""
        inputs = spatial[None], spectral[None], conditions[None]
        if isinstance(self.model, Denoiser):
            return self.model.cells(None, torch.ones_like(conditions[:1, 0]), inputs)
        return self.model.cells(inputs)
