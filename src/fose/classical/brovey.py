"""Brovey: every band times the ratio of matched PAN to an intensity, with and without haze."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fose.classical.component_substitution import matched
from fose.classical.haze import haze
from fose.classical.low_resolution import SMOOTH_HALO, smoothed_pan
from fose.classical.method import Method
from fose.classical.statistics import (
    Vector,
    band_weights,
    bounded_ratio,
    gram_matrix,
    mixed,
    normal_solution,
    positive_floor,
    quotient,
    weighted_sum,
)
from fose.ops.moments import Moments
from fose.sharpener import Array, Scene, Tile


@dataclass(frozen=True)
class Modulation:
    """sharp_k = (ms_k - L_k) (a PAN + b) / (w.ms - c) + L_k, with ms_k - L_k taken as 0 where negative.

    Where w.ms - c is not above `floor` the ratio is 1.
    """

    weights: Vector
    haze: Vector | None  # L, DN; None leaves negative MS as it is
    intensity_haze: float  # c, DN
    pan_gain: float
    pan_offset: float
    floor: float


class ModulationMethod(Method):
    """A method whose fit is `Modulation`."""

    def apply(self, tile: Tile, fit: Modulation) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN."""
        intensity = tile.upsample(weighted_sum(tile.ms, fit.weights))
        intensity -= fit.intensity_haze
        pan = tile.pan * fit.pan_gain
        pan += fit.pan_offset
        ratio = bounded_ratio(pan, intensity, fit.floor)
        sharp = tile.upsample(tile.ms)
        if fit.haze is None:
            sharp *= ratio
            return sharp
        for band, dark in zip(sharp, fit.haze.tolist(), strict=True):
            band -= dark
            np.maximum(band, 0, out=band)
            band *= ratio
            band += dark
        return sharp


@dataclass(frozen=True)
class Brovey(ModulationMethod):
    """Brovey: bands keep their proportions, the weighted mean becomes matched PAN."""

    weights: Sequence[float] | None = None

    name = "brovey"
    summary = "every band times PAN over the mean of the bands; weights of the mean optional"
    paper = "Gillespie, Kahle and Walker (1987), Remote Sensing of Environment 22(3)"

    def fit(self, scene: Scene) -> Modulation:
        """Match PAN to the intensity, means and deviations at PAN scale."""
        weights = band_weights(self.weights, scene.bands)

        def matching(tile: Tile) -> Moments:
            return Moments.of(tile.samples(tile.pan, tile.upsample(weighted_sum(tile.ms, weights))))

        moments = Moments.total(scene.map(matching))
        mean, _ = mixed(moments, np.ones(1), first=1)
        gain, offset = matched(moments, np.ones(1))
        if gain == 0:  # a constant PAN has no detail to give
            return _unchanged(scene.bands)
        return Modulation(weights, None, 0.0, gain, offset, float(positive_floor(mean)))


@dataclass(frozen=True)
class BtH(ModulationMethod):
    """Brovey with haze correction: bands and intensity are taken above their haze."""

    name = "bt-h"
    summary = "Brovey above haze, intensity regressed on PAN at the MS resolution"
    paper = "Lolli, Alparone, Garzelli and Vivone (2017), GRSL 14(12)"

    def fit(self, scene: Scene) -> Modulation:
        """Regress smoothed PAN on the bands without intercept; match PAN to the intensity above haze."""
        channels = scene.map(lambda t: Moments.of(t.samples(smoothed_pan(t, "gaussian"), t.ms_up)), SMOOTH_HALO)
        moments = Moments.total(channels)
        gram = gram_matrix(moments)
        weights = normal_solution(gram[1:, 1:], gram[1:, :1])[:, 0]
        dark = haze(scene, moments.count)
        intensity_haze = float(weights @ dark)
        mean, std = mixed(moments, weights, first=1)
        pan_mean, pan_std = mixed(moments, np.ones(1))
        gain = float(quotient(std, pan_std))
        if gain == 0:
            return _unchanged(scene.bands)
        mean -= intensity_haze
        floor = float(positive_floor(mean))
        return Modulation(weights, dark, intensity_haze, gain, mean - gain * pan_mean, floor)


def _unchanged(bands: int) -> Modulation:
    """The modulation that leaves MS as it is, for scenes without contrast."""
    return Modulation(np.zeros(bands), None, -1.0, 0.0, 1.0, 1e-12)
