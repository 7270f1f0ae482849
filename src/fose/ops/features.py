"""What the network sees of a scene: scene statistics turn every sensor into the same unit-free problem.

`measure` is the network's `fit`: per-band mean and spread, the regression of PAN on the bands, the injection gains.
`features` turns a tile into normalised images. The network predicts a residual x0 to the classical base in units of
each band's spread times the spread of PAN's detail, so bit depth, gain, offset and contrast drop out by construction,
and a scene without detail comes out as its base. Ours; see docs/method.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fose.ops.moments import Moments
from fose.sharpener import Array, Scene, Tile

Float64 = NDArray[np.float64]

# MS pixels that degrading and interpolating reach: the halo of `features` itself.
HALO = 8
# Spreads below this share of the mean count as none: rounding, not content.
FLAT = 1e-6
CONDITIONS = 6
SPATIAL = 3
SPECTRAL = 2
# Spread of (target - base) / (band spread x detail spread) over the training samples, so that x0 has unit spread.
RESIDUAL_SPREAD = 0.8


@dataclass(frozen=True)
class Statistics:
    """A scene's statistics: all that `features` and `compose` need to know of it."""

    mean: Float64  # (C,) DN
    std: Float64  # (C,) DN
    pan_mean: float  # DN
    pan_std: float  # DN, of PAN at the MS resolution
    weights: Float64  # (C,) of the normalised bands in the intensity that best explains normalised PAN
    correlation: Float64  # (C,) of each band with PAN, both at the MS resolution
    explained: float  # share of PAN's variance that the bands explain there, 0..1
    detail: float  # spread of normalised PAN's detail
    sharpness: float  # log of the spread of PAN's Laplacian over that of its detail
    gain: float  # MTF gain that PAN is degraded with
    wavelengths: tuple[float | None, ...]  # nm


@dataclass(frozen=True)
class Features:
    """One window for the network, float32. base is normalised by band; H and W are the tile's."""

    spatial: Array  # (3, H, W): PAN, its detail, PAN minus the intensity of the bands
    spectral: Array  # (C, 2, H, W): classical base, MS on the PAN grid
    conditions: Array  # (C, 6)

    @property
    def base(self) -> Array:
        """(C, H, W) the classical first guess, normalised."""
        return self.spectral[:, 0]

    @property
    def without_injection(self) -> "Features":
        """The same with the MS on the PAN grid as the base, as the paper has it."""
        return Features(self.spatial, self.spectral[:, [1, 1]], self.conditions)


def measure(scene: Scene) -> Statistics:
    """Statistics of a scene, in two streaming passes (the second needs the first one's normalisation)."""
    gain = float(np.mean(scene.gains))
    low = Moments.total(
        scene.map(lambda tile: Moments.of(tile.ms_samples(tile.degrade(tile.pan, [gain]), tile.ms)), HALO)
    )
    fine = Moments.total(scene.map(lambda tile: _fine_moments(tile, gain), HALO))
    scale = np.where(low.std > FLAT * np.abs(low.mean), low.std, 0.0)
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    correlation = low.covariance * np.outer(inverse, inverse)
    weights = np.linalg.pinv(correlation[1:, 1:], rcond=1e-6, hermitian=True) @ correlation[1:, 0]
    detail, laplacian = fine.std * inverse[0]
    return Statistics(
        mean=low.mean[1:],
        std=scale[1:],
        pan_mean=float(low.mean[0]),
        pan_std=float(scale[0]),
        weights=weights,
        correlation=correlation[1:, 0],
        explained=float(np.clip(weights @ correlation[1:, 0], 0, 1)),
        detail=float(detail),
        sharpness=float(np.log(max(laplacian, 1e-9) / detail)) if detail > 0 else 0.0,
        gain=gain,
        wavelengths=scene.wavelengths,
    )


def _fine_moments(tile: Tile, gain: float) -> Moments:
    """Moments of PAN's detail and of its Laplacian, on the PAN grid."""
    pan = tile.pan
    detail = pan - tile.upsample(tile.degrade(pan, [gain]))[0]
    laplacian = np.zeros_like(pan)
    laplacian[1:-1, 1:-1] = 4 * pan[1:-1, 1:-1] - pan[:-2, 1:-1] - pan[2:, 1:-1] - pan[1:-1, :-2] - pan[1:-1, 2:]
    return Moments.of(tile.samples(detail, laplacian))


def features(tile: Tile, fit: Statistics) -> Features:
    """Normalise a window. Approximate within `HALO` MS pixels of its edge."""
    inverse_pan = np.float32(_inverse(fit.pan_std))
    pan = (tile.pan - np.float32(fit.pan_mean)) * inverse_pan
    inverse = np.array([_inverse(std) for std in fit.std], np.float32)
    ms = (tile.ms - fit.mean.astype(np.float32)[:, None, None]) * inverse[:, None, None]
    intensity = np.zeros_like(ms[0])
    for band, weight in zip(ms, fit.weights.astype(np.float32), strict=True):
        intensity += weight * band
    low = tile.degrade(pan, [fit.gain])[0]
    up = tile.upsample(np.concatenate([ms, low[None], intensity[None]]))
    inverse_detail = np.float32(_inverse(fit.detail))
    detail = (pan - up[-2]) * inverse_detail
    spatial = np.stack([pan, detail, (pan - up[-1]) * inverse_detail])
    spectral = np.empty((len(ms), SPECTRAL, *pan.shape), np.float32)
    for index, injected in enumerate((fit.correlation * fit.detail).astype(np.float32)):
        np.multiply(detail, injected, out=spectral[index, 0])
        spectral[index, 0] += up[index]
        spectral[index, 1] = up[index]
    return Features(spatial, spectral, conditions(fit))


def conditions(fit: Statistics) -> Array:
    """(C, 6) per band: correlation with PAN, explained share, PAN sharpness, wavelength (two terms, known or not)."""
    rows = []
    for correlation, wavelength in zip(fit.correlation, fit.wavelengths, strict=True):
        known = wavelength is not None
        place = 0.0 if wavelength is None else (min(wavelength, 1200.0) - 650.0) / 200.0
        rows.append((correlation, fit.explained, fit.sharpness, place, place * place if known else 0.0, float(known)))
    return np.array(rows, np.float32)


def compose(base: Array, residual: Array, fit: Statistics) -> Array:
    """From the normalised base and the network's x0, both (C, H, W), to DN."""
    sharp = residual * np.float32(RESIDUAL_SPREAD * fit.detail)
    sharp += base
    sharp *= fit.std.astype(np.float32)[:, None, None]
    sharp += fit.mean.astype(np.float32)[:, None, None]
    return sharp


def residual(base: Array, target: Array, fit: Statistics) -> Array:
    """The x0 that `compose` turns into the target (C, H, W): what the network learns."""
    inverse = np.array([_inverse(std) for std in fit.std], np.float32)
    normalised = (target - fit.mean.astype(np.float32)[:, None, None]) * inverse[:, None, None]
    return (normalised - base) * np.float32(_inverse(RESIDUAL_SPREAD * fit.detail))


def _inverse(value: float) -> float:
    return 1.0 / value if value > 0 else 0.0
