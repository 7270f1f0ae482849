"""What a network learns from: a made-up or degraded pair, what the method is told about it, and the truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Sample:
    """One training pair. H and W are whole multiples of 4 MS pixels; h = H / ratio, w = W / ratio."""

    pan: Array  # (H, W) float32, DN
    ms: Array  # (C, h, w) float32, DN
    target: Array  # (C, H, W) float32, DN: the truth on the grid that PAN declares
    ratio: float  # PAN pixels per MS pixel
    phase: tuple[float, float]  # MS corner on the PAN grid, PAN pixels (row, column); at most half an MS pixel
    gains: Array  # (C,) MTF gains at the MS Nyquist frequency as the method is told them; the truth differs
    pan_gain: float  # that of PAN as the method is told it
    wavelengths: tuple[float | None, ...]  # nm, one per band
    name: str  # of the source
