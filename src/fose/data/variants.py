"""Samples from sources: crop, degrade and spoil one image as a sensor might have.

Real pairs follow Wald's protocol: PAN brought to the MS grid, MS degraded further, the MS itself as target. Since
PAN then lies on the MS grid, any ratio is possible. Multi-band images without PAN become a made-up sensor: PAN is a
leaky positive mix of bands. docs/data.md says what is varied and why.

Geometry: the target's pixel i has index i. An MS pixel j is centred at ``phase + ratio / 2 - 1/2 + ratio * j`` on
both axes, to the sub-pixel, whatever the crop. Only what the sample needs is read and degraded.
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from fose.data.sample import Array, Sample
from fose.data.sources import Pixels, Source
from fose.errors import InputError
from fose.ops.mtf import gaussian_sigma
from fose.ops.resample import KERNELS, AxisMap, Kernel, gaussian, resample
from fose.sensor_table import GENERIC_GAIN, GENERIC_PAN_GAIN

Rng = np.random.Generator
Point = tuple[float, float]

RATIOS = (2, 3, 4, 4, 4, 5, 6)
BITS = (8, 10, 11, 11, 12, 16)
PAN_NIR = (0.1, 2.0, 4.0)  # Dirichlet weight of the infrared in PAN: Landsat 8, the usual, IKONOS and QuickBird
LEAST_SHARP_PAN = 0.25  # pixels: a Gaussian below this sigma is one pixel wide
NIR, BLUE = 700.0, 500.0  # nm: infrared begins, blue ends


@dataclass(frozen=True)
class Settings:
    """How strongly samples are varied; the defaults train, zeros give pure degradation."""

    size: int = 256  # largest side of a target, pixels
    least: int = 96  # side that softer images keep when they are shrunk, pixels
    ratios: tuple[int, ...] = RATIOS
    shift_probability: float = 0.5  # of PAN lying off the declared grid
    shift: float = 0.5  # at most so many PAN pixels on each axis
    band_shift_probability: float = 0.3  # of MS bands lying off each other
    band_shift: float = 0.1  # standard deviation, PAN pixels
    noise_probability: float = 0.5
    noise: float = 0.02  # at most, in standard deviations of a band
    nonlinearity: float = 0.15  # PAN's largest exponent off 1, in one sample of three
    field: float = 0.06  # largest relative change of PAN's band weights across the image
    subsets: bool = True  # some of the bands in any order; else all as stored


@dataclass(frozen=True)
class _View:
    """A source seen from one of eight sides: arrays are views, the phase follows."""

    ms: Pixels
    pan: Pixels | None
    phase: Point


@dataclass(frozen=True)
class _Crop:
    """A target's place in an image: first pixel (row, column), side lengths, and context kept around it, in pixels."""

    first: tuple[int, int]
    shape: tuple[int, int]
    margin: int

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(0, self.shape[0]), slice(0, self.shape[1])


def variant(source: Source, rng: Rng, settings: Settings) -> Sample:
    """One sample from a source, random but for the state of `rng`.

    Target sides are multiples of four MS pixels, at most `settings.size`. InputError where the source is too small.
    """
    ratio = int(rng.choice(settings.ratios))
    view = _turned(source, rng)
    if source.pan is None:
        target, pan, work, margin = _simulated(source, view, ratio, rng, settings)
    else:
        target, pan, work, margin = _wald(source, view, ratio, rng, settings)
    bands = _subset(len(target), rng) if settings.subsets else np.arange(len(target))
    target, work = target[bands], work[bands]
    phase = _phase(ratio, rng)
    common = rng.uniform(0.2, 0.4)
    gains = np.clip(common + rng.normal(0, 0.03, len(bands)), 0.18, 0.42)
    ms = _low_resolution(work, margin, target.shape[1:], ratio, phase, gains, rng, settings)
    if rng.random() < settings.noise_probability:
        pan, ms = _noisy(pan, rng, settings), _noisy(ms, rng, settings)
    return Sample(
        pan=np.maximum(np.rint(pan), 0).astype(np.float32),
        ms=np.maximum(np.rint(ms), 0).astype(np.float32),
        target=np.asarray(target, np.float32),
        ratio=float(ratio),
        phase=phase,
        gains=_declared(gains, rng),
        pan_gain=GENERIC_PAN_GAIN,
        wavelengths=tuple(source.wavelengths[band] for band in bands),
        name=source.name,
    )


def _turned(source: Source, rng: Rng) -> _View:
    """One of the eight flips and quarter turns."""
    ms, pan = source.ms, source.pan
    corner = list(source.phase)
    for axis in (0, 1):
        if rng.random() < 0.5:
            ms = np.flip(ms, axis + 1)
            if pan is not None:
                corner[axis] = pan.shape[axis] - source.ratio * ms.shape[axis + 1] - corner[axis]
                pan = np.flip(pan, axis)
    if rng.random() < 0.5:
        ms, corner = ms.transpose(0, 2, 1), corner[::-1]
        pan = None if pan is None else pan.T
    return _View(ms, pan, (corner[0], corner[1]))


def _crop(available: tuple[int, ...], ratio: int, rng: Rng, settings: Settings) -> _Crop:
    """A random place for a target of whole 4 x 4 MS pixels, with two MS pixels of context where the image has them."""
    margin, unit = 2 * ratio, 4 * ratio
    shape = [min(settings.size, size - 2 * margin) // unit * unit for size in available]
    if min(shape) <= 0:
        raise InputError(f"expected an image of more than {unit + 2 * margin} pixels a side, found {available}")
    first = [int(rng.integers(margin, size - margin - n + 1)) for size, n in zip(available, shape, strict=True)]
    return _Crop((first[0], first[1]), (shape[0], shape[1]), margin)


def _wald(source: Source, view: _View, ratio: int, rng: Rng, settings: Settings) -> tuple[Array, Array, Array, int]:
    """Target, PAN, and the target with its context, from a real pair: PAN degraded onto the MS grid."""
    assert view.pan is not None
    crop = _crop(view.ms.shape[1:], ratio, rng, settings)
    work = _with_context(view.ms, crop)
    sigma = gaussian_sigma(rng.uniform(0.08, 0.55), source.ratio)
    shift = _pan_shift(rng, settings)
    axes = [
        AxisMap(corner + source.ratio * (first + 0.5) - 0.5, source.ratio).shifted(-moved)
        for corner, first, moved in zip(view.phase, crop.first, shift, strict=True)
    ]
    pan = _read_resampled(view.pan[None], crop.shape, (axes[0], axes[1]), gaussian(sigma))[0]
    return _inside(work, crop), pan, work, crop.margin


def _simulated(
    source: Source, view: _View, ratio: int, rng: Rng, settings: Settings
) -> tuple[Array, Array, Array, int]:
    """Target, PAN, and the target with its context, from a multi-band image, shrunk up to twice to sharpen it."""
    room = min(view.ms.shape[1:]) / (settings.least + 4 * ratio)
    shrink = rng.uniform(1, min(max(room, 1.0), 2.0)) if rng.random() < 0.7 else 1.0
    crop = _crop(tuple(floor(size / shrink) for size in view.ms.shape[1:]), ratio, rng, settings)
    work = _with_context(view.ms, crop) if shrink == 1 else _shrunk(view.ms, crop, shrink)
    work, full = _radiometry(work, rng)
    mixed = _mix(work, source.wavelengths, rng, settings)
    moved = _moved_pan(mixed, crop, _pan_shift(rng, settings), rng.uniform(0, 0.7))
    gain, offset = rng.uniform(0.6, 1.4), rng.uniform(0, 0.05) * full
    return _inside(work, crop), gain * moved + offset, work, crop.margin


def _with_context(image: Pixels, crop: _Crop) -> Array:
    rows, cols = (
        slice(first - crop.margin, first + n + crop.margin) for first, n in zip(crop.first, crop.shape, strict=True)
    )
    return np.asarray(image[:, rows, cols], np.float32)


def _inside(work: Array, crop: _Crop) -> Array:
    m = crop.margin
    return work[:, m : m + crop.shape[0], m : m + crop.shape[1]]


def _shrunk(image: Pixels, crop: _Crop, factor: float) -> Array:
    """The crop with its context from an image made `factor` times smaller, without aliasing, never negative."""
    lanczos = KERNELS["lanczos"]
    kernel = Kernel("shrink", lanczos.radius * factor, lambda t: lanczos.weight(t / factor))
    axes = [AxisMap(factor * (first - crop.margin + 0.5) - 0.5, factor) for first in crop.first]
    shape = (crop.shape[0] + 2 * crop.margin, crop.shape[1] + 2 * crop.margin)
    return np.maximum(_read_resampled(image, shape, (axes[0], axes[1]), kernel), 0)


def _read_resampled(image: Pixels, shape: tuple[int, int], axes: tuple[AxisMap, AxisMap], kernel: Kernel) -> Array:
    """Resample (C, H, W) onto `shape` outputs from index 0, converting only the pixels that are needed."""
    reach = ceil(kernel.radius) + 1
    spans = [
        (max(0, floor(axis.start) - reach), min(size, ceil(float(axis.position(n - 1))) + reach + 1))
        for axis, n, size in zip(axes, shape, image.shape[1:], strict=True)
    ]
    part = np.asarray(image[:, slice(*spans[0]), slice(*spans[1])], np.float32)
    return resample(part, (spans[0][0], spans[1][0]), (slice(0, shape[0]), slice(0, shape[1])), axes, kernel)


def _radiometry(work: Array, rng: Rng) -> tuple[Array, float]:
    """The image in another sensor's DN, each band with its own gain and haze; and that sensor's full scale."""
    bands = (len(work), 1, 1)
    peak = max(float(work.max()), 1.0)
    changed = work * rng.uniform(0.7, 1.3, bands) + peak * rng.uniform(0, 0.15, bands)
    full = 2.0 ** int(rng.choice(BITS)) - 1
    return np.asarray(changed * (full * rng.uniform(0.4, 1.0) / changed.max()), np.float32), full


def _mix(work: Array, wavelengths: tuple[float | None, ...], rng: Rng, settings: Settings) -> Array:
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


def _pan_shift(rng: Rng, settings: Settings) -> Point:
    """How far PAN's content lies from where the grid says, PAN pixels (down, right)."""
    if rng.random() >= settings.shift_probability:
        return 0.0, 0.0
    rows, cols = rng.uniform(-settings.shift, settings.shift, 2)
    return float(rows), float(cols)


def _moved_pan(mixed: Array, crop: _Crop, shift: Point, sigma: float) -> Array:
    """PAN of the crop after its optics (a Gaussian of `sigma` pixels) and a shift."""
    origin = (-crop.margin, -crop.margin)
    height, width = mixed.shape
    window = slice(origin[0], origin[0] + height), slice(origin[1], origin[1] + width)
    if shift != (0.0, 0.0):
        axes = AxisMap(-shift[0], 1), AxisMap(-shift[1], 1)
        mixed = resample(mixed, origin, window, axes, KERNELS["lanczos6"])
    if sigma < LEAST_SHARP_PAN:
        return _inside(mixed[None], crop)[0]
    return resample(mixed, origin, crop.window, (AxisMap(0, 1), AxisMap(0, 1)), gaussian(sigma))


def _subset(count: int, rng: Rng) -> NDArray[np.intp]:
    """Some of `count` bands in random order: one in 5 % of the samples, two in 10 %, else three or more."""
    draw = rng.random()
    least = min(3, count)
    size = 1 if draw < 0.05 else min(2, count) if draw < 0.15 else int(rng.integers(least, count + 1))
    return np.asarray(rng.permutation(count)[:size])


def _phase(ratio: int, rng: Rng) -> Point:
    """Where the MS corner lies: on PAN's corner, half a pixel late as in public toolboxes, or anywhere near."""
    draw = rng.random()
    if draw < 0.3:
        return 0.0, 0.0
    if draw < 0.4:
        return 0.5, 0.5
    rows, cols = rng.uniform(-ratio / 2, ratio / 2, 2)
    return float(rows), float(cols)


def _low_resolution(
    work: Array,
    margin: int,
    shape: tuple[int, ...],
    ratio: int,
    phase: Point,
    gains: NDArray[np.float64],
    rng: Rng,
    settings: Settings,
) -> Array:
    """(C, h, w): each band blurred by its own MTF and sampled at the phase, some a little off it."""
    moved = np.zeros((len(work), 2))
    if rng.random() < settings.band_shift_probability:
        moved = rng.normal(0, settings.band_shift, moved.shape)
    window = slice(0, shape[0] // ratio), slice(0, shape[1] // ratio)
    corner = np.asarray(phase) + ratio / 2 - 0.5
    return np.stack(
        [
            resample(
                band,
                (-margin, -margin),
                window,
                (AxisMap(corner[0] - rows, ratio), AxisMap(corner[1] - cols, ratio)),
                gaussian(gaussian_sigma(float(gain), ratio)),
            )
            for band, gain, (rows, cols) in zip(work, gains, moved, strict=True)
        ]
    )


def _noisy(image: Array, rng: Rng, settings: Settings) -> Array:
    """White noise of a random share of each band's spread."""
    level = rng.uniform(0, settings.noise) * image.std(axis=(-2, -1), keepdims=True)
    return image + level * rng.standard_normal(image.shape, dtype=np.float32)


def _declared(gains: NDArray[np.float64], rng: Rng) -> Array:
    """What the method is told: half the time the usual gain, else what a sensor table might say."""
    if rng.random() < 0.5:
        return np.full(len(gains), GENERIC_GAIN, np.float32)
    return np.clip(gains + rng.normal(0, 0.03, len(gains)), 0.15, 0.45).astype(np.float32)


def is_flat(sample: Sample, least: float) -> bool:
    """Whether some band of the target hardly varies: a standard deviation below `least` DN teaches rounding only."""
    return bool((sample.target.std(axis=(1, 2)) < least).any())
