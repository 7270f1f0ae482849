"""The universal image quality index, on distinct blocks and on a window that slides by one pixel.

Wang and Bovik, "A universal image quality index", IEEE Signal Processing Letters 9(3), 2002, equation 1:
Q = 4 cov(x, y) mean(x) mean(y) / ((var(x) + var(y)) (mean(x)^2 + mean(y)^2)).
"""

import numpy as np
from numpy.typing import NDArray

from fose.metrics.checks import Array, Mask
from fose.metrics.strips import Recipe, Strip, Sums, mean_of, whole

Floats = NDArray[np.float64]

BLOCK = 32  # pixels; the side that every published table of this field uses
FLAT = 1e-13  # a variance at most this share of the squared means is rounding, and counts as zero


def quality(covariance: Floats, variances: Floats, product: Floats, squares: Floats) -> Floats:
    """Q of windows, from cov(x, y), var(x) + var(y), mean(x) mean(y) and mean(x)^2 + mean(y)^2.

    Where both windows are flat only their means are compared, Q = 2 mean(x) mean(y) / (mean(x)^2 + mean(y)^2);
    where both means are zero Q = 1. Range [-1, 1], best 1.
    """
    nowhere = squares == 0
    bias = 2 * product / np.where(nowhere, 1.0, squares)
    flat = variances <= FLAT * squares
    likeness = 2 * covariance / np.where(flat, 1.0, variances)
    result: Floats = np.where(nowhere, 1.0, bias * np.where(flat, 1.0, likeness))
    return result


def blocks(image: Floats, side: int, step: int) -> Floats:
    """Square blocks of (C, H, W), which holds them exactly, in row order: (blocks, C, side * side), perhaps a view."""
    bands = image.shape[0]
    view = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(1, 2))[:, ::step, ::step]
    return view.transpose(1, 2, 0, 3, 4).reshape(-1, bands, side * side)


def complete_blocks(valid: Mask, side: int, step: int) -> Mask:
    """Which blocks have no missing pixel, (blocks,)."""
    view = np.lib.stride_tricks.sliding_window_view(valid, (side, side))[::step, ::step]
    complete: Mask = np.all(view.reshape(-1, side * side), axis=1)
    return complete


def block_moments(image: Floats, side: int, step: int) -> tuple[Floats, Floats]:
    """Means (blocks, C) and centred pixels (blocks, C, side * side) of every block."""
    samples = blocks(image, side, step)
    mean = samples.mean(axis=2)
    return mean, samples - mean[..., None]


def block_quality(x: Floats, y: Floats, side: int) -> Floats:
    """Q of each distinct block and each band pair, (blocks, Cx, Cy), of (Cx, H, W) and (Cy, H, W)."""
    mean_x, centred_x = block_moments(x, side, side)
    mean_y, centred_y = (mean_x, centred_x) if y is x else block_moments(y, side, side)
    degrees = side * side - 1
    covariance = centred_x @ centred_y.transpose(0, 2, 1) / degrees
    var_x = np.einsum("bcn,bcn->bc", centred_x, centred_x) / degrees
    var_y = var_x if y is x else np.einsum("bcn,bcn->bc", centred_y, centred_y) / degrees
    return quality(
        covariance,
        var_x[:, :, None] + var_y[:, None, :],
        mean_x[:, :, None] * mean_y[:, None, :],
        mean_x[:, :, None] ** 2 + mean_y[:, None, :] ** 2,
    )


def _uqi_sums(strip: Strip) -> Sums:
    """Sum over complete blocks of the band mean of Q, and their count."""
    keep = complete_blocks(strip.valid, BLOCK, BLOCK)
    reference, fused = strip.images
    bands = [block_quality(x[None], y[None], BLOCK)[keep, 0, 0] for x, y in zip(reference, fused, strict=True)]
    return np.array([np.mean(bands, axis=0).sum(), keep.sum()])


def _sliding_sum(image: Floats) -> Floats:
    """Sums of (..., H, W) over every BLOCK x BLOCK window, by doubling: no running sum, so no drift."""
    width = 1
    while width < BLOCK:
        image = image[..., :-width] + image[..., width:]
        image = image[..., :-width, :] + image[..., width:, :]
        width *= 2
    return image


def _q_avg_sums(strip: Strip) -> Sums:
    """Sum over complete windows of the band mean of Q, and their count."""
    count = BLOCK * BLOCK
    shape = strip.valid.shape[0] - BLOCK + 1, strip.valid.shape[1] - BLOCK + 1
    keep = None if strip.valid.all() else _sliding_sum(strip.valid.astype(np.float64)) == count
    total = 0.0
    for x, y in zip(*strip.images, strict=True):
        mean_x, mean_y = _sliding_sum(x) / count, _sliding_sum(y) / count
        product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
        covariance = _sliding_sum(x * y) / count - product
        variances = _sliding_sum(x * x + y * y) / count - squares
        total += quality(covariance, variances, product, squares).sum(where=True if keep is None else keep)
    windows = shape[0] * shape[1] if keep is None else keep.sum()
    return np.array([total / len(strip.images[0]), windows])


def _single(sums: Sums) -> float:
    return float(mean_of(sums)[0])


UQI = Recipe(("reference", "fused"), _uqi_sums, _single, BLOCK, BLOCK, smallest=BLOCK, multiple=BLOCK)
Q_AVG = Recipe(("reference", "fused"), _q_avg_sums, _single, window=BLOCK, smallest=BLOCK)


def uqi(reference: Array, fused: Array, valid: Array | None = None) -> float:
    """Universal quality index on distinct 32 x 32 blocks, mean over blocks and bands, unbiased moments.

    Unitless, [-1, 1], higher is better, 1 for identical images. This is the Q inside D_lambda, D_s and QNR.
    Source: Wang and Bovik 2002, equation 1. Border: none is cut; both sides must be multiples of 32.

    Arguments: `reference`, `fused` (C, H, W) in any common unit; `valid` (H, W) booleans, blocks that hold a
    missing pixel are skipped. Flat blocks compare only their means (see `quality`).
    Raises InputError: shapes that differ, NaN or infinity, sides that are not multiples of 32, no complete block.
    """
    return whole(UQI, {"reference": reference, "fused": fused}, valid)


def q_avg(reference: Array, fused: Array, valid: Array | None = None) -> float:
    """Universal quality index on a 32 x 32 window that slides by one pixel, mean over the map and bands ("Q").

    Unitless, [-1, 1], higher is better, 1 for identical images. No rounding of the images (Q2n rounds).
    Source: Wang and Bovik 2002, equation 1. Border: only windows that lie inside the image.

    Arguments: `reference`, `fused` (C, H, W) in any common unit; `valid` (H, W) booleans, windows that hold a
    missing pixel are skipped. Flat windows compare only their means; windows of zero mean in both give 1.
    Raises InputError: shapes that differ, NaN or infinity, a side under 32 pixels, no complete window.
    """
    return whole(Q_AVG, {"reference": reference, "fused": fused}, valid)
