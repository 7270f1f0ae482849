"""Generalised Laplacian pyramid with filters matched to the MTF of each band.

low_k is PAN degraded by the MTF of band k, sampled on the MS grid and upsampled as MS is. Additive methods do that
subtraction on the MS grid: sharp_k = upsample(ms_k - g_k degraded_k) + g_k PAN, one upsampling per tile.
Source: Aiazzi, Alparone, Baronti and Garzelli (2002), TGRS 40(10), and Aiazzi et al. (2006), PE&RS 72(5).
"""

from dataclasses import dataclass

import numpy as np

from fose.classical.affine import add_pan
from fose.classical.haze import haze
from fose.classical.low_resolution import SMOOTH_HALO, dc_gains, smoothed_pan
from fose.classical.method import Method
from fose.classical.statistics import Vector, bounded_ratio, deviations, positive_floor, quotient, regression
from fose.ops.moments import Moments
from fose.sharpener import Array, Scene, Tile

HALO = 8  # MS pixels: the degrading filter and the interpolator after it


@dataclass(frozen=True)
class Injection:
    """Additive detail: gains (C,) MS DN per PAN DN, offset (C,) DN, MTF gain of each band (C,)."""

    gains: Vector
    offset: Vector
    mtf: Vector


class AdditiveGlp(Method):
    """A pyramid method whose fit is `Injection`."""

    halo = HALO

    def apply(self, tile: Tile, fit: Injection) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN."""
        base = tile.degrade(tile.pan, fit.mtf) * (-fit.gains).astype(tile.pan.dtype)[:, None, None]
        base += tile.ms
        base += fit.offset.astype(base.dtype)[:, None, None]
        return add_pan(tile.upsample(base), tile.pan, fit.gains)


@dataclass(frozen=True)
class Matching:
    """PAN matched to each band: P_k = gains[k] PAN + offsets[k], P_k degraded = gains[k] low_k + low_offsets[k]."""

    gains: Vector
    offsets: Vector
    low_offsets: Vector
    means: Vector


def match_pan(scene: Scene) -> Matching:
    """Match PAN to each band by mean, and by deviation at the MS resolution.

    Source: Alparone, Garzelli and Vivone (2017), "Intersensor statistical matching", TGRS 55(8).
    """

    def measure(tile: Tile) -> tuple[Moments, Vector]:
        samples = tile.samples(tile.pan, smoothed_pan(tile, "gaussian"), tile.ms_up)
        return Moments.of(samples), dc_gains(tile, scene.gains)

    parts, dc = zip(*scene.map(measure, SMOOTH_HALO), strict=True)
    moments = Moments.total(parts)
    std = deviations(moments)
    gains = quotient(std[2:], std[1])
    offsets = moments.mean[2:] - gains * moments.mean[0]
    # Without contrast the matched PAN is a constant, and degrading it must not count as detail.
    return Matching(gains, offsets, offsets * np.where(gains > 0, dc[0], 1.0), moments.mean[2:])


def band_and_low_pan(scene: Scene) -> tuple[Moments, Vector]:
    """Moments of PAN, the C bands and the C pyramids low_k at PAN scale, and the deviations of all."""

    unique, index = np.unique(scene.gains, return_inverse=True)

    def measure(tile: Tile) -> Moments:
        return Moments.of(tile.samples(tile.pan, tile.ms_up, tile.upsample(tile.degrade(tile.pan, unique))))

    moments = Moments.total(scene.map(measure, HALO))
    moments = moments.channels([*range(1 + scene.bands), *(1 + scene.bands + index)])
    return moments, deviations(moments)


@dataclass(frozen=True)
class MtfGlp(AdditiveGlp):
    """MTF-GLP: the detail of PAN matched to each band is added."""

    name = "mtf-glp"
    summary = "Laplacian pyramid with MTF filters, PAN matched to each band"
    paper = "Aiazzi, Alparone, Baronti, Garzelli and Selva (2006), PE&RS 72(5); Alparone et al. (2017), TGRS 55(8)"

    def fit(self, scene: Scene) -> Injection:
        """Gain std(ms_k) / std(PAN at the MS resolution)."""
        match = match_pan(scene)
        return Injection(match.gains, match.offsets - match.low_offsets, scene.gains)


@dataclass(frozen=True)
class MtfGlpFs(AdditiveGlp):
    """MTF-GLP with full-scale regression: g_k = cov(ms_k, PAN) / cov(low_k, PAN)."""

    name = "mtf-glp-fs"
    summary = "MTF-GLP with gains regressed at full scale"
    paper = "Vivone, Restaino and Chanussot (2018), TIP 27(7)"

    def fit(self, scene: Scene) -> Injection:
        """Covariances with PAN at PAN scale; gain 0 where PAN and low_k have no positive covariance."""
        moments, std = band_and_low_pan(scene)
        first_low = 1 + scene.bands
        with_pan = moments.covariance[0]
        varies = (std[0] > 0) & (std[first_low:] > 0) & (with_pan[first_low:] > 0)
        gains = quotient(with_pan[1:first_low], np.where(varies, with_pan[first_low:], 0.0))
        return Injection(gains, np.zeros(scene.bands), scene.gains)


@dataclass(frozen=True)
class MtfGlpCbd(AdditiveGlp):
    """MTF-GLP with the regression gain g_k = cov(ms_k, low_k) / var(low_k), over the whole scene."""

    name = "mtf-glp-cbd"
    summary = "MTF-GLP with gains regressed on the low-pass PAN"
    paper = "Aiazzi et al. (2006), PE&RS 72(5); Alparone et al. (2007), TGRS 45(10)"

    def fit(self, scene: Scene) -> Injection:
        """Covariances of each band with its own low_k at PAN scale."""
        moments, std = band_and_low_pan(scene)
        bands = np.arange(1, 1 + scene.bands)
        gains = quotient(moments.covariance[bands, bands + scene.bands], std[bands + scene.bands] ** 2)
        return Injection(gains, np.zeros(scene.bands), scene.gains)


@dataclass(frozen=True)
class HighPassModulation:
    """sharp_k = (ms_k - L_k) (a_k PAN + b_k) / (a_k low_k + c_k) + L_k; ratio 1 where the divisor is not above floor.

    All (C,); L, b, c and floor in DN; mtf is the MTF gain of each band.
    """

    haze: Vector
    gains: Vector
    offsets: Vector
    low_offsets: Vector
    floor: Vector
    mtf: Vector


class ModulatedGlp(Method):
    """A pyramid method whose fit is `HighPassModulation`."""

    halo = HALO

    def apply(self, tile: Tile, fit: HighPassModulation) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN."""
        sharp = tile.upsample(tile.ms)
        unique, index = np.unique(fit.mtf, return_inverse=True)
        lows = tile.upsample(tile.degrade(tile.pan, unique))
        for k, band in enumerate(sharp):
            pan, low = tile.pan * float(fit.gains[k]), lows[index[k]] * float(fit.gains[k])
            pan += float(fit.offsets[k])
            low += float(fit.low_offsets[k])
            band -= float(fit.haze[k])
            band *= bounded_ratio(pan, low, float(fit.floor[k]))
            band += float(fit.haze[k])
        return sharp


@dataclass(frozen=True)
class MtfGlpHpm(ModulatedGlp):
    """MTF-GLP with high-pass modulation: detail in proportion to the band."""

    name = "mtf-glp-hpm"
    summary = "multiply by matched PAN over its pyramid low-pass"
    paper = "Aiazzi, Alparone, Baronti, Garzelli and Selva (2003), URBAN 2003; Vivone et al. (2014), GRSL 11(5)"

    def fit(self, scene: Scene) -> HighPassModulation:
        """Match PAN to each band; a band or a PAN without contrast is left as it is."""
        match = match_pan(scene)
        floor = positive_floor(match.means)
        no_haze = np.zeros(scene.bands)
        return HighPassModulation(no_haze, match.gains, match.offsets, match.low_offsets, floor, scene.gains)


@dataclass(frozen=True)
class MtfGlpHpmH(ModulatedGlp):
    """MTF-GLP-HPM with bands and PAN taken above their haze."""

    name = "mtf-glp-hpm-h"
    summary = "MTF-GLP-HPM above haze"
    paper = "Lolli et al. (2017), GRSL 14(12); Garzelli et al. (2018), Remote Sensing 10(8)"

    def fit(self, scene: Scene) -> HighPassModulation:
        """PAN's haze is the regression of smoothed PAN on the bands, with intercept, at the bands' haze."""
        channels = scene.map(lambda t: Moments.of(t.samples(smoothed_pan(t, "gaussian"), t.ms_up)), SMOOTH_HALO)
        moments = Moments.total(channels)
        slopes, intercept = regression(moments, range(1, scene.bands + 1), [0])
        dark = haze(scene, moments.count)
        ones = np.ones(scene.bands)
        if not slopes.any():  # no band explains PAN: its haze is unknown, and the ratio would mean nothing
            return HighPassModulation(0 * ones, 0 * ones, ones, ones, 0.5 * ones, scene.gains)
        pan_haze = float(intercept[0] + dark @ slopes[:, 0])
        floor = positive_floor(ones * (moments.mean[0] - pan_haze))
        return HighPassModulation(dark, ones, -pan_haze * ones, -pan_haze * ones, floor, scene.gains)
