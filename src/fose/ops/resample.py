"""Separable resampling of windows between two grids, exact to the bit whatever the window.

Both directions, interpolation (MS to PAN grid) and degradation (PAN to MS grid), are the same operation: every
output pixel centre falls at some position of the input axis, and its value is a weighted sum of the input pixels
around it. The weights of 64 consecutive outputs form a small banded matrix, and a block of output is two small
matrix products, which BLAS does faster than any loop over taps.

The blocks are fixed by the output's absolute indices, so each pixel is always computed by products of the same
shape with the same weights in the same place, whatever window was asked for: a tile equals the whole image bit
for bit (docs/decisions/0002-resampling-by-blocks.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError

Array = NDArray[np.floating]

BLOCK = 64  # outputs per block when interpolating


@dataclass(frozen=True)
class AxisMap:
    """Where the pixel centres of an output axis fall on an input axis: ``input = start + step * output``.

    Both in index units, where index i is the centre of pixel i. step > 1 degrades, step < 1 interpolates.
    """

    start: float
    step: float

    def position(self, index: NDArray[np.integer] | float) -> NDArray[np.float64]:
        """Input position of output indices."""
        return np.asarray(self.start + self.step * np.asarray(index, dtype=np.float64))

    def nearest(self, first: int, stop: int, size: int) -> NDArray[np.intp]:
        """Input pixel under each output of [first, stop), or -1 where it lies off the input axis.

        Up to half an input pixel beyond the axis still belongs to its last pixel: extents that differ by less
        than that lose nothing.
        """
        position = self.position(np.arange(first, stop))
        index = np.clip(np.floor(position + 0.5), 0, size - 1).astype(np.intp)
        # 1e-6: an exact half pixel must not be lost to the rounding of geotransforms.
        return np.where((position < -1 - 1e-6) | (position > size + 1e-6), -1, index)

    @property
    def inverse(self) -> "AxisMap":
        """The map from the input axis back to the output axis."""
        return AxisMap(-self.start / self.step, 1 / self.step)

    def shifted(self, shift: float) -> "AxisMap":
        """The map after every output pixel has been moved by `shift` output pixels."""
        return AxisMap(self.start + self.step * shift, self.step)

    def rebased(self, origin: int) -> "AxisMap":
        """The map when output index 0 is what `origin` was."""
        return AxisMap(self.start + self.step * origin, self.step)


@dataclass(frozen=True)
class Kernel:
    """A weighting of input pixels by their distance in input pixels, zero beyond `radius`."""

    name: str
    radius: float
    weight: Callable[[Array], Array]


def _nearest(t: Array) -> Array:
    # Half-open, so that a position midway between two pixels takes exactly one of them.
    return ((t > -0.5) & (t <= 0.5)).astype(np.float64)


def _bilinear(t: Array) -> Array:
    return np.asarray(np.maximum(1 - np.abs(t), 0))


def _cubic(t: Array) -> Array:
    x = np.abs(t)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


def _lanczos(t: Array, lobes: int) -> Array:
    return np.where(np.abs(t) < lobes, np.sinc(t) * np.sinc(t / lobes), 0)


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("nearest", 0.5, _nearest),
        Kernel("bilinear", 1, _bilinear),
        Kernel("cubic", 2, _cubic),  # Keys (1981), a = -1/2, as in GDAL
        Kernel("lanczos", 3, lambda t: _lanczos(t, 3)),  # as in GDAL
        Kernel("lanczos6", 6, lambda t: _lanczos(t, 6)),  # nearly ideal, like the toolbox's 23 taps
    )
}


def kernel(name: str) -> Kernel:
    """The interpolation kernel of that name; InputError lists the known ones."""
    if name not in KERNELS:
        raise InputError(f"resampling: expected one of {', '.join(KERNELS)}; found {name!r}")
    return KERNELS[name]


def gaussian(sigma: float) -> Kernel:
    """Gaussian low-pass of standard deviation `sigma` input pixels, cut where it has fallen below 4e-5."""
    return Kernel(f"gaussian({sigma:g})", 4.5 * sigma, lambda t: np.exp(-0.5 * np.square(t / sigma)))


@dataclass(frozen=True)
class _Blocks:
    """The weights of the blocks that cover an output range: block i needs input pixels index[i]."""

    index: NDArray[np.intp]  # (n, K), absolute input indices
    weights: Array  # (n, B, K)
    first: int  # output index of the first block


def _blocks(axis: AxisMap, kernel: Kernel, first: int, stop: int, dtype: np.dtype) -> _Blocks:
    size = block_size(axis)
    numbers = np.arange(first // size, ceil(stop / size))
    taps = ceil((size - 1) * axis.step) + 2 * ceil(kernel.radius) + 2
    starts = np.floor(axis.position(numbers * size)).astype(np.intp) - ceil(kernel.radius)
    index = starts[:, None] + np.arange(taps)
    outputs = numbers[:, None] * size + np.arange(size)
    weights = kernel.weight(index[:, None, :] - axis.position(outputs)[:, :, None])
    weights = weights / weights.sum(axis=2, keepdims=True)
    return _Blocks(index, weights.astype(dtype), int(numbers[0]) * size)


def block_size(axis: AxisMap) -> int:
    """Outputs per block, fewer when degrading, so that a block's input stays near `BLOCK` pixels."""
    return max(8, BLOCK // max(1, floor(axis.step)))


def resample(
    image: Array,
    origin: tuple[int, int],
    window: tuple[slice, slice],
    axes: tuple[AxisMap, AxisMap],
    kernel: Kernel,
) -> Array:
    """Resample a window of an image onto an output window.

    image: (..., h, w), whose first pixel has absolute input indices `origin`. window: absolute output rows and
    columns. axes: the row and column maps. Returns (..., H, W) of the image's dtype. Beyond the image's edge its
    last pixel is repeated; the weights of each output sum to one.
    """
    rows = _blocks(axes[0], kernel, window[0].start, window[0].stop, image.dtype)
    cols = _blocks(axes[1], kernel, window[1].start, window[1].stop, image.dtype)
    height, width = image.shape[-2:]
    lead = image.shape[:-2]
    n, block_h, _ = rows.weights.shape
    m, block_w, _ = cols.weights.shape
    patches = image[..., np.clip(rows.index - origin[0], 0, height - 1), :]
    patches = patches[..., np.clip(cols.index - origin[1], 0, width - 1)]  # (..., n, K, m, L)
    across = np.moveaxis(patches, -2, -3) @ cols.weights.transpose(0, 2, 1)  # (..., n, m, K, B)
    out = np.empty((*lead, n * block_h, m * block_w), image.dtype)
    blocked = np.moveaxis(out.reshape(*lead, n, block_h, m, block_w), -2, -3)
    np.matmul(rows.weights[:, None], across, out=blocked)
    top, left = window[0].start - rows.first, window[1].start - cols.first
    return out[..., top : top + window[0].stop - window[0].start, left : left + window[1].stop - window[1].start]
