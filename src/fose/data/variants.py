"""Samples from sources: crop, degrade and spoil one image as a sensor might have.

Real pairs follow Wald's protocol: PAN brought to the MS grid, MS degraded further, the MS itself as target. Since
PAN then lies on the MS grid, any ratio is possible. Multi-band images without PAN become a made-up sensor: PAN is a
leaky positive mix of bands. docs/data.md says what is varied and why.

Geometry: the target's pixel i has index i. An MS pixel j is centred at ``phase + ratio / 2 - 1/2 + ratio * j`` on
both axes, to the sub-pixel, whatever the crop. Only what the sample needs is read and degraded.
"""

from dataclasses import dataclass, replace
from math import floor

import numpy as np
from numpy.typing import NDArray

from fose.data.crops import Point, Rng, View, place, read_resampled, shrunk, spare, turned, with_context
from fose.data.sample import Array, Sample
from fose.data.settings import Settings
from fose.data.simulated import pan_mix, radiometry, softened, through_optics, widened, with_objects
from fose.data.sources import Pixels, Source
from fose.errors import InputError
from fose.ops.mtf import gaussian_sigma
from fose.ops.resample import AxisMap, gaussian, resample
from fose.sensor_table import GENERIC_GAIN, GENERIC_PAN_GAIN

MS_GAIN = (0.18, 0.42)  # true MTF gains at the MS Nyquist frequency
PAN_GAIN = (0.08, 0.55)  # true MTF gain of a real PAN brought to the MS grid: from blurred to slightly aliased
PAN_SIGMA = (0.0, 0.75)  # pixels: optics of a made-up PAN
SOFT_GAIN = (0.2, 0.7)  # MTF gain of a made-up sensor's bands at their own Nyquist frequency


@dataclass(frozen=True)
class _Fine:
    """PAN and the sharp bands before the MS is degraded."""

    pan: Array  # (H, W)
    bands: Array  # (C, H + 2 margin, W + 2 margin)
    wavelengths: tuple[float | None, ...]
    margin: int

    @property
    def target(self) -> Array:
        """(C, H, W), without the context."""
        height, width = self.pan.shape
        return self.bands[:, self.margin : self.margin + height, self.margin : self.margin + width]


def variant(source: Source, rng: Rng, settings: Settings) -> Sample:
    """One sample from a source, random but for the state of `rng`.

    Target sides are multiples of four MS pixels, between `settings.least` and `settings.size`.
    InputError where the source is too small.
    """
    ratio = _ratio(source, rng, settings)
    view = turned(source, rng)
    if view.pan is None:
        fine = _made_up(view.ms, known_wavelengths(source), ratio, rng, settings)
    else:
        fine = _wald(view, view.pan, source, ratio, rng, settings)
    chosen = _subset(len(fine.bands), rng) if settings.subsets else np.arange(len(fine.bands))
    anonymous = rng.random() < settings.anonymous_probability
    wavelengths = tuple(None if anonymous else fine.wavelengths[band] for band in chosen)
    fine = replace(fine, bands=fine.bands[chosen], wavelengths=wavelengths)
    phase = _phase(ratio, rng)
    gains = _true_gains(len(chosen), rng)
    pan, ms = fine.pan, _low_resolution(fine, ratio, phase, gains, rng, settings)
    if rng.random() < settings.noise_probability:
        pan, ms = _noisy(pan, rng, settings), _noisy(ms, rng, settings)
    return Sample(
        pan=_whole_numbers(pan),
        ms=_whole_numbers(ms),
        target=np.ascontiguousarray(fine.target),
        ratio=float(ratio),
        phase=phase,
        gains=_declared(gains, rng),
        pan_gain=GENERIC_PAN_GAIN,
        wavelengths=fine.wavelengths,
        name=source.name,
    )


def _ratio(source: Source, rng: Rng, settings: Settings) -> int:
    size = source.ms.shape[1:]
    possible = [ratio for ratio in settings.ratios if spare(size, ratio, settings.least) >= 1]
    if not possible:
        raise InputError(
            f"{source.name}: expected an image that holds targets of {settings.least} pixels a side with their "
            f"surroundings at one of the ratios {settings.ratios}, found {size[0]}x{size[1]} pixels"
        )
    return int(rng.choice(possible))


def is_flat(sample: Sample, least: float) -> bool:
    """Whether some band of the target hardly varies: a standard deviation below `least` DN teaches rounding only."""
    return bool((sample.target.std(axis=(1, 2)) < least).any())


def _wald(view: View, pan: Pixels, source: Source, ratio: int, rng: Rng, settings: Settings) -> _Fine:
    """A real pair: PAN brought to the MS grid by its own ratio, somewhat off it."""
    pan_ratio = source.ratio
    crop = place(view.ms.shape[1:], ratio, settings.size, rng)
    kernel = gaussian(gaussian_sigma(rng.uniform(*PAN_GAIN), pan_ratio))
    rows, cols = (
        AxisMap(corner + pan_ratio * (first + 0.5) - 0.5, pan_ratio).shifted(-moved)
        for corner, first, moved in zip(view.phase, crop.first, _pan_shift(rng, settings), strict=True)
    )
    low = read_resampled(pan[None], crop.shape, (rows, cols), kernel)[0]
    return _Fine(low, with_context(view.ms, crop), source.wavelengths, crop.margin)


def known_wavelengths(source: Source) -> tuple[float, ...]:
    """The wavelengths of a multi-band image, nm; InputError where one is not known, since PAN is made by them."""
    known = tuple(nm for nm in source.wavelengths if nm is not None)
    if len(known) != len(source.wavelengths):
        raise InputError(f"{source.name}: expected a wavelength for each band, found {source.wavelengths}")
    return known


def _made_up(image: Pixels, wavelengths: tuple[float, ...], ratio: int, rng: Rng, settings: Settings) -> _Fine:
    """A made-up sensor's view of a multi-band image, which is mostly shrunk, up to twice, to sharpen its spectrum."""
    room = spare(image.shape[1:], ratio, settings.least)
    shrink = rng.uniform(1, min(room, 2)) if rng.random() < settings.shrink_probability else 1.0
    crop = place(tuple(floor(size / shrink + 1e-9) for size in image.shape[1:]), ratio, settings.size, rng)
    bands = with_context(image, crop) if shrink == 1 else shrunk(image, crop, shrink)
    seen = len(bands)  # by the MS; PAN sees all
    if seen == 4 and rng.random() < settings.wide_probability + settings.hidden_probability:
        bands, wavelengths = widened(bands, wavelengths, rng)
        if rng.random() * (settings.wide_probability + settings.hidden_probability) < settings.wide_probability:
            seen = len(bands)
    bands, full = radiometry(bands, wavelengths, rng)
    if rng.random() < settings.object_probability:
        bands = with_objects(bands, full, rng)
    mixed = pan_mix(bands, wavelengths, rng, settings)
    bands, wavelengths = bands[:seen], wavelengths[:seen]
    if rng.random() < settings.soft_probability:
        bands = softened(bands, rng.uniform(*SOFT_GAIN))
    pan = through_optics(mixed, crop, _pan_shift(rng, settings), rng.uniform(*PAN_SIGMA))
    gain, offset = rng.uniform(0.6, 1.4), rng.uniform(0, 0.05) * full
    return _Fine(gain * pan + offset, bands, wavelengths, crop.margin)


def _pan_shift(rng: Rng, settings: Settings) -> Point:
    """How far PAN's content lies from where the grid says, PAN pixels (down, right)."""
    if rng.random() >= settings.shift_probability:
        return 0.0, 0.0
    rows, cols = rng.uniform(-settings.shift, settings.shift, 2)
    return float(rows), float(cols)


def _subset(count: int, rng: Rng) -> NDArray[np.intp]:
    """Some of `count` bands in random order: one in 4 % of the samples, two in 6 %, three or more in 30 %, else all."""
    draw = rng.random()
    least = min(3, count)
    some = int(rng.integers(least, count + 1))
    size = 1 if draw < 0.04 else min(2, count) if draw < 0.1 else some if draw < 0.4 else count
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


def _true_gains(count: int, rng: Rng) -> NDArray[np.float64]:
    """MTF gains of the bands: alike, with a little scatter."""
    return np.clip(rng.uniform(0.2, 0.4) + rng.normal(0, 0.03, count), *MS_GAIN)


def _low_resolution(
    fine: _Fine, ratio: int, phase: Point, gains: NDArray[np.float64], rng: Rng, settings: Settings
) -> Array:
    """(C, h, w): each band blurred by its own MTF and sampled at the phase, some a little off it."""
    moved = np.zeros((len(gains), 2))
    if rng.random() < settings.band_shift_probability:
        moved = rng.normal(0, settings.band_shift, moved.shape)
    height, width = fine.pan.shape
    window = slice(0, height // ratio), slice(0, width // ratio)
    corners = np.asarray(phase) + ratio / 2 - 0.5 - moved
    low = [
        resample(
            band,
            (-fine.margin, -fine.margin),
            window,
            (AxisMap(row, ratio), AxisMap(col, ratio)),
            gaussian(gaussian_sigma(float(gain), ratio)),
        )
        for band, gain, (row, col) in zip(fine.bands, gains, corners, strict=True)
    ]
    return np.stack(low)


def _whole_numbers(image: Array) -> Array:
    """DN as a sensor delivers them: integers, not negative."""
    return np.maximum(np.rint(image), 0).astype(np.float32)


def _noisy(image: Array, rng: Rng, settings: Settings) -> Array:
    """White noise of a random share of each band's spread."""
    level = rng.uniform(0, settings.noise) * image.std(axis=(-2, -1), keepdims=True)
    return np.asarray(image + level * rng.standard_normal(image.shape, dtype=np.float32), np.float32)


def _declared(gains: NDArray[np.float64], rng: Rng) -> Array:
    """What the method is told: half the time the usual gain, else what a sensor table might say."""
    if rng.random() < 0.5:
        return np.full(len(gains), GENERIC_GAIN, np.float32)
    return np.clip(gains + rng.normal(0, 0.03, len(gains)), 0.15, 0.45).astype(np.float32)
