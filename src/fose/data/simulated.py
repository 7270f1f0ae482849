"""A made-up sensor: its bands, its digital numbers, its PAN as a leaky mix of bands, its optics."""

import numpy as np
from scipy.ndimage import gaussian_filter

from fose.data.crops import Crop, Point, Rng
from fose.data.sample import Array
from fose.data.settings import Settings
from fose.ops.resample import KERNELS, AxisMap, gaussian, resample

BITS = (8, 10, 11, 11, 12, 16)
PAN_NIR = (0.1, 2.0, 4.0)  # Dirichlet weight of the infrared in PAN: Landsat 8, the usual, IKONOS and QuickBird
NIR, BLUE = 700.0, 500.0  # nm: infrared begins, blue ends
MOVING = KERNELS["lanczos6"]  # moves PAN without blurring it
LEAST_SIGMA = 0.2  # pixels: such a Gaussian is one pixel wide


HAZE = 1.0  # at most, of a blue band's mean
# Bands of wider sensors between and beyond blue, green, red and infrared: centre (nm), shares of those four.
WIDE = {
    427.0: (1.15, -0.15, 0.0, 0.0),
    608.0: (0.0, 0.5, 0.5, 0.0),
    724.0: (0.0, 0.0, 0.5, 0.5),
    949.0: (0.0, 0.0, -0.05, 1.05),
}


def widened(work: Array, wavelengths: tuple[float, ...], rng: Rng) -> tuple[Array, tuple[float, ...]]:
    """Four bands (4, H, W), blue to infrared, and the four that WorldView-2 has besides, bent to be no mixture."""
    peak = max(float(work.max()), 1.0)
    made = [work]
    for shares in WIDE.values():
        varied = np.array(shares) * rng.uniform(0.8, 1.2, 4)
        mixed = np.maximum(np.tensordot((varied / varied.sum()).astype(np.float32), work, 1), 0)
        made.append((peak * (mixed / peak) ** np.float32(rng.uniform(0.85, 1.15)))[None])
    return np.concatenate(made), (*wavelengths, *WIDE)


def radiometry(work: Array, wavelengths: tuple[float, ...], rng: Rng) -> tuple[Array, float]:
    """The image in another sensor's DN, each band with its own gain; haze falls with wavelength; and its full scale."""
    bands = (len(work), 1, 1)
    changed = work * rng.uniform(0.7, 1.3, bands)
    scatter = (480 / np.array(wavelengths)) ** 3 * rng.uniform(0.7, 1.3, len(work))
    changed += rng.uniform(0, HAZE) * changed.mean(axis=(1, 2), keepdims=True) * scatter[:, None, None]
    full = 2.0 ** int(rng.choice(BITS)) - 1
    return np.asarray(changed * (full * rng.uniform(0.4, 1.0) / changed.max()), np.float32), full


def with_objects(bands: Array, full: float, rng: Rng) -> Array:
    """Flat rectangles and ellipses, brighter or darker than all else, up to saturation: roofs, clouds, shadows.

    Their edges are the sharpest that a sensor sees, and rare in the images that samples are made from.
    """
    rows, cols = np.mgrid[: bands.shape[1], : bands.shape[2]].astype(np.float32)
    for _ in range(int(rng.integers(1, 6))):
        angle, (up, left) = rng.uniform(0, np.pi), rng.uniform(0, bands.shape[1:])
        along = (rows - up) * np.cos(angle) + (cols - left) * np.sin(angle)
        across = (cols - left) * np.cos(angle) - (rows - up) * np.sin(angle)
        sides = np.exp(rng.uniform(np.log(2), np.log(bands.shape[1] / 3), 2))
        round_one = rng.random() < 0.3
        reach = np.hypot(along / sides[0], across / sides[1])
        inside = reach < 1 if round_one else np.maximum(abs(along) / sides[0], abs(across) / sides[1]) < 1
        cover = gaussian_filter(inside.astype(np.float32), rng.uniform(0.2, 1.0))
        bright = rng.random() < 0.75
        level = full * rng.uniform(0.3, 1.5) if bright else float(bands.min()) * rng.uniform(0.2, 1.0)
        colour = (level * rng.uniform(0.7, 1.3, len(bands))).astype(np.float32)[:, None, None]
        bands = bands + cover * (colour - bands)
    return np.minimum(bands, np.float32(full))


def softened(bands: Array, gain: float) -> Array:
    """The bands as optics of that MTF gain at Nyquist would show them: no sensor's pixels are as sharp as can be."""
    sigma = float(np.sqrt(-2 * np.log(gain)) / np.pi)
    return np.asarray(gaussian_filter(bands, (0, sigma, sigma), mode="nearest"))


def pan_mix(work: Array, wavelengths: tuple[float, ...], rng: Rng, settings: Settings) -> Array:
    """(H, W) PAN before its optics: bands in random positive shares that drift slowly across the image."""
    nir = rng.choice(PAN_NIR)
    strength = [nir if nm > NIR else 1.0 if nm < BLUE else 2.0 for nm in wavelengths]
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
