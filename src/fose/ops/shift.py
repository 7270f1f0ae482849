"""Sub-pixel shift left between a PAN and an MS image, estimated from the two images alone.

The MS, interpolated on the PAN grid, is compared with PAN where it is still free of aliasing: below 0.4 cycles per
MS pixel. One least-squares fit finds both the mix of bands that looks like PAN and the shift that moves PAN onto
it. In the Fourier domain a shift is a phase ramp, so the fit follows the phase slope of the cross power spectrum
(Stone et al. 2001, "A fast direct Fourier-based algorithm for subpixel registration of images",
DOI 10.1109/36.957286; aliasing: Foroosh et al. 2002, DOI 10.1109/83.988953). It starts at the best whole-pixel
shift, found on a small grid by matrix products (Guizar-Sicairos et al. 2008, DOI 10.1364/OL.33.000156), and each
frequency counts by what the fit leaves unexplained there. The MTF scales magnitudes, not phases, and is not needed.

Sign: a shift d = (rows, cols) says that **the MS shows features d PAN pixels further down and right than PAN
does**, ``ms(x) ~ pan(x - d)``. Resampling PAN at ``x - d`` moves it onto the MS.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fose.errors import InputError

SEARCH = 8  # PAN pixels on either axis: larger shifts are not found
LIMIT = 4.0  # PAN pixels on either axis: larger shifts are found, but a person should look before they are corrected
NEGLIGIBLE = 0.1  # PAN pixels: shorter shifts do no harm

_CUTOFF = 0.4  # cycles per MS pixel: above it aliasing and noise rule the MS
_FIRST_BIN = 3  # below it the window leaks the mean into the spectrum
_ITERATIONS = 4
_LEAST_VALID = 0.6  # share of valid pixels
_LEAST_COHERENCE = 0.5  # share of PAN's weighted power that the MS explains; below 0.3 for unrelated images
_COEFFICIENTS = 16  # at least so many per unknown, or chance passes for coherence
_HANN_VARIANCE = 2.25  # a 2-D Hann window correlates neighbouring coefficients: 1.5 bins of noise bandwidth per axis
_MODEL_ERROR = 0.05  # PAN pixels: what bands misregistered among themselves and unequal contrast do to one window
_MISSING_ERROR = 0.5  # PAN pixels per share of missing pixels: their fill does not move with the image

# Standard errors: a window's own, plus the 0.05 px that they never go below, seldom lies further off (0.2 % by chance).
_AGREE = 3.5

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True)
class Shift:
    """How far the MS lies below (rows) and right (cols) of PAN, with standard errors; all in PAN pixels.

    Infinite standard errors mean that nothing is known; the shift is then zero. Never NaN.
    """

    rows: float
    cols: float
    rows_se: float
    cols_se: float

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return math.isfinite(self.rows_se) and math.isfinite(self.cols_se)


UNKNOWN = Shift(0.0, 0.0, math.inf, math.inf)


@dataclass(frozen=True)
class _Plane:
    """K Fourier coefficients of an (H, W) window, each conjugate pair once, that carry the common content."""

    shape: tuple[int, int]
    index: tuple[NDArray[np.intp], NDArray[np.intp]]  # where rfft2 keeps them
    frequency: Floats  # (2, K) cycles per PAN pixel
    ring: NDArray[np.intp]  # (K,) distance from the mean in bins

    @classmethod
    def of(cls, shape: tuple[int, int], cutoff: float) -> "_Plane":
        rows, cols = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
        ring = np.hypot(rows, cols) * min(shape)
        use = (ring >= _FIRST_BIN) & (ring <= cutoff * min(shape)) & ((cols > 0) | (rows > 0))
        index = np.nonzero(use)
        frequency = np.stack([rows[index[0], 0], cols[0, index[1]]])
        return cls(shape, (index[0], index[1]), frequency, np.rint(ring[use]).astype(np.intp))

    def spectrum(self, image: Floats, shift: Floats) -> Complexes:
        """(K,) coefficients of a Hann window's view of ``image(x - shift)``.

        The window moves instead of the image, so nothing is interpolated and no edge wraps around.
        """
        window = np.outer(*(_hann(size, offset) for size, offset in zip(self.shape, shift, strict=True)))
        mean = np.vdot(window, image) / window.sum()
        coefficients = np.fft.rfft2((image - mean) * window)[self.index]
        return np.asarray(coefficients * np.exp(-2j * np.pi * (shift @ self.frequency)))

    def smooth(self, power: Floats) -> Floats:
        """(K,) mean of a (K,) power over three rings."""
        three = np.ones(3)
        total = np.convolve(np.bincount(self.ring, power), three, "same")
        count = np.convolve(np.bincount(self.ring), three, "same")
        return np.asarray(total[self.ring] / count[self.ring])


def _hann(size: int, offset: float) -> Floats:
    """Hann window over `size` pixels, moved back by `offset`, with room to move by SEARCH."""
    phase = (np.arange(size) + offset - (size - 1) / 2) / (size - 2 * SEARCH)
    return np.where(np.abs(phase) < 0.5, np.cos(np.pi * phase) ** 2, 0.0)


def _varies(image: Floats) -> bool:
    """Whether a finite image is more than a constant and rounding."""
    low, high = float(image.min()), float(image.max())
    return math.isfinite(high - low) and high - low > 1e-6 * max(abs(low), abs(high))


def estimate_shift(pan: ArrayLike, ms_up: ArrayLike, ratio: float, valid: ArrayLike | None = None) -> Shift:
    """Shift of the MS against PAN in one window; see the module's docstring for method and sign.

    Args:
        pan: (H, W) panchromatic window, any unit. 256 to 512 pixels a side are right; below about 21 MS pixels a side
            (4 bands; 16 bands: 35) the window is UNKNOWN.
        ms_up: (C, H, W) MS interpolated on the PAN grid, any unit, C >= 1; constant bands are ignored.
        ratio: PAN pixels per MS pixel, at least 1.
        valid: (H, W) bool, False where a pixel of either image is missing. Missing pixels are filled by the caller
            from their neighbours; a window with less than 60 % valid pixels is UNKNOWN.

    Returns:
        The shift in PAN pixels, found up to SEARCH on either axis. UNKNOWN where the window cannot tell: constant,
        too small, too few valid pixels, values that are not finite, or an MS that does not look like PAN.

    Raises:
        InputError: shapes that do not match, or a ratio below 1.
    """
    pan, ms_up = np.asarray(pan, np.float64), np.asarray(ms_up, np.float64)
    if pan.ndim != 2 or ms_up.ndim != 3 or ms_up.shape[1:] != pan.shape:
        raise InputError(f"expected pan (H, W) and ms_up (C, H, W) on one grid, got {pan.shape} and {ms_up.shape}")
    if not ratio >= 1:
        raise InputError(f"expected a ratio of at least 1 PAN pixel per MS pixel, got {ratio}")
    mask = np.ones(pan.shape, bool) if valid is None else np.asarray(valid, bool)
    if mask.shape != pan.shape:
        raise InputError(f"expected valid {pan.shape} like pan, got {mask.shape}")
    if min(pan.shape) < 4 * SEARCH or mask.mean() < _LEAST_VALID:
        return UNKNOWN
    bands = [band for band in ms_up if _varies(band)]
    plane = _Plane.of((pan.shape[0], pan.shape[1]), _CUTOFF / ratio)
    if not bands or not _varies(pan) or plane.ring.size < _COEFFICIENTS * (len(bands) + 2):
        return UNKNOWN
    ms = np.stack([plane.spectrum(band, np.zeros(2)) for band in bands])
    slack = math.hypot(_MODEL_ERROR, _MISSING_ERROR * (1 - mask.mean()))
    return _register(pan, ms / np.linalg.norm(ms, axis=1, keepdims=True), plane, slack)


def _register(pan: Floats, ms: Complexes, plane: _Plane, slack: float) -> Shift:
    """Shift between a PAN window and (C, K) unit-norm MS spectra: whole-pixel search, then Gauss-Newton.

    The standard errors add the fit's own, the last step (not yet converged) and `slack`, what the fit cannot know.
    """
    still = plane.spectrum(pan, np.zeros(2))
    weight = np.sum(plane.frequency**2, axis=0)  # natural images have a spectrum near 1/f^2
    shift = _search(still, ms, weight, plane.frequency)
    floor = 1e-9 * np.mean(np.abs(still) ** 2)
    for _ in range(_ITERATIONS):
        step, error, coherence, residual = _step(plane.spectrum(pan, shift), ms, weight, plane.frequency)
        shift = shift + step
        if np.abs(shift).max() > SEARCH:
            return UNKNOWN
        weight = 1 / (plane.smooth(np.abs(residual) ** 2) + floor)
    if not coherence >= _LEAST_COHERENCE:
        return UNKNOWN
    error = np.sqrt(error**2 + step**2 + slack**2)
    return Shift(float(shift[0]), float(shift[1]), float(error[0]), float(error[1]))


def _search(pan: Complexes, ms: Complexes, weight: Floats, frequency: Floats) -> Floats:
    """The whole-pixel shift (2,) of PAN at which some mix of the bands explains most of it."""
    grid = np.arange(-SEARCH, SEARCH + 1)
    rows, cols = np.exp(-2j * np.pi * grid[:, None] * frequency[:, None])
    cross = np.stack([((rows * (weight * pan * band.conj())) @ cols.T).real for band in ms])
    inverse = np.linalg.pinv((weight * ms @ ms.conj().T).real, rcond=1e-6, hermitian=True)
    explained = np.einsum("brc,bd,drc->rc", cross, inverse, cross)
    best = np.unravel_index(np.argmax(explained), explained.shape)
    return grid[list(best)].astype(np.float64)


def _step(pan: Complexes, ms: Complexes, weight: Floats, frequency: Floats) -> tuple[Floats, Floats, float, Complexes]:
    """One Gauss-Newton step from PAN's spectrum at the present shift.

    Returns the step (2,), its standard error (2,), the share of PAN explained before it and the residual (K,).
    """
    root = np.sqrt(weight)
    target, bands = _real(pan * root), _real(ms * root)
    mix = np.linalg.pinv(bands @ bands.T, rcond=1e-6, hermitian=True) @ (bands @ target)
    fit = mix @ ms
    left = target - mix @ bands
    coherence = 1 - (left @ left) / (target @ target)
    design = np.concatenate([bands, _real(2j * np.pi * frequency * fit * root)])
    scale = np.maximum(np.linalg.norm(design, axis=1), np.finfo(np.float64).tiny)
    design /= scale[:, None]
    inverse = np.linalg.pinv(design @ design.T, rcond=1e-6, hermitian=True)
    step = (inverse @ (design @ left) / scale)[-2:]
    variance = _HANN_VARIANCE * (left @ left) / (target.size - len(design)) * (np.diag(inverse) / scale**2)[-2:]
    return step, np.sqrt(variance), float(coherence), pan - fit


def _real(spectrum: Complexes) -> Floats:
    """Real and imaginary parts side by side: (..., K) to (..., 2K)."""
    return np.concatenate([spectrum.real, spectrum.imag], axis=-1)


def combine(shifts: Iterable[Shift]) -> Shift:
    """One shift for a scene from the shifts of its windows, which should not overlap.

    Windows that know nothing drop out. On each axis the weighted median is the centre and the median distance from
    it the spread; windows beyond three spreads on either axis (clouds, whose parallax is not the ground's) are
    dropped, and the others averaged with weights 1 / (standard error^2 + spread^2).

    Returns:
        The mean with the standard error seen in the windows' own scatter, or what the windows claim if that is
        larger. UNKNOWN when no window knows anything.
    """
    known = [shift for shift in shifts if shift.known]
    if not known:
        return UNKNOWN
    value = np.array([(shift.rows, shift.cols) for shift in known])
    variance = np.array([(shift.rows_se, shift.cols_se) for shift in known]) ** 2
    centre = np.array([_weighted_median(*axis) for axis in zip(value.T, 1 / variance.T, strict=True)])
    variance = variance + (1.4826 * np.median(np.abs(value - centre), axis=0)) ** 2
    keep = np.all((value - centre) ** 2 <= 9 * variance, axis=1)
    keep |= ~keep.any()
    value, weight = value[keep], 1 / variance[keep]
    total = weight.sum(axis=0)
    mean = (weight * value).sum(axis=0) / total
    count = len(value)
    scatter = np.sum((weight * (value - mean)) ** 2, axis=0) / total**2 * count / max(count - 1, 1)
    error = np.sqrt(np.maximum(scatter, 1 / total))
    return Shift(float(mean[0]), float(mean[1]), float(error[0]), float(error[1]))


def _weighted_median(value: Floats, weight: Floats) -> float:
    """The value at which half of the weight is reached."""
    order = np.argsort(value)
    reached = np.cumsum(weight[order])
    return float(value[order][np.searchsorted(reached, reached[-1] / 2)])


def agreement(shifts: Iterable[Shift], centre: Shift) -> float:
    """Share of the windows that know something which lie within _AGREE of their own standard errors of `centre`.

    Windows disagree where no single shift is right: clouds seen at another moment, relief seen from another angle.
    1 where no window knows anything.
    """
    known = [shift for shift in shifts if shift.known]
    if not known:
        return 1.0
    distance = [
        math.hypot((shift.rows - centre.rows) / shift.rows_se, (shift.cols - centre.cols) / shift.cols_se)
        for shift in known
    ]
    return sum(sigmas <= _AGREE for sigmas in distance) / len(known)


def significant(shift: Shift) -> bool:
    """Whether a shift matters and can be believed, so that the pipeline should correct it.

    It must be longer than NEGLIGIBLE, three standard errors from zero, and within LIMIT on either axis.
    """
    sigmas = math.hypot(shift.rows / shift.rows_se, shift.cols / shift.cols_se)
    long_enough = math.hypot(shift.rows, shift.cols) > NEGLIGIBLE
    return long_enough and sigmas > 3 and max(abs(shift.rows), abs(shift.cols)) <= LIMIT
