"""Q2n, the quality index of hypercomplex numbers: every band at once, whatever their count.

Garzelli and Nencini, "Hypercomplex quality assessment of multi/hyperspectral images", IEEE GRSL 6(4), 2009;
Q4 for four bands is Alparone, Baronti, Garzelli and Nencini, IEEE GRSL 1(4), 2004. For hypercomplex images x and y,
Q = |cov(x, y*)| . 2 / (var(x) + var(y)) . 2 |mean x| |mean y| / (|mean x|^2 + |mean y|^2).

A pixel of C bands is one number of 2^n >= C units, and Q2n is the universal index of two such images. The
hypercomplex covariance of a block is linear in its C x C covariance matrix between the bands of the two images:
unit i times unit j is plus or minus unit (i xor j). So a block costs one small matrix product.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.metrics.checks import Array, check_images, check_side
from fose.metrics.strips import Recipe, Strip, Sums, mean_of, whole
from fose.metrics.universal import BLOCK, block_moments, complete_blocks

Floats = NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)  # stands for the deviation of a flat reference band


@cache
def signs(units: int) -> NDArray[np.float64]:
    """Signs s[i, j] of the Cayley-Dickson product, unit_i unit_j = s[i, j] unit_(i xor j); units is 2^n.

    From halves (a, b)(c, d) = (a c - d* b, d a + b c*), where * conjugates.
    """
    if units == 1:
        return np.ones((1, 1))
    half = signs(units // 2)
    conjugate = _conjugate(units // 2)
    return np.block([[half, half.T], [half * conjugate, -half.T * conjugate]])


def _conjugate(units: int) -> NDArray[np.float64]:
    """1, -1, -1, ...: what conjugation does to each unit."""
    return np.concatenate(([1.0], -np.ones(units - 1)))


def modulus(covariance: Floats) -> Floats:
    """Modulus of the hypercomplex covariance of x and the conjugate of y: (B, N, N) band covariances -> (B,)."""
    units = covariance.shape[-1]
    signed = covariance * (signs(units) * _conjugate(units))
    first = np.arange(units)
    parts = signed[:, first, first ^ first[:, None]].sum(axis=2)
    length: Floats = np.sqrt((parts**2).sum(axis=1))
    return length


def to_integers(image: Floats) -> Floats:
    """Round half up and saturate to 0..65535, as an image written in 16 bits is."""
    return np.floor(image.clip(0, 65535) + 0.5).clip(max=65535)


def block_q2n(reference: Floats, fused: Floats, side: int, step: int) -> Floats:
    """Q2n of every block, (blocks,), of (C, H, W) images that hold the blocks exactly."""
    bands = reference.shape[0]
    units = 1 << (bands - 1).bit_length()
    mean_x, x = block_moments(to_integers(reference), side, step)
    mean_y, y = block_moments(to_integers(fused), side, step)
    degrees = side * side - 1
    var_x = np.einsum("bcn,bcn->bc", x, x) / degrees
    var_y = np.einsum("bcn,bcn->bc", y, y) / degrees
    # Both images are shifted and scaled by the reference: (value - mean_x) / scale + 1.
    scale = np.where(mean_x == 0, 1.0, np.where(var_x == 0, EPSILON, np.sqrt(var_x)))
    covariance = np.zeros((len(x), units, units))
    covariance[:, :bands, :bands] = x @ y.transpose(0, 2, 1) / degrees / (scale[:, :, None] * scale[:, None, :])
    variances = ((var_x + var_y) / scale**2).sum(axis=1)
    # Means after scaling: 1 in each unit of the reference; absent bands are 1 in both images.
    squares = (((mean_y - mean_x) / scale + 1) ** 2).sum(axis=1) + (units - bands)
    bias = 2 * np.sqrt(units * squares) / (units + squares)
    flat = variances == 0
    quality: Floats = bias * np.where(flat, 1.0, 2 * modulus(covariance) / np.where(flat, 1.0, variances))
    return quality


def _mirror(length: int, side: int, step: int) -> tuple[int, int]:
    """Pixels to add at the end so that blocks start at every multiple of `step` below `length`."""
    count = -(-length // step)
    return 0, (count - 1) * step + side - length


def _mirror_right(strip: Strip, side: int, step: int) -> Strip:
    width = _mirror(strip.valid.shape[1], side, step)
    images = tuple(np.pad(image, ((0, 0), (0, 0), width), mode="symmetric") for image in strip.images)
    return Strip(images, np.pad(strip.valid, ((0, 0), width), mode="symmetric"))


def _mirror_bottom(strip: Strip, side: int, step: int) -> Strip:
    height = _mirror(strip.height, side, step)
    images = tuple(np.pad(image, ((0, 0), height, (0, 0)), mode="symmetric") for image in strip.images)
    return Strip(images, np.pad(strip.valid, (height, (0, 0)), mode="symmetric"))


def recipe(side: int = BLOCK, step: int = BLOCK) -> Recipe:
    """Q2n as sums over strips: of the blocks without missing pixels, and their count."""
    _check_blocks(side, step)

    def sums(strip: Strip) -> Sums:
        wide = _mirror_right(strip, side, step)
        keep = complete_blocks(wide.valid, side, step)
        reference, fused = wide.images
        return np.array([block_q2n(reference, fused, side, step)[keep].sum(), keep.sum()])

    return Recipe(
        ("reference", "fused"),
        sums,
        lambda total: float(mean_of(total)[0]),
        window=side,
        step=step,
        hold=side,  # the rows that the mirror may need
        bottom=lambda strip: _mirror_bottom(strip, side, step),
        smallest=side,
    )


def q2n(reference: Array, fused: Array, block: int = BLOCK, shift: int = BLOCK, valid: Array | None = None) -> float:
    """Q2n (Q4, Q8, ...): hypercomplex quality index on `block`-pixel squares every `shift` pixels, mean over them.

    Unitless, [0, 1], higher is better, 1 for identical images. Sees spectral and spatial error at once.
    Source: Garzelli and Nencini 2009, with the conventions of the benchmark toolbox of
    Vivone et al. 2021: images are rounded to 16-bit integers first (negative values become 0, and an image in
    0..1 loses everything: measure DN); each band is shifted and scaled by the reference block's mean and deviation;
    a band flat in the reference but not in the fused block gives 0; a block flat and equal in both gives 1.
    Border: sides that blocks do not fill are extended at the end by mirroring, the last pixel repeated.

    Arguments: `reference`, `fused` (C, H, W) DN, any C >= 1; `block`, `shift` pixels; `valid` (H, W) booleans,
    blocks that hold a missing pixel are skipped.
    Raises InputError: shapes that differ, NaN or infinity, a side under `block` pixels, no complete block.
    """
    return whole(recipe(block, shift), {"reference": reference, "fused": fused}, valid)


def q2n_map(reference: Array, fused: Array, block: int = BLOCK, shift: int = BLOCK) -> Floats:
    """Q2n of every block, (rows of blocks, columns of blocks); `q2n` is its mean. Same arguments and errors."""
    _check_blocks(block, shift)
    check_images({"reference": reference, "fused": fused})
    _, height, width = reference.shape
    check_side("height", height, block)
    check_side("width", width, block)
    planes = Strip(
        (reference.astype(np.float64), fused.astype(np.float64)), np.ones(reference.shape[1:], dtype=np.bool_)
    )
    first, second = _mirror_right(_mirror_bottom(planes, block, shift), block, shift).images
    return block_q2n(first, second, block, shift).reshape(-(-height // shift), -(-width // shift))


def _check_blocks(block: int, shift: int) -> None:
    if not 1 <= shift <= block or block < 2:
        raise InputError(
            f"block, shift: expected block of at least 2 pixels and shift of 1 to block, found {block} and {shift}; "
            "published tables use 32 and 32"
        )
