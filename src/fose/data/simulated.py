"""A made-up sensor: its digital numbers, its PAN as a leaky mix of bands, its optics."""

import numpy as np

from fose.data.crops import Crop, Point, Rng
from fose.data.sample import Array
from fose.data.settings import Settings
from fose.ops.resample import KERNELS, AxisMap, gaussian, resample

BITS = (8, 10, 11, 11, 12, 16)
PAN_NIR = (0.1, 2.0, 4.0)  # Dirichlet weight of the infrared in PAN: Landsat 8, the usual, IKONOS and QuickBird
NIR, BLUE = 700.0, 500.0  # nm: infrared begins, blue ends
MOVING = KERNELS["lanczos6"]  # moves PAN without blurring it
LEAST_SIGMA = 0.2  # pixels: such a Gaussian is one pixel wide


def radiometry(work: Array, rng: Rng) -> tuple[Array, float]:
    """The image in another sensor's DN, each band with its own gain and haze; and that sensor's full scale."""
    bands = (len(work), 1, 1)
    peak = max(float(work.max()), 1.0)
    changed = work * rng.uniform(0.7, 1.3, bands) + peak * rng.uniform(0, 0.15, bands)
    full = 2.0 ** int(rng.choice(BITS)) - 1
    return np.asarray(changed * (full * rng.uniform(0.4, 1.0) / changed.max()), np.float32), full


def pan_mix(work: Array, wavelengths: tuple[float | None, ...], rng: Rng, settings: Settings) -> Array:
    """(H, W) PAN before its optics: bands in random positive shares that drift slowly across the image."""
    nir = rng.choice(PAN_NIR)
    strength = [2.0 if nm is None else nir if nm > NIR else 1.0 if nm < BLUE else 2.0 for nm in wavelengths]
    shares = rng.dirichlet(strength).astype(np.float32)[:, None, None]
    pan = np.sum(shares * (1 + settings.field * _smooth_field(work.shape, rng)) * work, axis=0)
    if settings.nonlinearity and rng.random() < 1 / 3:
        level = max(float(pan.max()), 1.0)
        exponent = 1 + rng.uniform(-settings.nonlinearity, settings.nonlinearity)
        pan = level * (pan / level) ** np.float32(exponent)
    return np.asarray(pan, np.float32)


def _smooth_field(shape: tuple[int, ...], rng: Rng) -> Array:
    """(C, H, W) float32 noise that changes over a third of the image, mostly within 1 of zero."""
    coarse = rng.uniform(-1, 1, (shape[0], 5, 5)).astype(np.float32)
    axes = [AxisMap(0.5, 3 / size) for size in shape[1:]]
    return resample(coarse, (0, 0), (slice(0, shape[1]), slice(0, shape[2])), (axes[0], axes[1]), KERNELS["cubic"])


def through_optics(mixed: Array, crop: Crop, shift: Point, sigma: float) -> Array:
    """(H, W) PAN of the crop, blurred by a Gaussian of `sigma` pixels and moved by `shift` pixels (down, right).

    mixed: (H + 2 margin, W + 2 margin), PAN with its context.
    """
    still = AxisMap(0, 1)
    whole = slice(-crop.margin, crop.shape[0] + crop.margin), slice(-crop.margin, crop.shape[1] + crop.margin)
    if shift != (0.0, 0.0):
        mixed = resample(mixed, crop.origin, whole, (still.shifted(-shift[0]), still.shifted(-shift[1])), MOVING)
    return resample(mixed, crop.origin, crop.window, (still, still), gaussian(max(sigma, LEAST_SIGMA)))
