"""Fill missing pixels from their valid neighbours, so that filters and networks never see a hole.

The filled values are only ever read through a filter that a valid pixel's own neighbourhood dominates; they are
never written. Filling is local and a pure function of absolute position, so it obeys the law of the tile.
"""

from math import ceil, log2

import numpy as np
from numpy.typing import NDArray


def fill_margin(reach: int) -> int:
    """Pixels around a window that its filled values depend on, when holes are filled `reach` pixels deep."""
    return int(2 ** ceil(log2(reach + 1)) - 1)


def fill_missing(image: NDArray[np.floating], valid: NDArray[np.bool_], reach: int) -> NDArray[np.floating]:
    """Fill missing pixels up to at least `reach` pixels (Chebyshev) away from a valid one; beyond that, zero.

    image, valid: (h, w). Each pass looks at the eight neighbours 1, 2, 4, ... pixels away and averages those
    that are known. A constant stays that constant. The image's edge counts as missing.
    """
    filled = np.where(valid, image, image.dtype.type(0))
    known = valid.copy()
    distance = 1
    while distance <= (fill_margin(reach) + 1) // 2:
        total, count = _neighbour_sum(filled, known, distance)
        new = ~known & (count > 0)
        filled[new] = total[new] / count[new]
        known |= new
        distance *= 2
    return filled


def _neighbour_sum(
    image: NDArray[np.floating], known: NDArray[np.bool_], distance: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    height, width = image.shape
    padded = np.pad(image, distance)
    weights = np.pad(known.astype(image.dtype), distance)
    total, count = np.zeros_like(image), np.zeros_like(image)
    for row in (0, distance, 2 * distance):
        for col in (0, distance, 2 * distance):
            total += padded[row : row + height, col : col + width]
            count += weights[row : row + height, col : col + width]
    return total, count
