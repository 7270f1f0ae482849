"""The enhanced diffusion model: two streams, alternating local fusion, adaptive convolution, x0 prediction.

After SSDiff (Zhong et al. 2024, arXiv 2404.11537): a spatial stream from PAN and x_t, a spectral one from the MS and
x_t, fused alternately. Ours: bands as a set, the folded grid, local fusion instead of attention over all pixels, and
adaptive convolution in the fusion. The spatial stream is shared by all bands and computed once.
"""

import torch
from torch import Tensor, nn

from fose.nn.layers import (
    CELL,
    AdaptiveConv,
    Condition,
    Embedding,
    Residual,
    activation,
    arranged,
    band_mean,
    conv,
    fold,
    on_cells,
    on_first,
    over_bands,
    to_bands,
)
from fose.ops.features import CONDITIONS, SPATIAL, SPECTRAL


class FusionBlock(nn.Module):
    """Bands inform the spatial stream (mean over bands), then the spatial stream the bands (mixing, own kernels)."""

    def __init__(self, spatial: int, width: int, embedding: int, adaptive: bool) -> None:
        super().__init__()
        self.from_bands = conv(width, spatial, 1)
        self.spatial = Residual(spatial)
        self.from_spatial = conv(spatial, width, 1)
        self.adaptive = AdaptiveConv(spatial, width) if adaptive else None
        self.condition = Condition(embedding, width)
        self.spectral = Residual(width)

    def forward(self, spatial: Tensor, spectral: Tensor, vector: Tensor, bands: int) -> tuple[Tensor, Tensor]:
        """spatial (N, S, h, w), spectral (N C, width, h, w), vector (N C, E) -> both streams."""
        spatial = self.spatial(spatial + self.from_bands(band_mean(spectral, bands)))
        mixed = spectral + over_bands(self.from_spatial(spatial), bands)
        if self.adaptive is not None:
            mixed = mixed + self.adaptive(mixed, spatial, bands)
        return spatial, self.spectral(self.condition(mixed, vector))


class Denoiser(nn.Module):
    """Predicts x0 from x_t, time and features.

    width: channels of each stream; depth: fusion blocks; adaptive: how many of them, the last ones, have adaptive
    convolution.
    """

    def __init__(self, width: int = 32, depth: int = 4, embedding: int = 48, adaptive: int = 1) -> None:
        super().__init__()
        self.width, self.depth = width, depth
        self.embed = Embedding(CONDITIONS, embedding, timed=True)
        self.spatial_in = conv((SPATIAL + 1) * CELL, width)
        self.spectral_in = conv((SPECTRAL + 1) * CELL, width, 1)
        self.blocks = nn.ModuleList(
            FusionBlock(width, width, embedding, block >= depth - adaptive) for block in range(depth)
        )
        self.out = conv(width, CELL, 1)

    def start(
        self, noisy: Tensor | None, time: Tensor, given: tuple[Tensor, Tensor, Tensor], bands: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """First features of both streams and the embedding, from inputs as `arranged` gives them."""
        spatial, spectral, conditions = given
        if noisy is not None:
            spatial = torch.cat([spatial, fold(noisy.mean(dim=1, keepdim=True))], dim=1)
            spectral = torch.cat([spectral, noisy.reshape(-1, 1, *noisy.shape[2:])], dim=1)
        shared = activation(on_first(self.spatial_in, spatial))
        each = activation(on_cells(self.spectral_in, spectral))
        return shared, each, self.embed(conditions, over_bands(time, bands))

    def cells(self, noisy: Tensor | None, time: Tensor, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """x0 as `forward` gives it, on the folded grid: (N C, 16, H/4, W/4)."""
        bands = inputs[1].shape[1]
        shared, each, vector = self.start(noisy, time, arranged(inputs), bands)
        for block in self.blocks:
            shared, each = block(shared, each, vector, bands)
        predicted: Tensor = self.out(each)
        return predicted

    def forward(self, noisy: Tensor | None, time: Tensor, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """x0 (N, C, H, W).

        noisy: x_t (N, C, H, W), None for zero; time: t / T (N,) in 0..1; inputs: spatial (N, 3, H, W), spectral
        (N, C, 3, H, W) and conditions (N, C, 10), see `fose.ops.features`. H and W are multiples of 4.
        """
        return to_bands(self.cells(noisy, time, inputs), inputs[1].shape[1])
