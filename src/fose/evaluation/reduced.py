"""The reduced-resolution protocol (Wald): degrade both images by the ratio, sharpen, compare with the real MS.

Wald, Ranchin and Mangolini (1997), "Fusion of satellite images of different spatial resolutions", PE&RS 63(6).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fose import metrics
from fose.errors import InputError
from fose.ops.mtf import gaussian_sigma
from fose.ops.resample import AxisMap, gaussian, resample

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ReducedPair:
    """A degraded pair and the real MS that its sharpening should restore; PAN and target share one grid."""

    pan: Array  # (h, w)
    ms: Array  # (C, h / r, w / r), corner on PAN's corner
    target: Array  # (C, h, w)
    ratio: int


def degrade_pair(
    pan: NDArray[Any],
    ms: NDArray[Any],
    gains: Sequence[float] | Array,
    pan_gain: float,
    ratio: float | None = None,
    phase: tuple[float, float] = (0.0, 0.0),
) -> ReducedPair:
    """Degrade pan (H, W) and ms (C, h, w) by the ratio with Gaussian MTFs, sampled at true pixel centres.

    gains, pan_gain: MTF gains at the coarse Nyquist frequency. phase: where the MS corner lies on PAN, in PAN pixels
    (row, column). The target is the MS cut to whole coarse pixels. Pixels are never missing here. InputError where
    nothing is left.
    """
    ratio = ratio or pan.shape[0] / ms.shape[1]
    step = round(ratio)
    height, width = (floor(size / step) * step for size in ms.shape[1:])
    if not height or not width:
        raise InputError(f"expected an MS of at least {step}x{step} pixels, found {ms.shape[1:]}")
    target = np.asarray(ms[:, :height, :width], np.float32)
    to_pan = [AxisMap(p + ratio / 2 - 0.5, ratio) for p in phase]
    low_pan = resample(
        np.asarray(pan, np.float32),
        (0, 0),
        (slice(0, height), slice(0, width)),
        (to_pan[0], to_pan[1]),
        gaussian(gaussian_sigma(pan_gain, ratio)),
    )
    coarse = AxisMap((step - 1) / 2, step)
    window = slice(0, height // step), slice(0, width // step)
    low_ms = np.stack(
        [
            resample(band, (0, 0), window, (coarse, coarse), gaussian(gaussian_sigma(float(gain), step)))
            for band, gain in zip(np.asarray(ms, np.float32), gains, strict=True)
        ]
    )
    return ReducedPair(low_pan, low_ms, target, step)


def scores(target: Array, sharp: Array, ratio: float) -> dict[str, float]:
    """SAM (degrees), ERGAS and Q2n of a result against its target; both (C, H, W)."""
    return {
        "SAM": metrics.sam(target, sharp),
        "ERGAS": metrics.ergas(target, sharp, ratio),
        "Q2n": metrics.q2n(target, sharp),
    }
