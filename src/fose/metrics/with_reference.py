"""Metrics against a reference image: SAM, ERGAS, PSNR, SCC and SSIM (Q2n, Q_avg and UQI have their own modules).

Every function takes `reference` and `fused`, (C, H, W) arrays of any number type in one unit, computes in float64,
and raises InputError for shapes that differ and for NaN or infinity in a pixel that counts. No border is cut here:
a protocol that cuts one slices the arrays first.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.metrics.checks import Array, check_images, check_positive, check_side
from fose.metrics.strips import Recipe, Strip, Sums, mean_of, whole

Floats = NDArray[np.float64]

PAIR = ("reference", "fused")


def _sam_sums(strip: Strip) -> Sums:
    """Sum of angles in radians, and the count of pixels that have one. Missing pixels are zero and have none."""
    reference, fused = strip.images
    dot = np.einsum("chw,chw->hw", reference, fused)
    norms = np.sqrt(np.einsum("chw,chw->hw", reference, reference) * np.einsum("chw,chw->hw", fused, fused))
    some = norms > 0
    cosine = np.divide(dot, norms, out=np.ones_like(dot), where=some)
    return np.array([np.arccos(cosine.clip(-1, 1)).sum(), some.sum()])


def _sam_value(sums: Sums) -> float:
    if sums[1] == 0:
        raise InputError(
            "SAM: expected a pixel that is non-zero in both images, found none; an all-zero image has no spectral angle"
        )
    return float(np.degrees(sums[0] / sums[1]))


SAM = Recipe(PAIR, _sam_sums, _sam_value)


def sam(reference: Array, fused: Array, valid: Array | None = None) -> float:
    """Spectral angle mapper: mean over pixels of the angle between the two spectra.

    Degrees, [0, 180], lower is better, 0 for identical images. The mean of the angles, not the angle of means.
    Pixels that are all zero in either image have no angle and leave both the sum and the count.
    Near 0 the arccosine carries rounding of about 1e-6 degrees.
    Source: Yuhas, Goetz and Boardman, JPL Airborne Geoscience Workshop, 1992. Border: none.
    `valid` (H, W) booleans, missing pixels are skipped. Also raises InputError where no pixel has an angle.
    """
    return whole(SAM, dict(zip(PAIR, (reference, fused), strict=True)), valid)


def _errors(strip: Strip) -> Floats:
    """Sum of squared errors of each band, (C,)."""
    difference = strip.images[0] - strip.images[1]
    squared: Floats = np.einsum("chw,chw->c", difference, difference)
    return squared


def _ergas_sums(strip: Strip) -> Sums:
    return np.concatenate((_errors(strip), strip.images[0].sum(axis=(1, 2)), [strip.valid.sum()]))


def ergas_recipe(ratio: float) -> Recipe:
    """ERGAS as sums of squared errors and of reference values of each band."""
    check_positive("ratio", ratio)

    def value(sums: Sums) -> float:
        errors, means = np.split(mean_of(sums), 2)
        with np.errstate(divide="ignore"):
            relative = np.divide(errors, means**2, out=np.zeros_like(errors), where=errors > 0)
        return float(100 / ratio * np.sqrt(relative.mean()))

    return Recipe(PAIR, _ergas_sums, value)


def ergas(reference: Array, fused: Array, ratio: float, valid: Array | None = None) -> float:
    """Relative dimensionless global error of synthesis: (100 / ratio) sqrt(mean_b(MSE_b / mean(reference_b)^2)).

    Unitless, [0, inf), lower is better, 0 for identical images. `ratio` is MS pixel size over PAN pixel size, 4 in
    most data. A band without error contributes 0 whatever its mean; error in a band of zero mean gives infinity.
    Source: Wald, "Data Fusion: Definitions and Architectures", Presses de l'Ecole des Mines, 2002. Border: none.
    `valid` (H, W) booleans, missing pixels are skipped. Also raises InputError where no pixel is valid.
    """
    return whole(ergas_recipe(ratio), dict(zip(PAIR, (reference, fused), strict=True)), valid)


def _psnr_sums(strip: Strip) -> Sums:
    return np.append(_errors(strip), strip.valid.sum())


def psnr_recipe(peak: float, pooled: bool) -> Recipe:
    """PSNR as sums of squared errors of each band."""
    check_positive("peak", peak)

    def value(sums: Sums) -> float:
        errors = mean_of(sums)
        if pooled:
            errors = errors.mean(keepdims=True)
        with np.errstate(divide="ignore"):
            return float(np.mean(10 * np.log10(peak**2 / errors)))

    return Recipe(PAIR, _psnr_sums, value)


def psnr(reference: Array, fused: Array, peak: float, valid: Array | None = None) -> float:
    """Peak signal-to-noise ratio, mean over bands of 10 log10(peak^2 / MSE_b).

    Decibel, higher is better, infinity as soon as one band is identical. `peak` in the unit of the images, 2047 for
    11-bit DN. The common definition; no paper of its own. Border: none.
    `valid` (H, W) booleans, missing pixels are skipped. Also raises InputError where no pixel is valid.
    """
    return whole(psnr_recipe(peak, pooled=False), dict(zip(PAIR, (reference, fused), strict=True)), valid)


def psnr_pooled(reference: Array, fused: Array, peak: float, valid: Array | None = None) -> float:
    """Peak signal-to-noise ratio of all bands together, 10 log10(peak^2 / MSE); otherwise as `psnr`.

    Infinity only where every band is identical. It never exceeds `psnr`.
    """
    return whole(psnr_recipe(peak, pooled=True), dict(zip(PAIR, (reference, fused), strict=True)), valid)


def _sobel(image: Floats) -> Floats:
    """Sobel gradient magnitude of (C, H, W), inside only: (C, H - 2, W - 2)."""
    smooth_rows = image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]
    smooth_columns = image[..., :-2] + 2 * image[..., 1:-1] + image[..., 2:]
    across = smooth_rows[..., 2:] - smooth_rows[..., :-2]
    down = smooth_columns[:, 2:] - smooth_columns[:, :-2]
    magnitude: Floats = np.sqrt(across * across + down * down)
    return magnitude


def _zero_rows(strip: Strip, row: int) -> Strip:
    """The strip with one row of zeros that count as valid."""
    changed = strip.copy()
    for image in changed.images:
        image[:, row] = 0
    changed.valid[row] = True
    return changed


def _scc_sums(strip: Strip) -> Sums:
    """Sums of F G, F^2, G^2 over gradients F, G. One pixel of zeros replaces the left and the right border."""
    images = [np.pad(image[..., 1:-1], ((0, 0), (0, 0), (1, 1))) for image in strip.images]
    gradients = [_sobel(image) for image in images]
    if not strip.valid.all():
        flags = np.pad(strip.valid[:, 1:-1], ((0, 0), (1, 1)), constant_values=True)
        keep = np.lib.stride_tricks.sliding_window_view(flags, (3, 3)).all(axis=(2, 3))
        gradients = [gradient * keep for gradient in gradients]
    f, g = (gradient.ravel() for gradient in gradients)
    return np.array([f @ g, f @ f, g @ g])


def _scc_value(sums: Sums) -> float:
    cross, reference, fused = sums
    if reference == 0 or fused == 0:
        return float(reference == fused)
    return float(cross / np.sqrt(reference * fused))


SCC = Recipe(
    PAIR,
    _scc_sums,
    _scc_value,
    window=3,
    hold=1,
    top=lambda strip: _zero_rows(strip, 0),
    bottom=lambda strip: _zero_rows(strip, -1),
    smallest=3,
)


def scc(reference: Array, fused: Array, valid: Array | None = None) -> float:
    """Spatial correlation: cosine between the Sobel gradient magnitudes of the images, all bands and pixels pooled.

    Unitless, [0, 1], higher is better, 1 for identical images. No mean is subtracted, so two images of unrelated
    noise reach pi / 4 = 0.79. Both without gradient gives 1, only one without gives 0.
    Source: the idea is Zhou, Civco and Silander, Int. J. Remote Sensing 19(4), 1998; Sobel and pooling are those of
    the benchmark toolbox of Vivone et al. 2021. Border: the outermost pixel is replaced by zeros, so the rim of the
    inside carries a strong gradient in both images.
    `valid` (H, W) booleans: pixels whose 3 x 3 neighbourhood holds a missing pixel are skipped.
    Also raises InputError for a side under 3 pixels.
    """
    return whole(SCC, dict(zip(PAIR, (reference, fused), strict=True)), valid)


@cache
def _gaussian() -> Floats:
    """The 11 taps of the separable SSIM window, deviation 1.5 pixels, sum 1."""
    taps = np.exp(-(np.arange(-5.0, 6.0) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()
    return taps


def _window_mean(image: Floats) -> Floats:
    """Gaussian mean of (H, W), inside only: (H - 10, W - 10)."""
    from scipy.ndimage import correlate1d

    smooth = correlate1d(correlate1d(image, _gaussian(), axis=0), _gaussian(), axis=1)
    inside: Floats = smooth[5:-5, 5:-5]
    return inside


def _reduce(image: Floats) -> Floats:
    """Box mean and decimation by round(shorter side / 256), so that SSIM sees about 256 pixels."""
    from scipy.ndimage import uniform_filter

    factor = int(min(image.shape) / 256 + 0.5)
    if factor < 2:
        return image
    reduced: Floats = uniform_filter(image, factor, mode="reflect", origin=factor % 2 - 1)[::factor, ::factor]
    return reduced


def _ssim_band(x: Floats, y: Floats, peak: float) -> float:
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    var_x, var_y = _window_mean(x * x) - mean_x**2, _window_mean(y * y) - mean_y**2
    covariance = _window_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(np.mean(luminance * (2 * covariance + c2) / (var_x + var_y + c2)))


def ssim(reference: Array, fused: Array, peak: float) -> float:
    """Structural similarity, mean over the map and then over bands.

    Unitless, [-1, 1], higher is better, 1 for identical images. `peak` in the unit of the images, 2047 for 11 bits;
    K1 = 0.01, K2 = 0.03, Gaussian window of 11 x 11 pixels and deviation 1.5. Images whose shorter side reaches
    384 pixels are first averaged and decimated by round(side / 256).
    Source: Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 13(4), 2004, equation 13. Border: only windows inside.
    The decimation needs the whole image's size first: there is no mask and no streaming form.
    Also raises InputError for a side under 11 pixels.
    """
    check_positive("peak", peak)
    check_images(dict(zip(PAIR, (reference, fused), strict=True)))
    for what, length in zip(("height", "width"), reference.shape[1:], strict=True):
        check_side(what, length, 11)
    bands = (
        _ssim_band(_reduce(x.astype(np.float64)), _reduce(y.astype(np.float64)), peak)
        for x, y in zip(reference, fused, strict=True)
    )
    return float(np.mean(list(bands)))
