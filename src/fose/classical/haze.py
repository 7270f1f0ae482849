"""Path radiance (haze) of each band, estimated from the darkest pixels of the scene.

Source: Lolli, Alparone, Garzelli and Vivone (2017), "Haze correction for contrast-based multispectral pansharpening",
GRSL 14(12); Garzelli, Aiazzi, Alparone, Lolli and Vivone (2018), Remote Sensing 10(8).
"""

import numpy as np

from fose.classical.statistics import Vector
from fose.sharpener import Array, Scene, Tile

PERCENTILE = 1.0
SAMPLE_LIMIT = 1 << 22  # PAN pixels kept for percentiles; above it, every n-th

# Share of the first percentile that is haze, by band centre (nm): shorter waves scatter more.
_SHARES = {(400.0, 515.0): 0.95, (515.0, 600.0): 0.45, (600.0, 700.0): 0.40, (740.0, 1100.0): 0.05}


def haze(scene: Scene, pixels: int) -> Vector:
    """(C,) haze in DN of a scene with so many valid PAN pixels, from upsampled MS.

    Four bands that are blue, green, red and near infrared, in any order: their shares .95 .45 .40 .05 of the first
    percentile. Any others, or unknown wavelengths: the minimum of each band.
    Percentiles take all pixels up to `SAMPLE_LIMIT`, beyond it a fixed stride inside each tile.
    """
    if pixels == 0:
        return np.zeros(scene.bands)
    shares = band_shares(scene.wavelengths)
    if shares is None:
        minima = scene.map(lambda tile: tile.samples(tile.ms_up).min(axis=1, initial=np.inf))
        return np.asarray(np.min(list(minima), axis=0))
    stride = -(-pixels // SAMPLE_LIMIT)

    def pick(tile: Tile) -> Array:
        return tile.samples(tile.ms_up)[:, ::stride].astype(tile.pan.dtype)

    sample = np.concatenate(list(scene.map(pick)), axis=1)
    return np.asarray(shares * np.percentile(sample, PERCENTILE, axis=1, method="hazen"))  # hazen: MATLAB's rule


def band_shares(wavelengths: tuple[float | None, ...]) -> Vector | None:
    """Haze share of each band when the bands are blue, green, red and near infrared, in any order; else None."""
    ranges = [_range(wavelength) for wavelength in wavelengths if wavelength is not None]
    if len(wavelengths) != len(_SHARES) or set(ranges) != set(_SHARES):
        return None
    return np.array([_SHARES[key] for key in ranges if key is not None])


def _range(wavelength: float) -> tuple[float, float] | None:
    return next((key for key in _SHARES if key[0] <= wavelength < key[1]), None)
