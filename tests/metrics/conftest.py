"""Images that the metric tests share."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@pytest.fixture(scope="session")
def pair() -> Callable[[int, int, int], tuple[Floats, Floats]]:
    """Makes a reference and a fused image, (C, H, W), of smooth shapes without symmetry plus noise, in 11-bit DN."""

    def make(bands: int, height: int, width: int) -> tuple[Floats, Floats]:
        band, row, column = np.ogrid[:bands, :height, :width]
        waves = np.sin(0.31 * row + 0.07 * column + band) + np.cos(0.011 * row * column / (band + 3))
        noise = np.random.default_rng(7).normal(0, 40, (2, bands, height, width))
        reference = np.clip(600 + 50 * band + 200 * waves + noise[0], 1, 2047).round()
        return reference, 0.95 * reference + 20 + noise[1]

    return make
