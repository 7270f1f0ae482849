"""What the network sees of a scene: scene statistics turn every sensor into the same unit-free problem.

`measure` is the network's `fit`: per-band mean and spread, the regression of PAN on the bands, haze, injection gains.
`features` turns a tile into normalised images. The network predicts a residual x0 to the classical base in units of
each band's spread times the spread of PAN's detail, so bit depth, gain, offset and contrast drop out by construction,
and a scene without detail comes out as its base.

The base is a Laplacian pyramid whose gain is partly constant and partly in proportion to the band over PAN, both above
haze (the two classical models of injection); how much of each is regressed on the scene itself, one scale further
down, where the sharp image is known: the MS. Ours; see docs/method.md.
"""

from collections.abc import Sequence
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
LEAST_SAMPLES = 20_000  # MS pixels, below which a sample of a scene does not do
CONDITIONS = 10
SPATIAL = 3
SPECTRAL = 3
# Spread of (target - base) / (band spread x detail spread) over the training samples, so that x0 has unit spread.
RESIDUAL_SPREAD = 0.8
# Haze is this share of a band's first percentile, by wavelength in nm; after Lolli et al. (2017), GRSL 14(12).
HAZE_WAVELENGTHS, HAZE_SHARES, HAZE_SHARE_UNKNOWN = (480, 550, 660, 830), (0.95, 0.45, 0.40, 0.05), 0.5
DARK = 0.01  # the first percentile
QUANTILES = (np.arange(100) + 0.5) / 100  # what each tile tells of a band's distribution
LARGEST_MODULATION = 3.0
LARGEST_GAIN = 3.0  # of PAN's detail in a band, both normalised
LEAST_BRIGHTNESS = 0.1  # of PAN above haze, in its mean: no division by less
STRIP = 32  # rows whose images stay in a core's cache while they are computed
# Pulls the two injection gains together where the scene hardly tells them apart; share of the detail's energy.
RIDGE = 0.03


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
    haze: Float64  # (C,) normalised, below 0: where the bands' reflected light begins
    pan_haze: float  # the same of PAN
    constant_gain: Float64  # (C,) of normalised PAN's detail in the normalised band, everywhere alike
    modulated_gain: Float64  # (C,) the same, in proportion to the band over PAN
    likeness: Float64  # (C,) correlation of each band's detail with PAN's, at the MS resolution


@dataclass(frozen=True)
class Features:
    """One window for the network, float32. base is normalised by band; H and W are the tile's."""

    spatial: Array  # (3, H, W): PAN, its detail, PAN minus the intensity of the bands
    spectral: Array  # (C, 3, H, W): classical base, MS on the PAN grid, PAN's detail in proportion to the band
    conditions: Array  # (C, 10)

    @property
    def base(self) -> Array:
        """(C, H, W) the classical first guess, normalised."""
        return self.spectral[:, 0]

    @property
    def without_injection(self) -> "Features":
        """The same with the MS on the PAN grid as the base, as the paper has it."""
        return Features(self.spatial, self.spectral[:, [1, 1, 1]], self.conditions)


def measure(scene: Scene) -> Statistics:
    """Statistics of a scene, in two streaming passes (the second needs the first one's normalisation).

    Large scenes are sampled: the network needs a scale, not the last digit (docs/benchmarks.md says what it costs).
    """
    gain = float(np.mean(scene.gains))
    sample = True
    parts, shapes = _coarse_pass(scene, gain, sample)
    if sum(part.count for part in parts) < LEAST_SAMPLES:  # most is missing: look everywhere
        sample = False
        parts, shapes = _coarse_pass(scene, gain, sample)
    low = Moments.total(parts)
    scale = np.where(low.std > FLAT * np.abs(low.mean), low.std, 0.0)
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    correlation = low.covariance * np.outer(inverse, inverse)
    weights = np.linalg.pinv(correlation[1:, 1:], rcond=1e-6, hermitian=True) @ correlation[1:, 0]
    haze = (_haze(_dark(shapes, [part.count for part in parts]), scene.wavelengths) - low.mean[1:]) * inverse[1:]
    level = _Level(low.mean, inverse, haze, float(weights @ haze))
    pieces = list(scene.map(lambda tile: _fine(tile, gain, level), HALO, sample))
    detail, laplacian = Moments.total(piece[0] for piece in pieces).std * inverse[0]
    constant, modulated, likeness = _injection(Moments.total(piece[1] for piece in pieces))
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
        haze=haze,
        pan_haze=level.pan_haze,
        constant_gain=constant,
        modulated_gain=modulated,
        likeness=likeness,
    )


def _coarse_pass(scene: Scene, gain: float, sample: bool) -> tuple[list[Moments], list[Float64]]:
    found = list(scene.map(lambda tile: _coarse(tile, gain), HALO, sample))
    return [moments for moments, _ in found], [shape for _, shape in found]


@dataclass(frozen=True)
class _Level:
    """How the first pass normalises the second: PAN first, then the bands."""

    mean: Float64  # (1 + C,) DN
    inverse: Float64  # (1 + C,) of the spread
    haze: Float64  # (C,) normalised
    pan_haze: float


def _coarse(tile: Tile, gain: float) -> tuple[Moments, Float64]:
    """Moments of PAN and the bands at the MS resolution, and the bands' quantiles (C, 100)."""
    samples = tile.ms_samples(tile.degrade(tile.pan, [gain]), tile.ms)
    bands = samples[1:]
    shape = np.quantile(bands, QUANTILES, axis=1).T if bands.size else np.zeros((len(bands), 0))
    return Moments.of(samples), np.asarray(shape, np.float64)


def _dark(shapes: Sequence[Float64], counts: Sequence[int]) -> Float64:
    """(C,) first percentile of the whole scene from the quantiles of its tiles."""
    pooled = np.concatenate(shapes, axis=1)
    if not pooled.size:
        return np.zeros(len(pooled))
    weight = np.repeat(np.array(counts, float), [shape.shape[1] for shape in shapes])
    order = np.argsort(pooled, axis=1, kind="stable")
    below = np.cumsum(weight[order], axis=1) / weight.sum()
    place = (below < DARK).sum(axis=1)
    return np.asarray(np.take_along_axis(pooled, order, axis=1)[np.arange(len(pooled)), place])


def _haze(dark: Float64, wavelengths: Sequence[float | None]) -> Float64:
    """(C,) haze in DN from the dark level: all of it in the blue, hardly any in the infrared."""
    share = [HAZE_SHARE_UNKNOWN if nm is None else np.interp(nm, HAZE_WAVELENGTHS, HAZE_SHARES) for nm in wavelengths]
    return np.asarray(dark - (1 - np.array(share)) * np.abs(dark))


def modulation(bands: Array, pan: Array, haze: Float64, pan_haze: float) -> Array:
    """(C, h, w) band over PAN, each above its haze and relative to its mean: 1 on average, 0 to 3.

    bands (C, h, w), pan (h, w): normalised. 1 throughout where haze is not below the mean.
    """
    if pan_haze > -LEAST_BRIGHTNESS:
        return np.ones_like(bands)
    brightness = np.maximum(1 - pan * np.float32(1 / pan_haze), np.float32(LEAST_BRIGHTNESS))
    np.divide(1, brightness, out=brightness)
    ratio = np.empty_like(bands)
    for band, dark, out in zip(bands, haze, ratio, strict=True):
        if dark > -LEAST_BRIGHTNESS:
            out[:] = 1
        else:
            np.multiply(1 - band * np.float32(1 / dark), brightness, out=out)
    return np.clip(ratio, 0, LARGEST_MODULATION, out=ratio)


def _laplacian(image: Array) -> Array:
    """(..., H, W) four times a pixel less its four neighbours; 0 on the border."""
    out = np.zeros_like(image)
    middle = image[..., 1:-1, 1:-1]
    beside = image[..., :-2, 1:-1] + image[..., 2:, 1:-1] + image[..., 1:-1, :-2] + image[..., 1:-1, 2:]
    np.subtract(4 * middle, beside, out=out[..., 1:-1, 1:-1])
    return out


def _fine(tile: Tile, gain: float, level: _Level) -> tuple[Moments, Moments]:
    """Moments of PAN's detail and Laplacian on the PAN grid; and, normalised at the MS resolution, of the Laplacians
    of PAN, of PAN modulated by each band, and of each band."""
    low = tile.degrade(tile.pan, [gain])
    detail = tile.pan - tile.upsample(low)[0]
    fine = Moments.of(tile.samples(detail, _laplacian(tile.pan)))
    mean, inverse = (part.astype(np.float32)[:, None, None] for part in (level.mean, level.inverse))
    pan, bands = (low[0] - mean[0]) * inverse[0], (tile.ms - mean[1:]) * inverse[1:]
    pan_detail, detail_of_bands = _laplacian(pan), _laplacian(bands)
    # An eighth of the Laplacian taken off: the mean of a pixel and its neighbours, free of the detail itself.
    ratio = modulation(bands - detail_of_bands / 8, pan - pan_detail / 8, level.haze, level.pan_haze)
    return fine, Moments.of(tile.ms_samples(pan_detail, ratio * pan_detail, detail_of_bands))


def _injection(moments: Moments) -> tuple[Float64, Float64, Float64]:
    """Constant and modulated gains and likeness, each (C,), from moments of `_fine`'s second kind."""
    covariance, std = moments.covariance, moments.std
    bands = (len(std) - 1) // 2
    gains, likeness = np.zeros((2, bands)), np.zeros(bands)
    energy = covariance[0, 0]
    if energy <= 0:
        return gains[0], gains[1], likeness
    ridge = RIDGE * energy * np.array([[1, -1], [-1, 1]])
    for k in range(bands):
        regressors, band = [0, 1 + k], 1 + bands + k
        gains[:, k] = np.linalg.pinv(covariance[np.ix_(regressors, regressors)] + ridge) @ covariance[regressors, band]
        if std[band] > 0:
            likeness[k] = covariance[0, band] / (std[0] * std[band])
    return gains[0], gains[1], likeness


def features(tile: Tile, fit: Statistics, margin: int = 0) -> Features:
    """Normalise a window, less `margin` PAN pixels on each side. Approximate within `HALO` MS pixels of its edge."""
    inverse_pan = np.float32(_inverse(fit.pan_std))
    pan = (tile.pan - np.float32(fit.pan_mean)) * inverse_pan
    inverse = np.array([_inverse(std) for std in fit.std], np.float32)
    ms = (tile.ms - fit.mean.astype(np.float32)[:, None, None]) * inverse[:, None, None]
    intensity = np.zeros_like(ms[0])
    for band, weight in zip(ms, fit.weights.astype(np.float32), strict=True):
        intensity += weight * band
    low = tile.degrade(pan, [fit.gain])[0]
    up = tile.upsample(np.concatenate([ms, low[None], intensity[None]]), margin)
    pan = pan[margin : len(pan) - margin, margin : pan.shape[1] - margin]
    spatial = np.empty((SPATIAL, *pan.shape), np.float32)
    spectral = np.empty((len(ms), SPECTRAL, *pan.shape), np.float32)
    for first in range(0, len(pan), STRIP):
        rows = slice(first, first + STRIP)
        _fill_features(pan[rows], up[:, rows], fit, spatial[:, rows], spectral[:, :, rows])
    return Features(spatial, spectral, conditions(fit))


def _fill_features(pan: Array, up: Array, fit: Statistics, spatial: Array, spectral: Array) -> None:
    """The images of some rows, from PAN (h, W) and the bands, degraded PAN and intensity (C + 2, h, W)."""
    inverse_detail = np.float32(_inverse(fit.detail))
    low, intensity = up[-2:]
    spatial[0] = pan
    detail = np.subtract(pan, low, out=spatial[1])
    detail *= inverse_detail
    np.subtract(pan, intensity, out=spatial[2])
    spatial[2] *= inverse_detail
    ratios = modulation(up[:-2], low, fit.haze, fit.pan_haze)
    limit = LARGEST_GAIN * fit.detail
    for k, ratio in enumerate(ratios):
        base, ms, modulated = spectral[k]
        ms[:] = up[k]
        np.multiply(ratio, detail, out=modulated)
        ratio *= np.float32(fit.modulated_gain[k] * fit.detail)
        ratio += np.float32(fit.constant_gain[k] * fit.detail)
        np.clip(ratio, -limit, limit, out=ratio)
        np.multiply(ratio, detail, out=base)
        base += ms


def conditions(fit: Statistics) -> Array:
    """(C, 10) per band: correlation with PAN, explained share, PAN sharpness, wavelength (two terms, known or not),
    both injection gains, likeness of detail, haze."""
    rows = []
    for k, wavelength in enumerate(fit.wavelengths):
        known = wavelength is not None
        place = 0.0 if wavelength is None else (min(wavelength, 1200.0) - 650.0) / 200.0
        rows.append(
            (
                fit.correlation[k],
                fit.explained,
                fit.sharpness,
                place,
                place * place if known else 0.0,
                float(known),
                np.clip(fit.constant_gain[k], -LARGEST_GAIN, LARGEST_GAIN),
                np.clip(fit.modulated_gain[k], -LARGEST_GAIN, LARGEST_GAIN),
                fit.likeness[k],
                max(fit.haze[k], -5.0) / 5,
            )
        )
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
