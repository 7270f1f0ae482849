"""The largest part of an image without missing pixels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Rectangle(NamedTuple):
    """Rows [top, bottom) and columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.bottom - self.top) * (self.right - self.left)


def largest_rectangle(valid: NDArray[np.bool_]) -> Rectangle:
    """The largest rectangle of an (h, w) mask in which every pixel is true; area 0 where there is none."""
    if valid.all():
        return Rectangle(0, valid.shape[0], 0, valid.shape[1])
    best = Rectangle(0, 0, 0, 0)
    heights = np.zeros(valid.shape[1], np.intp)
    for row, line in enumerate(valid):
        heights = np.where(line, heights + 1, 0)
        best = max(best, _under(heights.tolist(), row + 1), key=lambda found: found.area)
    return best


def _under(heights: list[int], bottom: int) -> Rectangle:
    """The largest rectangle under a skyline, standing on row `bottom`: one pass with a stack of rising heights."""
    best = Rectangle(0, 0, 0, 0)
    rising: list[tuple[int, int]] = []  # (left edge, height)
    for col, height in enumerate([*heights, 0]):
        left = col
        while rising and rising[-1][1] >= height:
            left, tall = rising.pop()
            best = max(best, Rectangle(bottom - tall, bottom, left, col), key=lambda found: found.area)
        rising.append((left, height))
    return best
