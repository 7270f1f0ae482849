"""Fose: the one-step denoiser and the end-to-end network, joined by lightweight ensemble blocks.

Liu et al. (2025), arXiv 2512.17202, states the idea; the blocks are ours (docs/method.md). Every block's last layer
starts at zero and the output gate at one half, so an untrained ensemble is exactly the plain average of its parts.
"""

import torch
from torch import Tensor, nn

from fose.nn.denoiser import Denoiser
from fose.nn.end_to_end import EndToEnd
from fose.nn.layers import CELL, activation, arranged, conv, to_bands, zeroed

Inputs = tuple[Tensor, Tensor, Tensor]


class EnsembleBlock(nn.Module):
    """1x1, depthwise 3x3, 1x1 over both parts' features; the last layer starts at zero."""

    def __init__(self, widths: tuple[int, int], hidden: int, out: int) -> None:
        super().__init__()
        self.first = conv(sum(widths), hidden, 1)
        self.local = conv(hidden, hidden, groups=hidden)
        self.last = zeroed(conv(hidden, out, 1))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Features (N C, a, h, w) and (N C, b, h, w) -> (N C, out, h, w)."""
        mixed: Tensor = self.last(activation(self.local(activation(self.first(torch.cat([one, other], dim=1))))))
        return mixed


class Fose(nn.Module):
    """One deterministic pass: x_T = 0 and t = T into the denoiser, features into both parts, a gated sum out."""

    def __init__(self, denoiser: Denoiser, end_to_end: EndToEnd, hidden: int = 24) -> None:
        super().__init__()
        if denoiser.depth != end_to_end.depth:
            raise ValueError(f"expected parts of equal depth, found {denoiser.depth} and {end_to_end.depth}")
        self.denoiser, self.end_to_end = denoiser, end_to_end
        widths = denoiser.width, end_to_end.width
        self.exchange = EnsembleBlock(widths, hidden, sum(widths))
        self.output = EnsembleBlock(widths, hidden, 2 * CELL)

    def parts(self, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
        """On the folded grid: x0 of the denoiser, x0 of the end-to-end network, and what the output block says."""
        bands, given = inputs[1].shape[1], arranged(inputs)
        shared, each, vector = self.denoiser.start(None, torch.ones_like(inputs[2][:, 0, 0]), given, bands)
        image, other = self.end_to_end.start(given, bands)
        middle = self.denoiser.depth // 2
        pairs = zip(self.denoiser.blocks, self.end_to_end.blocks, strict=True)
        for depth, (block, plain) in enumerate(pairs, start=1):
            shared, each = block(shared, each, vector, bands)
            image = plain(image, other, bands)
            if depth == middle:
                one, two = self.exchange(each, image).split([each.shape[1], image.shape[1]], dim=1)
                each, image = each + one, image + two
        return self.denoiser.out(each), self.end_to_end.out(image), self.output(each, image)

    def cells(self, inputs: Inputs) -> Tensor:
        """x0 as `forward` gives it, on the folded grid: (N C, 16, H/4, W/4)."""
        one, two, joint = self.parts(inputs)
        gate, correction = joint.chunk(2, dim=1)
        share = torch.sigmoid(gate)
        return share * one + (1 - share) * two + correction

    def forward(self, inputs: Inputs) -> Tensor:
        """x0 (N, C, H, W) from inputs as in `Denoiser.forward`."""
        return to_bands(self.cells(inputs), inputs[1].shape[1])
