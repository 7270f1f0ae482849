"""What a method compares with MS at the MS resolution: the four places where toolboxes and scenes disagree.

Each function holds the scene's answer, made of the operators that every tile has. `fose.classical.reference`
registers the toolboxes' answer for its own tile, so that the methods themselves know one formula only.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fose.ops.mtf import INTENSITY_GAIN
from fose.sharpener import Array, Tile

Smoothing = Literal["gaussian", "bicubic"]

# MS pixels of context that `smooth`, or a degrade followed by an upsample, needs in a fit.
SMOOTH_HALO = 8


@singledispatch
def intensity_pan(tile: Tile) -> Array:
    """(h, w) PAN at the MS resolution on the MS grid, the response that intensity weights are regressed on.

    Scene: Gaussian of gain 0.3, sampled at MS centres. Toolbox: a-trous low-pass, decimated.
    """
    return np.asarray(tile.degrade(tile.pan, (INTENSITY_GAIN,))[0])


@singledispatch
def smooth(tile: Tile, image: Array, rule: Smoothing) -> Array:
    """(H, W) PAN-grid image at the MS resolution, still on the PAN grid.

    Scene: Gaussian of gain 0.3, sampled at MS centres and upsampled as MS is, for both rules.
    Toolbox: "gaussian" is the Gaussian alone, "bicubic" is imresize down and up again.
    """
    return np.asarray(tile.upsample(tile.degrade(image, (INTENSITY_GAIN,)))[0])


@singledispatch
def target_ms(tile: Tile) -> Array:
    """(C, h, w) MS that a model fitted at low resolution must reproduce.

    Scene: MS itself. Toolbox: imresize of the upsampled MS, the only MS that its BDSD is given.
    """
    return tile.ms


@singledispatch
def dc_gains(tile: Tile, gains: Sequence[float] | Array) -> NDArray[np.float64]:
    """What `tile.degrade` makes of an image of ones, per gain. Scene: exactly 1. Toolbox: about 0.998."""
    return np.ones(len(gains))


def smoothed_pan(tile: Any, rule: Smoothing) -> Array:
    """(H, W) PAN of a tile at the MS resolution: `smooth` of its PAN."""
    return smooth(tile, tile.pan, rule)
