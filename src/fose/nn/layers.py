"""Building blocks. Images are on the folded grid: each 4x4 block of PAN pixels is 16 channels of one position."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FOLD = 4  # PAN pixels per folded position, on each axis
CELL = FOLD * FOLD


def fold(image: Tensor) -> Tensor:
    """(N, K, H, W) -> (N, 16 K, H/4, W/4); H and W must be multiples of 4."""
    return functional.pixel_unshuffle(image, FOLD)


def arranged(inputs: "tuple[Tensor, Tensor, Tensor]") -> "tuple[Tensor, Tensor, Tensor]":
    """As first layers take them: spatial folded, (N, 48, h, w); spectral (N C, 3, H, W) and conditions (N C, K)."""
    spatial, spectral, conditions = inputs
    return fold(spatial), spectral.flatten(0, 1), conditions.flatten(0, 1)


def unfold(image: Tensor) -> Tensor:
    """(N, 16 K, h, w) -> (N, K, 4 h, 4 w): the inverse of `fold`."""
    return functional.pixel_shuffle(image, FOLD)


def over_bands(shared: Tensor, bands: int) -> Tensor:
    """Repeat what all bands share for each band: (N, ...) -> (N C, ...).

    One sample's stays (1, ...), which broadcasts: no copy, and engines need not leave their own memory layout.
    """
    return shared if len(shared) == 1 else shared.repeat_interleave(bands, dim=0)


def to_bands(cells: Tensor, bands: int) -> Tensor:
    """What networks predict for cells of 4x4 PAN pixels, (N C, 16, h, w), as images (N, C, 4 h, 4 w)."""
    image = unfold(cells)
    return image.reshape(-1, bands, *image.shape[2:])


def band_mean(image: Tensor, bands: int) -> Tensor:
    """Mean over the band axis, the only way bands meet: (N C, ...) -> (N, ...). Their order cannot matter."""
    if len(image) == bands:
        return image.mean(dim=0, keepdim=True)
    return image.reshape(-1, bands, *image.shape[1:]).mean(dim=1)


def conv(channels: int, out: int, size: int = 3, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps height and width; zero padding, which the halo crops."""
    return nn.Conv2d(channels, out, size, padding=size // 2, groups=groups)


def on_first(layer: nn.Conv2d, image: Tensor) -> Tensor:
    """The convolution of an image that lacks the layer's last channels, as if these were zero."""
    weight = layer.weight[:, : int(image.shape[1])]
    return functional.conv2d(image, weight, layer.bias, padding=layer.padding)


def on_cells(layer: nn.Conv2d, image: Tensor) -> Tensor:
    """A 1x1 convolution of the folded image, without folding it; the last channels may be lacking as in `on_first`."""
    channels = int(image.shape[1])  # a number in an exported graph too, which wants kernels of known shape
    weight = layer.weight[:, : channels * CELL].reshape(-1, channels, FOLD, FOLD)
    return functional.conv2d(image, weight, layer.bias, stride=FOLD)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights and bias zero: a branch that starts as nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def activation(image: Tensor) -> Tensor:
    """LeakyReLU, slope 0.1: in first trials it trained at rates at which ReLU stalled."""
    return functional.leaky_relu(image, 0.1)


class Residual(nn.Module):
    """3x3 convolution, activation, 1x1 convolution, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local = conv(width, width)
        self.mix = conv(width, width, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, width, h, w) to the same shape."""
        mixed: Tensor = self.mix(activation(self.local(image)))
        return image + mixed


class AdaptiveConv(nn.Module):
    """Depthwise 3x3 convolution whose kernels are predicted at every position from the shared spatial stream.

    After LAGConv (Jin et al. 2022, AAAI, "LAGConv: local-context adaptive convolution kernels with global harmonic
    bias for pansharpening"); ours works on few channels, for what is weighted position by position costs memory
    traffic rather than arithmetic, and predicts few kernels, each shared by a group of channels and by all bands.
    """

    def __init__(self, spatial: int, width: int, kernels: int = 4, shared: int = 2) -> None:
        super().__init__()
        self.kernels, self.shared = kernels, shared  # shared: channels of a kernel
        self.narrow = conv(width, kernels * shared, 1)
        self.predict = zeroed(conv(spatial, kernels * 9, 1))
        self.widen = nn.Conv2d(kernels * shared, width, 1, bias=False)

    def forward(self, image: Tensor, spatial: Tensor, bands: int) -> Tensor:
        """image (N C, width, h, w), spatial (N, S, h, w) -> correction of image's shape, zero at the start."""
        height, width = image.shape[-2:]
        kernel = over_bands(self.predict(spatial), bands).reshape(-1, self.kernels, 1, 9, height, width)
        padded = functional.pad(self.narrow(image), (1, 1, 1, 1))
        grouped = padded.reshape(-1, self.kernels, self.shared, height + 2, width + 2)
        total = torch.zeros_like(grouped[..., :height, :width])
        for tap in range(9):
            row, col = divmod(tap, 3)
            total = total + kernel[:, :, :, tap] * grouped[..., row : row + height, col : col + width]
        widened: Tensor = self.widen(total.flatten(1, 2))
        return widened


class Condition(nn.Module):
    """Per-channel scale and shift from a vector, starting as the identity."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(size, 2 * width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, image: Tensor, vector: Tensor) -> Tensor:
        """image (N, width, h, w), vector (N, size)."""
        scale, shift = self.project(vector)[:, :, None, None].chunk(2, dim=1)
        conditioned: Tensor = image * (1 + scale) + shift
        return conditioned


class Embedding(nn.Module):
    """A vector for a band: its conditions, and the time where there is one."""

    def __init__(self, conditions: int, size: int, timed: bool) -> None:
        super().__init__()
        self.size, self.timed = size, timed
        self.first = nn.Linear(conditions + (size if timed else 0), size)
        self.second = nn.Linear(size, size)

    def forward(self, conditions: Tensor, time: Tensor | None = None) -> Tensor:
        """conditions (N C, K) and, if timed, time (N C,) in 0..1 -> (N C, size)."""
        inputs = conditions
        if self.timed:
            if time is None:
                raise ValueError("expected a time for a timed embedding, found none")
            waves = _waves(time, self.size) + torch.zeros_like(conditions[:, :1])  # one sample's time is for every band
            inputs = torch.cat([conditions, waves], dim=1)
        embedded: Tensor = self.second(activation(self.first(inputs)))
        return activation(embedded)


def _waves(time: Tensor, size: int) -> Tensor:
    """Sinusoids of geometrically spaced frequencies (Vaswani et al. 2017), for time in 0..1."""
    steps = torch.arange(size // 2, device=time.device, dtype=time.dtype)
    angle = 1000 * time[:, None] * torch.exp(-math.log(10000) * steps / (size // 2))
    return torch.cat([angle.sin(), angle.cos()], dim=1)
