"""A scene held in memory that follows the conventions of the public toolboxes, to reproduce published figures.

The methods are the same as on a scene; only the operators differ. One tile, the whole image, float64.
Sources: Vivone et al. (2015), TGRS 53(5), and Vivone et al. (2021), GRSM 9(1).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fose.classical import low_resolution
from fose.errors import InputError
from fose.ops import reference as ops
from fose.ops.mtf import mtf_kernel
from fose.sensors import Guess
from fose.sharpener import Array, Tile, stack

T = TypeVar("T")
Float64 = NDArray[np.float64]

# The toolboxes take four bands for blue, green, red and near infrared; nanometres.
_FOUR_BANDS = (480.0, 545.0, 660.0, 830.0)


class ReferenceTile:
    """The whole image as one `fose.sharpener.Tile` with the toolboxes' operators."""

    def __init__(self, pan: Array, ms: Array, ratio: int) -> None:
        self.pan: Float64 = np.asarray(pan, dtype=np.float64)
        self.ms: Float64 = np.asarray(ms, dtype=np.float64)
        self.ratio: int = ratio
        self.origin = (0, 0)

    @cached_property
    def ms_up(self) -> Float64:
        """(C, H, W) MS upsampled by the 23-tap interpolator, circular borders."""
        return self.upsample(self.ms)

    def upsample(self, image: Array, margin: int = 0) -> Float64:
        """Upsample (..., h, w) by the 23-tap interpolator, circular borders, less a margin."""
        up = ops.interpolate23(image, self.ratio)
        rows, cols = (slice(margin, size - margin) for size in up.shape[-2:])
        return up[..., rows, cols]

    def degrade(self, image: Array, gains: Sequence[float] | Array) -> Float64:
        """Filter (H, W) by each unnormalised 41x41 kernel, edges repeated, decimate: (len(gains), h, w)."""
        low = {gain: self._degrade(image, gain) for gain in sorted({float(gain) for gain in gains})}
        return np.stack([low[float(gain)] for gain in gains])

    def _degrade(self, image: Array, gain: float) -> Array:
        return ops.decimate(ops.filter_replicate(image, mtf_kernel(gain, self.ratio)), self.ratio)

    def blur_ms(self, image: Array, gains: Sequence[float] | Array) -> Float64:
        """Filter (C, h, w) band by band by the unnormalised 41x41 kernels, edges repeated."""
        return ops.mtf_filter(image, gains, self.ratio)

    def core(self, image: Array) -> Array:
        """The image itself: the tile has no halo."""
        return image

    def samples(self, *images: Array) -> Float64:
        """All pixels of (H, W) and (C, H, W) images: (channels, H W)."""
        stacked = stack(images)
        return stacked.reshape(len(stacked), -1).astype(np.float64, copy=False)

    def ms_samples(self, *images: Array) -> Float64:
        """All pixels of (h, w) and (C, h, w) images: (channels, h w)."""
        return self.samples(*images)


class ReferenceScene:
    """A `fose.sharpener.Scene` of one `ReferenceTile`.

    pan: (H, W), DN. ms: (C, h, w), DN, with H = ratio h and W = ratio w, ratio 2, 4, 8...
    gains: MTF gain of each band at its Nyquist frequency, or one for all. pan_gain: that of PAN there.
    wavelengths: band centres in nanometres; four bands are blue, green, red, near infrared unless given.
    Raises InputError when shapes do not belong together or the ratio is not a power of two.
    """

    def __init__(
        self,
        pan: Array,
        ms: Array,
        gains: Sequence[float] | Array | float = 0.3,
        pan_gain: float = 0.15,
        wavelengths: Sequence[float | None] | None = None,
    ) -> None:
        ratio = _ratio(np.shape(pan), np.shape(ms))
        self.bands: int = len(ms)
        self.ratio: float = ratio
        self.gains: Float64 = np.broadcast_to(np.asarray(gains, dtype=np.float64), (self.bands,))
        self.pan_gain: float = pan_gain
        if wavelengths is None:
            wavelengths = _FOUR_BANDS if self.bands == len(_FOUR_BANDS) else [None] * self.bands
        self.wavelengths: tuple[float | None, ...] = tuple(wavelengths)
        self.tile = ReferenceTile(pan, ms, ratio)

    @classmethod
    def of(cls, pan: Array, ms: Array, guess: Guess) -> "ReferenceScene":
        """The scene of two arrays with a sensor's gains; generic bands are what the toolboxes take them for."""
        wavelengths = guess.wavelengths if guess.sensor.name != "generic" else None
        return cls(pan, ms, guess.gains, guess.pan_gain, wavelengths)

    def map(self, function: Callable[[Tile], T], halo: int = 0, sample: bool = False) -> Iterator[T]:
        """Apply a function to the one tile; no halo is needed."""
        yield function(self.tile)

    def sharpen(self, method: Any) -> Float64:
        """Fit a `Sharpener` on the image and apply it: (C, H, W), float64."""
        return np.asarray(method.apply(self.tile, method.fit(self)))


def _ratio(pan: tuple[int, ...], ms: tuple[int, ...]) -> int:
    if len(pan) != 2 or len(ms) != 3 or 0 in pan + ms:
        raise InputError(f"expected a PAN (H, W) and an MS (C, h, w), found shapes {pan} and {ms}; put bands first")
    ratio = pan[0] // ms[1]
    if pan != (ratio * ms[1], ratio * ms[2]):
        raise InputError(f"expected PAN a whole multiple of MS in size, found {pan} and {ms[1:]}; crop one of them")
    ops.power_of_two(ratio)
    return ratio


@low_resolution.intensity_pan.register
def _intensity_pan(tile: ReferenceTile) -> Array:
    return ops.atrous_reduce(tile.pan, tile.ratio)


@low_resolution.smooth.register
def _smooth(tile: ReferenceTile, image: Array, rule: low_resolution.Smoothing) -> Array:
    if rule == "gaussian":
        return ops.intensity_filter(image, tile.ratio)
    return ops.imresize(ops.imresize(image, 1 / tile.ratio), tile.ratio)


@low_resolution.target_ms.register
def _target_ms(tile: ReferenceTile) -> Array:
    return ops.imresize(tile.ms_up, 1 / tile.ratio)


@low_resolution.dc_gains.register
def _dc_gains(tile: ReferenceTile, gains: Sequence[float] | Array) -> Float64:
    return np.array([mtf_kernel(float(gain), tile.ratio).sum() for gain in gains])
