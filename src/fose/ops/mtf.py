"""Low-pass filters matched to a sensor's modulation transfer function (MTF), known by its gain at Nyquist.

Two families. The *scene* Gaussian is a true spatial Gaussian, described by its `gaussian_sigma`. The *reference*
kernels are those of the public pansharpening toolboxes: a Gaussian sampled in frequency and cut by a circular
Kaiser window. They are not normalised (DC gain about 0.998), which is kept because published figures have it.

Sources: Aiazzi, Alparone, Baronti, Garzelli and Selva (2006), "MTF-tailored multiscale fusion of high-resolution MS
and Pan imagery", PE&RS 72(5); Vivone et al. (2015), "A critical comparison among pansharpening algorithms", TGRS 53(5).
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError

TAPS = 41  # side of the reference kernels, pixels
KAISER_BETA = 0.5  # of the window that cuts them
INTENSITY_GAIN = 0.3  # MTF gain assumed where PAN is brought to the MS resolution without naming a band


def gaussian_sigma(gain: float, ratio: float) -> float:
    """Standard deviation, in pixels of the fine grid, of the Gaussian whose MTF is `gain` at the coarse Nyquist.

    The coarse Nyquist frequency is 1/(2 ratio) cycles per fine pixel; exp(-2 pi^2 sigma^2 f^2) = gain there.
    Raises InputError unless 0 < gain < 1 and ratio >= 1.
    """
    _check(gain, ratio)
    return ratio * math.sqrt(-2 * math.log(gain)) / math.pi


@lru_cache(maxsize=64)
def mtf_kernel(gain: float, ratio: float) -> NDArray[np.float64]:
    """(41, 41) reference kernel of an MTF with `gain` at 1/(2 ratio) cycles per pixel; read-only, symmetric.

    Raises InputError unless 0 < gain < 1 and ratio >= 1.
    """
    _check(gain, ratio)
    return _windowed_kernel((TAPS - 1) / (2 * ratio), gain)


@lru_cache(maxsize=8)
def intensity_kernel(ratio: float) -> NDArray[np.float64]:
    """(41, 41) reference kernel that brings PAN to the MS resolution; read-only, symmetric.

    Gain 0.3, and the toolbox counts 41 frequency steps here where `mtf_kernel` counts 40.
    Raises InputError unless ratio >= 1.
    """
    _check(INTENSITY_GAIN, ratio)
    return _windowed_kernel(TAPS / (2 * ratio), INTENSITY_GAIN)


def _windowed_kernel(nyquist: float, gain: float) -> NDArray[np.float64]:
    """Kernel whose frequency response is `gain` at `nyquist` frequency bins, cut by a circular Kaiser window."""
    bins = np.arange(TAPS) - TAPS // 2
    response = np.exp(math.log(gain) * (bins / nyquist) ** 2)
    # A Gaussian response is separable, so its impulse response is an outer product of one-dimensional transforms.
    impulse = np.cos(2 * np.pi * np.outer(bins, bins) / TAPS) @ response / TAPS
    kernel = np.outer(impulse, impulse) * _circular_window()
    kernel.setflags(write=False)
    return kernel


def _circular_window() -> NDArray[np.float64]:
    """(41, 41) Kaiser window as a function of radius, linear between its samples, zero beyond radius 20."""
    bins = np.arange(TAPS) - TAPS // 2
    radius = np.hypot(bins[:, None], bins)
    profile = np.kaiser(TAPS, KAISER_BETA)[TAPS // 2 :]
    return np.interp(radius, np.arange(profile.size), profile, right=0.0)


def _check(gain: float, ratio: float) -> None:
    if not 0 < gain < 1:
        raise InputError(f"MTF gain: expected a number between 0 and 1, found {gain}; give the sensor's Nyquist gain")
    if not ratio >= 1:
        raise InputError(f"ratio: expected PAN pixels per MS pixel, at least 1, found {ratio}; swap the two images?")
