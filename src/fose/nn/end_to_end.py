"""The compact end-to-end network: a plain band-set network without time or noise. Ours."""

from torch import Tensor, nn

from fose.nn.layers import (
    CELL,
    Condition,
    Embedding,
    Residual,
    activation,
    arranged,
    band_mean,
    conv,
    on_cells,
    over_bands,
    to_bands,
)
from fose.ops.features import CONDITIONS, SPATIAL, SPECTRAL


class BandBlock(nn.Module):
    """A residual block per band that also sees the mean of all bands."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.condition = Condition(embedding, width)
        self.exchange = conv(width, width, 1)
        self.residual = Residual(width)

    def forward(self, image: Tensor, vector: Tensor, bands: int) -> Tensor:
        """image (N C, width, h, w), vector (N C, E)."""
        mean = self.exchange(band_mean(image, bands))
        mixed: Tensor = self.residual(self.condition(image, vector) + over_bands(mean, bands))
        return mixed


class EndToEnd(nn.Module):
    """Predicts x0 from features alone. width: channels; depth: blocks."""

    def __init__(self, width: int = 32, depth: int = 4, embedding: int = 32) -> None:
        super().__init__()
        self.width, self.depth = width, depth
        self.embed = Embedding(CONDITIONS, embedding, timed=False)
        self.spatial_in = conv(SPATIAL * CELL, width)
        self.spectral_in = conv(SPECTRAL * CELL, width, 1)
        self.blocks = nn.ModuleList(BandBlock(width, embedding) for _ in range(depth))
        self.out = conv(width, CELL, 1)

    def start(self, given: tuple[Tensor, Tensor, Tensor], bands: int) -> tuple[Tensor, Tensor]:
        """First features (N C, width, h, w) and the embedding, from inputs as `arranged` gives them."""
        spatial, spectral, conditions = given
        shared = over_bands(self.spatial_in(spatial), bands)
        return activation(on_cells(self.spectral_in, spectral) + shared), self.embed(conditions)

    def cells(self, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """x0 as `forward` gives it, on the folded grid: (N C, 16, H/4, W/4)."""
        bands = inputs[1].shape[1]
        image, vector = self.start(arranged(inputs), bands)
        for block in self.blocks:
            image = block(image, vector, bands)
        predicted: Tensor = self.out(image)
        return predicted

    def forward(self, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """x0 (N, C, H, W) from inputs as in `Denoiser.forward`."""
        return to_bands(self.cells(inputs), inputs[1].shape[1])
