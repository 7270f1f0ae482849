"""Low-pass filters on the PAN grid. Pure; a pixel's value does not depend, bit for bit, on where the window lies.

In a tile the border rules below touch only the halo, which the caller drops.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def box(image: Array, ratio: float) -> Array:
    """Mean of (H, W) over a square of odd side 2 floor(ratio/2) + 1 pixels; edge pixels are repeated.

    Same shape and dtype. Each line is summed tap by tap: a running sum would carry rounding along the line.
    """
    from scipy import ndimage  # lazily: half of the time to import fose

    side = 2 * math.floor(ratio / 2) + 1
    weights = np.full(side, 1 / side)
    for axis in (0, 1):
        image = ndimage.correlate1d(image, weights, axis=axis, mode="nearest")
    return image


def atrous(image: Array, ratio: float) -> Array:
    """A-trous low-pass of (H, W) with the Starck-Murtagh filter [1 4 6 4 1]/16; same shape and dtype.

    max(1, round(log2 ratio)) levels. The toolboxes analyse and synthesise each level with the same, undilated
    filter, so that L levels are the binomial filter of order 8 L: radius 4 L pixels, deviation sqrt(2 L) pixels.
    That is kept: it is what published ATWT, AWLP and GSA figures use. Border rule, also the toolboxes': each
    analysis level leaves 2 more pixels on every side, and is mirrored about its own edge, edge pixel repeated.
    Source: Starck, Fadili and Murtagh (2007), TIP 16(2); Vivone et al. (2015), TGRS 53(5).
    """
    levels = max(1, round(math.log2(ratio)))
    for axis in (0, 1):
        for _ in range(levels - 1):
            image = _binomial(image, 4, axis)
        image = _binomial(image, 4 * (levels + 1), axis)  # the last analysis and all syntheses at once
    return image


def _binomial(image: Array, order: int, axis: int) -> Array:
    """Mirror 4 pixels beyond each end of an axis, filter, keep what needs no more: 8 - order pixels longer."""
    from scipy import ndimage  # lazily: half of the time to import fose

    weights = np.array([math.comb(order, k) for k in range(order + 1)]) / 2.0**order
    margins = [(0, 0), (0, 0)]
    margins[axis] = (4, 4)
    filtered = ndimage.correlate1d(np.pad(image, margins, mode="symmetric"), weights, axis=axis)
    valid = slice(order // 2, filtered.shape[axis] - order // 2)
    kept: Array = filtered[valid] if axis == 0 else filtered[:, valid]
    return kept
