"""Multiresolution methods whose low-pass works on the PAN grid: HPF and SFIM (box), ATWT and AWLP (a trous).

PAN is matched to each band by mean and deviation over the scene; the filters reproduce constants, so additive
methods need the gain only.
"""

from dataclasses import dataclass

import numpy as np

from fose.classical.affine import add_pan
from fose.classical.low_resolution import SMOOTH_HALO, smoothed_pan
from fose.classical.method import Method
from fose.classical.statistics import (
    Vector,
    bounded_ratio,
    deviations,
    pan_moments,
    positive_floor,
    quotient,
    weighted_sum,
)
from fose.ops.lowpass import atrous, box
from fose.ops.moments import Moments
from fose.sharpener import Array, Scene, Tile


@dataclass(frozen=True)
class Detail:
    """Gain of each band (C,), MS DN per PAN DN, with the means that multiplicative methods need."""

    gains: Vector
    pan_mean: float
    means: Vector  # (C,)


def _matched_to_pan(scene: Scene) -> Detail:
    """std(ms_k) / std(PAN)."""
    moments = pan_moments(scene)
    std = deviations(moments)
    return Detail(quotient(std[1:], std[0]), float(moments.mean[0]), moments.mean[1:])


def _matched_to_low_pan(scene: Scene) -> Detail:
    """std(ms_k) / std(PAN at the MS resolution): Alparone, Garzelli and Vivone (2017), TGRS 55(8)."""

    def measure(tile: Tile) -> Moments:
        return Moments.of(tile.samples(tile.pan, smoothed_pan(tile, "bicubic"), tile.ms_up))

    moments = Moments.total(scene.map(measure, SMOOTH_HALO))
    std = deviations(moments)
    return Detail(quotient(std[2:], std[1]), float(moments.mean[0]), moments.mean[2:])


@dataclass(frozen=True)
class Hpf(Method):
    """High-pass filtering: sharp_k = ms_k + g_k (PAN - box(PAN))."""

    name = "hpf"
    halo = 1
    summary = "add PAN minus its box mean"
    paper = "Chavez, Sides and Anderson (1991), PE&RS 57(3)"

    def fit(self, scene: Scene) -> Detail:
        """Deviations of PAN and of the bands at PAN scale."""
        return _matched_to_pan(scene)

    def apply(self, tile: Tile, fit: Detail) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN."""
        return add_pan(tile.upsample(tile.ms), tile.pan - box(tile.pan, tile.ratio), fit.gains)


@dataclass(frozen=True)
class Sfim(Method):
    """Smoothing-filter-based intensity modulation: sharp_k = ms_k P_k / box(P_k), P_k PAN matched to band k."""

    name = "sfim"
    halo = 1
    summary = "multiply by PAN over its box mean"
    paper = "Liu (2000), International Journal of Remote Sensing 21(18)"

    def fit(self, scene: Scene) -> Detail:
        """Means and deviations of PAN and of the bands at PAN scale."""
        return _matched_to_pan(scene)

    def apply(self, tile: Tile, fit: Detail) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN. Where box(P_k) is not positive the band is left as it is."""
        sharp = tile.upsample(tile.ms)
        low = box(tile.pan, tile.ratio)
        offsets = fit.means - fit.gains * fit.pan_mean
        for band, gain, offset, floor in zip(sharp, fit.gains, offsets, positive_floor(fit.means), strict=True):
            pan, smooth = tile.pan * float(gain), low * float(gain)
            pan += float(offset)
            smooth += float(offset)
            band *= bounded_ratio(pan, smooth, float(floor))
        return sharp


@dataclass(frozen=True)
class Atwt(Method):
    """Additive wavelet: sharp_k = ms_k + g_k (PAN - a trous(PAN))."""

    name = "atwt"
    halo = 3
    summary = "add PAN minus its a-trous low-pass"
    paper = "Nunez, Otazu, Fors, Prades, Pala and Arbiol (1999), TGRS 37(3)"

    def fit(self, scene: Scene) -> Detail:
        """Deviations of the bands and of smoothed PAN at PAN scale."""
        return _matched_to_low_pan(scene)

    def apply(self, tile: Tile, fit: Detail) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN."""
        return add_pan(tile.upsample(tile.ms), tile.pan - atrous(tile.pan, tile.ratio), fit.gains)


@dataclass(frozen=True)
class Awlp(Method):
    """Additive wavelet luminance proportional: sharp_k = ms_k + g_k (PAN - a trous(PAN)) ms_k / mean(ms)."""

    name = "awlp"
    halo = 3
    summary = "add PAN minus its a-trous low-pass, in proportion to the band"
    paper = "Otazu, Gonzalez-Audicana, Fors and Nunez (2005), TGRS 43(10)"

    def fit(self, scene: Scene) -> Detail:
        """Deviations of the bands and of smoothed PAN at PAN scale."""
        return _matched_to_low_pan(scene)

    def apply(self, tile: Tile, fit: Detail) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN. Where mean(ms) is not positive no detail is added."""
        ms = tile.ms_up
        bands = len(ms)
        intensity = weighted_sum(ms, np.full(bands, 1 / bands))
        floor = float(positive_floor(fit.means.mean()))
        share = bounded_ratio(tile.pan - atrous(tile.pan, tile.ratio), intensity, floor, otherwise=0.0)
        sharp = np.empty_like(ms)
        for band, image, gain in zip(sharp, ms, fit.gains.tolist(), strict=True):
            np.multiply(share, gain, out=band)
            band += 1
            band *= image
        return sharp
