"""Component substitution that is affine: EXP (no detail), IHS, PCA, GS and GSA.

All match PAN to an intensity w.ms and inject the difference with a gain per band. They differ in w and the gains.
Statistics are those of PAN and of upsampled MS over the whole scene, divisor N - 1, as in the toolboxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fose.classical.affine import Affine, AffineMethod, substitution
from fose.classical.low_resolution import SMOOTH_HALO, intensity_pan
from fose.classical.method import Method
from fose.classical.statistics import Vector, band_weights, mixed, pan_moments, quotient, regression
from fose.ops.moments import Moments
from fose.sharpener import Array, Scene, Tile


@dataclass(frozen=True)
class Exp(Method):
    """MS upsampled, no PAN detail: the floor that every method must beat."""

    name = "exp"
    summary = "MS resampled on the PAN grid, without PAN detail"
    paper = "Aiazzi, Alparone, Baronti and Garzelli (2002), TGRS 40(10)"

    def fit(self, scene: Scene) -> None:
        """Nothing to measure."""

    def apply(self, tile: Tile, fit: None) -> Array:
        """Upsample one window: (C, H, W), dtype of PAN."""
        return tile.upsample(tile.ms)


def matched(moments: Moments, weights: Vector) -> tuple[float, float]:
    """Gain and offset that give PAN the mean and deviation of the intensity w.ms; channels as in `pan_moments`."""
    mean, std = mixed(moments, weights, first=1)
    pan_mean, pan_std = mixed(moments, np.ones(1))
    gain = float(quotient(std, pan_std))
    return gain, mean - gain * pan_mean


def projection_gains(moments: Moments, weights: Vector) -> Vector:
    """cov(ms_k, w.ms) / var(w.ms) per band, 0 where the intensity is constant; channels as in `pan_moments`."""
    _, std = mixed(moments, weights, first=1)
    return quotient(moments.covariance[1:, 1:] @ weights, std**2)


@dataclass(frozen=True)
class Ihs(AffineMethod):
    """Generalised IHS: the same detail, PAN matched minus the weighted mean, added to every band."""

    weights: Sequence[float] | None = None

    name = "ihs"
    summary = "generalised intensity-hue-saturation; weights of the intensity optional"
    paper = "Tu, Su, Shyu and Huang (2001), Information Fusion 2(3)"

    def fit(self, scene: Scene) -> Affine:
        """Match PAN to the intensity, means and deviations at PAN scale."""
        weights = band_weights(self.weights, scene.bands)
        return substitution(weights, np.ones(scene.bands), *matched(pan_moments(scene), weights))


@dataclass(frozen=True)
class Pca(AffineMethod):
    """Replace the first principal component of MS by PAN matched to it."""

    name = "pca"
    summary = "replace the first principal component of MS by PAN"
    paper = "Chavez and Kwarteng (1989), PE&RS 55(3)"

    def fit(self, scene: Scene) -> Affine:
        """Eigenvectors of the covariance of MS at PAN scale; the largest loading is taken positive."""
        moments = pan_moments(scene)
        _, vectors = np.linalg.eigh(moments.covariance[1:, 1:])
        loading = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
        _, std = mixed(moments, loading, first=1)
        gains = loading if std > 0 else np.zeros(scene.bands)
        return substitution(loading, gains, *matched(moments, loading))


@dataclass(frozen=True)
class Gs(AffineMethod):
    """Gram-Schmidt, mode 1: intensity is a weighted mean, gains are projections on it."""

    weights: Sequence[float] | None = None

    name = "gs"
    summary = "Gram-Schmidt with a fixed intensity; weights of the intensity optional"
    paper = "Laben and Brower (2000), US patent 6,011,875; Aiazzi, Baronti and Selva (2007), TGRS 45(10)"

    def fit(self, scene: Scene) -> Affine:
        """Match PAN to the intensity; project the bands on it."""
        moments = pan_moments(scene)
        weights = band_weights(self.weights, scene.bands)
        return substitution(weights, projection_gains(moments, weights), *matched(moments, weights))


@dataclass(frozen=True)
class Gsa(AffineMethod):
    """Gram-Schmidt adaptive: the intensity is the regression of PAN at low resolution on the bands."""

    name = "gsa"
    summary = "Gram-Schmidt whose intensity is regressed on PAN at the MS resolution"
    paper = "Aiazzi, Baronti and Selva (2007), TGRS 45(10)"

    def fit(self, scene: Scene) -> Affine:
        """Regress at MS scale (with intercept), project at PAN scale. PAN keeps its own contrast."""

        def measure(tile: Tile) -> tuple[Moments, Moments]:
            low = tile.ms_samples(intensity_pan(tile), tile.ms)
            return Moments.of(low), Moments.of(tile.samples(tile.pan, tile.ms_up))

        low, full = (Moments.total(parts) for parts in zip(*scene.map(measure, SMOOTH_HALO), strict=True))
        slopes, _ = regression(low, range(1, scene.bands + 1), [0])
        weights = slopes[:, 0]
        offset = float(weights @ full.mean[1:] - full.mean[0])
        return substitution(weights, projection_gains(full, weights), 1.0, offset)
