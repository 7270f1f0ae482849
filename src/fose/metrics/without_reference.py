"""Metrics without a reference, at full resolution: D_lambda, D_s, QNR, D_lambda_K and HQNR.

The distortions take arrays that are already prepared, so each is a pure comparison; `qnr`, `qnr_paper` and `hqnr`
prepare them with the operators of `fose.ops.reference`. All are unitless; all compute in float64 and raise
InputError for shapes that differ and for NaN or infinity in a pixel that counts. No border is cut.

Sources: Alparone et al., "Multispectral and panchromatic data fusion assessment without reference", PE&RS 74(2),
2008 (QNR); Khan, Alparone and Chanussot, IEEE TGRS 47(11), 2009 (D_lambda_K); Aiazzi et al., "Full-scale assessment
of pansharpening methods and data products", SPIE 9244, 2014 (HQNR); Vivone et al., IEEE GRSM 9(1), 2021 (the
conventions of the benchmark toolbox, which the default forms follow).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.metrics.checks import Array, check_images, check_side
from fose.metrics.hypercomplex import q2n
from fose.metrics.strips import Recipe, Strip, Sums, mean_of, whole
from fose.metrics.universal import BLOCK, block_quality, complete_blocks

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FullResolution:
    """A quality without reference and the two distortions that it joins; unitless, all at full resolution."""

    spectral: float  # D_lambda or D_lambda_K, lower is better
    spatial: float  # D_s, lower is better

    @property
    def index(self) -> float:
        """QNR or HQNR, (1 - spectral) (1 - spatial): higher is better, 1 is best."""
        return (1 - self.spectral) * (1 - self.spatial)


def _pair_mean(difference: Floats) -> float:
    """Mean magnitude over distinct pairs of bands of a symmetric (C, C) matrix."""
    bands = len(difference)
    if bands < 2:
        raise InputError("D_lambda: expected at least 2 bands, found 1; it compares bands with one another")
    return float(np.abs(difference[np.triu_indices(bands, 1)]).mean())


def _d_lambda_sums(strip: Strip) -> Sums:
    """Sum over blocks of Q between bands, fused minus upsampled, (C * C,), and the count of blocks."""
    fused, ms_up = strip.images
    keep = complete_blocks(strip.valid, BLOCK, BLOCK)
    difference = block_quality(fused, fused, BLOCK) - block_quality(ms_up, ms_up, BLOCK)
    return np.append(difference[keep].sum(axis=0).ravel(), keep.sum())


def _d_lambda_value(sums: Sums) -> float:
    means = mean_of(sums)
    bands = round(len(means) ** 0.5)
    return _pair_mean(means.reshape(bands, bands))


def _d_s_sums(strip: Strip) -> Sums:
    """Sum over blocks of Q with PAN, fused minus upsampled, (C,), and the count of blocks."""
    fused, ms_up, pan, pan_low = strip.images
    keep = complete_blocks(strip.valid, BLOCK, BLOCK)
    difference = block_quality(fused, pan, BLOCK) - block_quality(ms_up, pan_low, BLOCK)
    return np.append(difference[keep, :, 0].sum(axis=0), keep.sum())


D_LAMBDA = Recipe(("fused", "ms_up"), _d_lambda_sums, _d_lambda_value, BLOCK, BLOCK, smallest=BLOCK, multiple=BLOCK)
D_S = Recipe(
    ("fused", "ms_up", "pan", "pan_low"),
    _d_s_sums,
    lambda sums: float(np.abs(mean_of(sums)).mean()),
    BLOCK,
    BLOCK,
    smallest=BLOCK,
    multiple=BLOCK,
)


def d_lambda(fused: Array, ms_up: Array, valid: Array | None = None) -> float:
    """Spectral distortion of QNR, default form: mean over band pairs of |Q(F_i, F_j) - Q(M_i, M_j)|.

    Q is `uqi` on distinct 32 x 32 blocks of both images at PAN scale. [0, 2], lower is better, and 0 for `ms_up`
    itself. Source: Alparone et al. 2008, with p = 1, on `ms_up` as the 2021 toolbox does.
    Arguments: `fused`, `ms_up` (C, H, W) DN; `valid` (H, W), blocks with a missing pixel are skipped.
    Also raises InputError for one band, for sides that are not multiples of 32, and without a complete block.
    """
    return whole(D_LAMBDA, {"fused": fused, "ms_up": ms_up}, valid)


def d_s(fused: Array, ms_up: Array, pan: Array, pan_low: Array, valid: Array | None = None) -> float:
    """Spatial distortion of QNR and HQNR, default form: mean over bands of |Q(F_b, PAN) - Q(M_b, PAN_low)|.

    Q is `uqi` on distinct 32 x 32 blocks, all at PAN scale. [0, 2], lower is better, 0 for a perfect image.
    `pan_low` is PAN reduced with antialiased bicubic interpolation by the ratio, then interpolated back with
    23 taps; not the MTF-degraded PAN. Source: Alparone et al. 2008 with q = 1; 2021 toolbox.
    Arguments: `fused`, `ms_up` (C, H, W); `pan`, `pan_low` (H, W); `valid` (H, W), blocks with a missing pixel are
    skipped. Also raises InputError for sides that are not multiples of 32, and without a complete block.
    """
    return whole(D_S, {"fused": fused, "ms_up": ms_up, "pan": pan, "pan_low": pan_low}, valid)


def _mean_quality(x: Array, y: Array, side: int) -> Floats:
    """Mean Q over distinct blocks between bands, (Cx, Cy)."""
    first = np.asarray(x, dtype=np.float64)
    second = first if y is x else np.asarray(y, dtype=np.float64)
    mean: Floats = block_quality(first, second, side).mean(axis=0)
    return mean


def _low_block(fused: Array, ms: Array) -> int:
    """Side of the block of `ms` that covers a block of `fused`; refuses sizes for which there is none."""
    height, width = fused.shape[-2:]
    check_side("height", height, BLOCK, BLOCK)
    check_side("width", width, BLOCK, BLOCK)
    side = int(BLOCK * ms.shape[-1] // width)
    if side < 2 or ms.shape[-2:] != (height * side // BLOCK, width * side // BLOCK) or BLOCK % side:
        raise InputError(
            f"ms: expected the {height} x {width} pixels of fused divided by 2, 4, 8 or 16, found {ms.shape[-2]} x "
            f"{ms.shape[-1]}; crop both to one area"
        )
    return side


def d_lambda_paper(fused: Array, ms: Array) -> float:
    """Spectral distortion of QNR as published: the MS side is measured on its own grid, blocks of 32 / ratio pixels.

    [0, 2], lower is better; not 0 for the upsampled image. Source: Alparone et al. 2008, p = 1.
    Arguments: `fused` (C, H, W), `ms` (C, H / ratio, W / ratio), DN. Also raises InputError for one band and for
    sides that are not multiples of 32 and 32 / ratio.
    """
    check_images({"fused": fused})
    check_images({"ms": ms})
    _check_bands(fused, ms)
    low = _mean_quality(ms, ms, _low_block(fused, ms))
    return _pair_mean(_mean_quality(fused, fused, BLOCK) - low)


def d_s_paper(fused: Array, ms: Array, pan: Array, pan_ms_grid: Array) -> float:
    """Spatial distortion of QNR as published: the MS side is measured on its own grid, blocks of 32 / ratio pixels.

    [0, 2], lower is better. `pan_ms_grid` is PAN reduced to the MS grid with antialiased bicubic interpolation.
    Source: Alparone et al. 2008, q = 1.
    Arguments: `fused` (C, H, W), `ms` (C, H / ratio, W / ratio), `pan` (H, W), `pan_ms_grid` (H / ratio, W / ratio).
    Also raises InputError for sides that are not multiples of 32 and 32 / ratio.
    """
    check_images({"fused": fused, "pan": pan})
    check_images({"ms": ms, "pan_ms_grid": pan_ms_grid})
    _check_bands(fused, ms)
    low = _mean_quality(ms, pan_ms_grid[None], _low_block(fused, ms))
    return float(np.abs(_mean_quality(fused, pan[None], BLOCK) - low).mean())


def _check_bands(fused: Array, ms: Array) -> None:
    if len(fused) != len(ms):
        raise InputError(f"ms: expected the {len(fused)} bands of fused, found {len(ms)}; select the same bands")


def d_lambda_k(ms_up: Array, fused_mtf: Array, valid: Array | None = None) -> float:
    """Khan's spectral distortion, full-scale form (Vivone et al. 2021): 1 - Q2n(ms_up, MTF(fused)) at PAN scale.

    [0, 1], lower is better. `fused_mtf` is the fused image filtered with each band's MTF, not decimated. The
    decimated form gives other values (0.139 against 0.054 on one scene): always say which one is reported.
    Source: Khan et al. 2009 as in Aiazzi et al. 2014. Border: as `q2n`, mirrored at the end.
    Arguments: `ms_up`, `fused_mtf` (C, H, W) DN, rounded to 16-bit integers by Q2n; `valid` (H, W), blocks with a
    missing pixel are skipped. Also raises InputError for a side under 32 pixels, and without a complete block.
    """
    return 1 - q2n(ms_up, fused_mtf, valid=valid)


def d_lambda_k_decimated(ms: Array, fused_mtf_low: Array, valid: Array | None = None) -> float:
    """Khan's spectral distortion, decimated form (toolbox 1.4, 2015): 1 - Q2n(ms, decimate(MTF(fused))) at MS scale.

    [0, 1], lower is better. `fused_mtf_low` is the fused image filtered with each band's MTF and sampled at the MS
    pixel centres (for ratio 4 at rows and columns 2, 6, 10, ...). Blocks are 32 x 32 MS pixels.
    Source: Khan et al. 2009. Arguments, border and errors as `d_lambda_k`, on the MS grid (C, h, w).
    """
    return 1 - q2n(ms, fused_mtf_low, valid=valid)


def _check_scene(fused: Array, ms_up: Array, pan: Array) -> None:
    check_images({"fused": fused, "ms_up": ms_up, "pan": pan})
    for what, length in zip(("height", "width"), pan.shape, strict=True):
        check_side(what, length, BLOCK, BLOCK)


def _spatial(fused: Array, ms_up: Array, pan: Array, ratio: int) -> float:
    """D_s with PAN reduced by bicubic interpolation and brought back with 23 taps."""
    from fose.ops import reference  # loads SciPy

    pan_low = reference.interpolate23(reference.imresize(pan, 1 / ratio), ratio)
    return d_s(fused, ms_up, pan, pan_low)


def qnr(fused: Array, ms_up: Array, pan: Array, ratio: int) -> FullResolution:
    """Quality with no reference, default form of the 2021 toolbox: `d_lambda` and `d_s`, both at PAN scale.

    Source: Alparone et al. 2008 with exponents 1. Arguments: `fused`, `ms_up` (C, H, W), `pan` (H, W), DN; `ms_up` is
    MS interpolated with 23 taps for published figures; `ratio` is 2, 4, 8...
    Raises InputError as `d_lambda` and `d_s`, and for another ratio.
    """
    _check_scene(fused, ms_up, pan)
    return FullResolution(d_lambda(fused, ms_up), _spatial(fused, ms_up, pan, ratio))


def qnr_paper(fused: Array, ms: Array, pan: Array, ratio: int) -> FullResolution:
    """Quality with no reference as published: `d_lambda_paper` and `d_s_paper`, MS on its own grid.

    Source: Alparone et al. 2008 with exponents 1. Arguments: `fused` (C, H, W), `ms` (C, H / ratio, W / ratio),
    `pan` (H, W), DN. Raises InputError as `d_lambda_paper` and `d_s_paper`.
    """
    from fose.ops import reference  # loads SciPy

    pan_ms_grid = reference.imresize(pan, 1 / ratio)
    return FullResolution(d_lambda_paper(fused, ms), d_s_paper(fused, ms, pan, pan_ms_grid))


def hqnr(fused: Array, ms_up: Array, pan: Array, gains: Sequence[float] | Array, ratio: int) -> FullResolution:
    """Hybrid quality with no reference (2021): `d_lambda_k`, full-scale form, and `d_s`, default form.

    Source: Aiazzi et al. 2014; conventions of Vivone et al. 2021. Arguments: `fused`, `ms_up` (C, H, W), `pan`
    (H, W), DN; `ms_up` is MS interpolated with 23 taps for published figures; `gains` (C,) the MTF of each band at
    its Nyquist frequency; `ratio` is 2, 4, 8...
    Raises InputError as `d_lambda_k` and `d_s`, and for another ratio or count of gains.
    """
    from fose.ops import reference  # loads SciPy

    _check_scene(fused, ms_up, pan)
    fused_mtf = reference.mtf_filter(fused, gains, ratio)
    return FullResolution(d_lambda_k(ms_up, fused_mtf), _spatial(fused, ms_up, pan, ratio))
