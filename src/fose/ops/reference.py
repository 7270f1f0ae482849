"""The operators of the public MATLAB pansharpening toolboxes, on whole arrays in float64.

They exist to reproduce published figures. Scenes use other operators, exact in phase, that work in tiles.
Arrays are (H, W) or bands first (C, H, W). Source: Vivone et al. (2015), TGRS 53(5), and (2021), GRSM 9(1).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.ops.lowpass import atrous
from fose.ops.mtf import intensity_kernel, mtf_kernel

Array = NDArray[Any]
Float64 = NDArray[np.float64]

# Half-band interpolator, centre to edge: Aiazzi, Alparone, Baronti and Garzelli (2002), TGRS 40(10).
_HALF = [1, 0.610668182370, 0, -0.145397186478, 0, 0.043619155884, 0, -0.010385513306, 0, 0.001615524292, 0]
_HALF += [-0.000120162964]
_INTERPOLATOR = np.array(_HALF[:0:-1] + _HALF)


def interpolate23(image: Array, ratio: int) -> Float64:
    """Upsample (..., h, w) by a power of two with the 23-tap interpolator: (..., ratio h, ratio w).

    The sample (i, j) lands on (ratio i + ratio/2, ratio j + ratio/2); borders are circular.
    Raises InputError when ratio is not 2, 4, 8...
    """
    from scipy import ndimage

    stages = power_of_two(ratio)
    result = np.asarray(image, dtype=np.float64)
    for stage in range(stages):
        first = 1 if stage == 0 else 0  # the toolbox puts the first stage's samples at odd positions
        zeros = np.zeros((*result.shape[:-2], 2 * result.shape[-2], 2 * result.shape[-1]))
        zeros[..., first::2, first::2] = result
        for axis in (-2, -1):
            zeros = ndimage.correlate1d(zeros, _INTERPOLATOR, axis=axis, mode="wrap")
        result = zeros
    return result


def filter_replicate(image: Array, kernel: Float64) -> Float64:
    """Filter (..., H, W) with a symmetric kernel of odd side, repeating the edge pixels: same shape."""
    from scipy import fft

    radius = kernel.shape[0] // 2
    margins = [(0, 0)] * (image.ndim - 2) + [(radius, radius)] * 2
    padded = np.pad(np.asarray(image, dtype=np.float64), margins, mode="edge")
    shape = tuple(fft.next_fast_len(side, real=True) for side in padded.shape[-2:])
    spectrum = fft.rfft2(padded, shape) * fft.rfft2(kernel, shape)
    rows, columns = image.shape[-2:]
    window = (slice(2 * radius, 2 * radius + rows), slice(2 * radius, 2 * radius + columns))
    return np.asarray(fft.irfft2(spectrum, shape)[(..., *window)])


def decimate(image: Array, ratio: int) -> Array:
    """Every ratio-th pixel of (..., H, W) starting at ratio // 2: a view, (..., H / ratio, W / ratio)."""
    return image[..., ratio // 2 :: ratio, ratio // 2 :: ratio]


def mtf_filter(image: Array, gains: Sequence[float] | Array, ratio: float) -> Float64:
    """Filter band k of (C, H, W) with the reference kernel of gains[k], repeating the edge pixels: (C, H, W)."""
    if len(image) != len(gains):
        raise InputError(f"expected one MTF gain per band, found {len(gains)} gains for {len(image)} bands")
    kernels = [mtf_kernel(float(gain), ratio) for gain in gains]
    return np.stack([filter_replicate(band, kernel) for band, kernel in zip(image, kernels, strict=True)])


def intensity_filter(image: Array, ratio: float) -> Float64:
    """Bring an (..., H, W) PAN to the MS resolution on its own grid: Gaussian of gain 0.3, edge pixels repeated."""
    return filter_replicate(image, intensity_kernel(ratio))


def atrous_reduce(image: Array, ratio: int) -> Float64:
    """A-trous low-pass of (H, W) and decimation: (H / ratio, W / ratio)."""
    return np.asarray(decimate(atrous(np.asarray(image, dtype=np.float64), ratio), ratio))


def wald_reduce(ms: Array, pan: Array, gains: Sequence[float] | Array, ratio: int) -> tuple[Float64, Float64]:
    """Wald's protocol as the toolboxes do it: (C, h, w) MS by MTF and decimation, (H, W) PAN by bicubic resizing.

    Returns both divided by ratio in size. Source: Wald, Ranchin and Mangolini (1997), PE&RS 63(6).
    """
    power_of_two(ratio)
    return np.asarray(decimate(mtf_filter(ms, gains, ratio), ratio)), imresize(pan, 1 / ratio)


def imresize(image: Array, scale: float, method: str = "bicubic") -> Float64:
    """Resize (..., H, W) as MATLAB's imresize: (..., ceil(scale H), ceil(scale W)).

    `method` is "bicubic" (Keys 1981, a = -0.5), "bilinear" or "nearest"; the first two are widened when shrinking
    (antialiasing). Borders are mirrored, edge pixel repeated. Raises InputError for another method or scale <= 0.
    """
    if method not in _KERNELS:
        raise InputError(f"imresize: expected method {', '.join(sorted(_KERNELS))}, found {method!r}")
    if scale <= 0:
        raise InputError(f"imresize: expected a scale above 0, found {scale}")
    rows, columns = (_resize_matrix(side, scale, method) for side in image.shape[-2:])
    return np.asarray(rows @ np.asarray(image, dtype=np.float64) @ columns.T)


def power_of_two(ratio: float) -> int:
    """Exponent of a ratio 2, 4, 8...; InputError for any other."""
    stages = round(math.log2(ratio)) if ratio > 0 else 0
    if stages < 1 or 2**stages != ratio:
        raise InputError(f"the reference operators need a ratio of 2, 4, 8...; found {ratio}; use the scene operators")
    return stages


def _cubic(x: Float64) -> Float64:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.asarray(np.where(x <= 1, near, np.where(x <= 2, far, 0.0)))


def _triangle(x: Float64) -> Float64:
    return np.asarray(np.maximum(1 - np.abs(x), 0.0))


def _box(x: Float64) -> Float64:
    return ((x >= -0.5) & (x < 0.5)).astype(np.float64)


_KERNELS: dict[str, tuple[Callable[[Float64], Float64], float]] = {
    "bicubic": (_cubic, 4.0),
    "bilinear": (_triangle, 2.0),
    "nearest": (_box, 1.0),
}


def _resize_matrix(size: int, scale: float, method: str) -> Float64:
    """(ceil(scale size), size) weights of every input sample in every output sample, rows summing to one."""
    kernel, width = _KERNELS[method]
    shrink = min(scale, 1.0) if method != "nearest" else 1.0
    support = width / shrink
    count = math.ceil(size * scale)
    centres = (np.arange(count) + 0.5) / scale - 0.5
    first = np.floor(centres - support / 2).astype(int)
    taps = first[:, None] + np.arange(math.ceil(support) + 2)
    weights = kernel(shrink * (centres[:, None] - taps))
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.abs((taps + size) % (2 * size) - size + 0.5) - 0.5  # period 2 size, edge sample repeated
    matrix = np.zeros((count, size))
    np.add.at(matrix, (np.arange(count)[:, None], mirrored.astype(int)), weights)
    return matrix
