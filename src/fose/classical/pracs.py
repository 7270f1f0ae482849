"""Partial replacement adaptive component substitution.

Source: Choi, Yu and Kim (2011), "A new adaptive component-substitution-based satellite image fusion by using partial
replacement", TGRS 49(1), as in the toolboxes: with a low-resolution regression for the band intensities.
"""

from dataclasses import dataclass

import numpy as np

from fose.classical.low_resolution import SMOOTH_HALO, smooth, smoothed_pan
from fose.classical.method import Method
from fose.classical.statistics import (
    Matrix,
    Vector,
    bounded_ratio,
    deviations,
    pan_moments,
    positive_floor,
    quotient,
    regression,
    weighted_sum,
)
from fose.ops.moments import Moments
from fose.sharpener import Array, Scene, Tile, stack

BETA = 0.95  # overall strength of injection


@dataclass(frozen=True)
class PartialReplacement:
    """What one scene's injection needs; h_k = max(0, match_gain_k ms_k + match_offset_k) is band k matched to PAN."""

    match_gains: Vector  # (C,)
    match_offsets: Vector  # (C,) DN of PAN
    shares: Vector  # (C,) of PAN in the partial replacement, the correlation of band and intensity
    slopes: Matrix  # (C, C) row k: low-resolution intensity of band k from the matched bands
    intercepts: Vector  # (C,)
    means: Vector  # (C,) of those intensities, DN of PAN
    detail_means: Vector  # (C,) mean of the detail before it is centred
    weights: Vector  # (C,) injection gain, MS DN per PAN DN
    correlations: Vector  # (C,) of band and total intensity


def match_to_pan(ms: Array, gains: Vector, offsets: Vector) -> Array:
    """(C, H, W) bands matched to PAN's mean and deviation, negative values set to 0."""
    matched = np.empty_like(ms)
    for band, image, gain, offset in zip(matched, ms, gains.tolist(), offsets.tolist(), strict=True):
        np.multiply(image, gain, out=band)
        band += offset
        np.maximum(band, 0, out=band)
    return matched


def _correlation(covariance: Vector, left: Vector | float, right: Vector | float) -> Vector:
    return quotient(covariance, np.asarray(left) * np.asarray(right))


@dataclass(frozen=True)
class Pracs(Method):
    """Each band is replaced by PAN only as far as it follows it, and detail is weakened where the match is unstable."""

    name = "pracs"
    summary = "partial replacement: detail from a mixture of PAN and the band, locally adjusted"
    paper = "Choi, Yu and Kim (2011), TGRS 49(1)"

    def fit(self, scene: Scene) -> PartialReplacement:
        """Two passes: contrasts for the matching, then covariances of the matched bands and their smoothed versions."""
        first = pan_moments(scene)
        std = deviations(first)
        gains = quotient(std[0], std[1:])
        offsets = first.mean[0] - gains * first.mean[1:]

        def measure(tile: Tile) -> Moments:
            matched = match_to_pan(tile.ms_up, gains, offsets)
            low = stack([smooth(tile, band, "bicubic") for band in matched])
            return Moments.of(tile.samples(tile.pan, smoothed_pan(tile, "bicubic"), matched, low, tile.ms_up))

        moments = Moments.total(scene.map(measure, SMOOTH_HALO))
        return _partial_replacement(moments, scene.bands, gains, offsets)

    def apply(self, tile: Tile, fit: PartialReplacement) -> Array:
        """Sharpen one window: (C, H, W), dtype of PAN. Where an intensity is not positive no detail is added."""
        ms = tile.ms_up
        matched = match_to_pan(ms, fit.match_gains, fit.match_offsets)
        sharp = np.empty_like(ms)
        floors = positive_floor(fit.means)
        for k, band in enumerate(sharp):
            intensity = weighted_sum(matched, fit.slopes[k])
            intensity += float(fit.intercepts[k])
            np.multiply(tile.pan, float(fit.shares[k]), out=band)
            band += matched[k] * float(1 - fit.shares[k])
            band -= intensity
            band -= float(fit.detail_means[k])
            band *= _stability(ms[k], intensity, float(fit.correlations[k]), float(floors[k]))
            band *= float(fit.weights[k])
            band += ms[k]
        return sharp


def _stability(ms: Array, intensity: Array, correlation: float, floor: float) -> Array:
    """Local instability adjustment 1 - |1 - r ms / intensity|, 0 where the intensity is not above a floor."""
    adjustment = bounded_ratio(ms, intensity, floor, otherwise=0.0)
    adjustment *= -correlation
    adjustment += 1
    np.abs(adjustment, out=adjustment)
    np.subtract(1, adjustment, out=adjustment)
    return adjustment


def _partial_replacement(moments: Moments, bands: int, gains: Vector, offsets: Vector) -> PartialReplacement:
    """The coefficients, from moments of PAN, smoothed PAN, matched bands, smoothed matched bands and MS."""
    covariance, mean, std = moments.covariance, moments.mean, deviations(moments)
    hm = slice(2, 2 + bands)
    ms = slice(2 + 2 * bands, 2 + 3 * bands)
    # Intensity: smoothed PAN on the matched bands.
    responses = [1, *range(2 + bands, 2 + 2 * bands)]
    slopes, intercepts = regression(moments, range(2, 2 + bands), responses)
    total = slopes[:, 0]
    total_std = np.sqrt(max(float(total @ covariance[hm, hm] @ total), 0.0))
    shares = _correlation(covariance[hm, hm] @ total, std[hm], total_std)
    # A band's intensity regresses shares_k PAN + (1 - shares_k) matched_k, smoothed: a mixture of two regressions.
    band_slopes = (shares * slopes[:, :1] + (1 - shares) * slopes[:, 1:]).T
    band_intercepts = shares * intercepts[0] + (1 - shares) * intercepts[1:]
    low_means = band_intercepts + band_slopes @ mean[hm]
    band_std = np.sqrt(np.maximum(np.einsum("kj,jl,kl->k", band_slopes, covariance[hm, hm], band_slopes), 0))
    with_ms = np.einsum("kj,jk->k", band_slopes, covariance[hm, ms])
    weights = BETA * quotient(_correlation(with_ms, band_std, std[ms]) * std[ms], std[ms].mean())
    return PartialReplacement(
        match_gains=gains,
        match_offsets=offsets,
        shares=shares,
        slopes=band_slopes,
        intercepts=band_intercepts,
        means=low_means,
        detail_means=shares * mean[0] + (1 - shares) * mean[hm] - low_means,
        weights=weights,
        correlations=_correlation(total @ covariance[hm, ms], total_std, std[ms]),
    )
