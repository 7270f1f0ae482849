"""Methods that are one affine map of MS and PAN: sharp = upsample(M ms + c) + q PAN.

Component substitution and BDSD add to every band a fixed mixture of PAN and of the bands themselves. Upsampling is
linear, so the mixture of bands is made on the MS grid and a tile costs one upsampling and C multiply-adds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fose.classical.method import Method
from fose.classical.statistics import Matrix, Vector, combine
from fose.sharpener import Array, Tile


@dataclass(frozen=True)
class Affine:
    """The map of one scene: M (C, C), q (C,) per PAN DN, c (C,) DN."""

    matrix: Matrix
    pan: Vector
    offset: Vector


def substitution(weights: Vector, gains: Vector, pan_gain: float, pan_offset: float) -> Affine:
    """Replace the intensity w.ms by pan_gain PAN + pan_offset, injected in band k with gains[k].

    sharp_k = ms_k + g_k (a PAN + b - w.ms): Vivone et al. (2015), TGRS 53(5), equations 1 and 2. A PAN without
    contrast, a = 0, has no detail to give: then the bands are left as they are.
    """
    if pan_gain == 0:
        gains = np.zeros(len(weights))
    return Affine(np.eye(len(weights)) - np.outer(gains, weights), gains * pan_gain, gains * pan_offset)


class AffineMethod(Method):
    """A method whose fit is `Affine`."""

    def apply(self, tile: Tile, fit: Affine) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN."""
        base = combine(fit.matrix, tile.ms)
        base += fit.offset.astype(base.dtype)[:, None, None]
        return add_pan(tile.upsample(base), tile.pan, fit.pan)


def add_pan(sharp: Array, detail: Array, gains: Any) -> Array:
    """Add gains[k] times an (H, W) image to band k of (C, H, W), in place."""
    scaled = np.empty_like(detail)
    for band, gain in zip(sharp, gains, strict=True):
        np.multiply(detail, float(gain), out=scaled)
        band += scaled
    return sharp
