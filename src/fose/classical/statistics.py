"""Small statistics that several methods share: what counts as constant, regressions from moments, band weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.ops.moments import Moments
from fose.sharpener import Array, Scene, stack

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

CONSTANT = 1e-6  # a standard deviation below this share of the mean is rounding, not detail
AMPLIFICATION = 10.0  # a larger ratio of PAN to its low-pass, or to an intensity, is a division by almost nothing
DEPENDENT = 1e-10  # an eigenvalue below this share of the largest is a linear dependence between bands


def pan_moments(scene: Scene) -> Moments:
    """Moments of PAN (channel 0) and upsampled MS (channels 1 to C) over the valid PAN pixels of a scene."""
    return Moments.total(scene.map(lambda tile: Moments.of(tile.samples(tile.pan, tile.ms_up))))


def mixed(moments: Moments, weights: Vector, first: int = 0) -> tuple[float, float]:
    """Mean and standard deviation of a weighted sum of channels, starting at channel `first`.

    The deviation is 0 where it is no more than rounding, so that callers can test it.
    """
    channels = slice(first, first + len(weights))
    mean = moments.mean[channels]
    variance = float(weights @ moments.covariance[channels, channels] @ weights)
    floor = CONSTANT * float(np.abs(weights) @ np.abs(mean))
    return float(weights @ mean), float(np.sqrt(variance)) if variance > floor**2 else 0.0


def deviations(moments: Moments) -> Vector:
    """(K,) standard deviation of each channel, 0 where it is no more than rounding."""
    std = moments.std
    return np.where(std > CONSTANT * np.abs(moments.mean), std, 0.0)


def quotient(numerator: Vector | float, denominator: Vector | float) -> Vector:
    """Elementwise numerator / denominator, 0 where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator != 0)


def normal_solution(gram: Matrix, products: Matrix) -> Matrix:
    """(K, N) least-squares coefficients from (K, K) regressor products and (K, N) products with N responses.

    Regressors are scaled to unit norm and dependent ones dropped: the solution is the one of minimal norm in
    scaled regressors, so duplicate bands share a weight, a null band has none, and units do not matter.
    """
    scale = quotient(1.0, np.sqrt(np.diag(gram)))[:, None]
    values, vectors = np.linalg.eigh(scale * gram * scale.T)
    kept = values > DEPENDENT * max(values[-1], 0.0)
    basis = vectors[:, kept] / np.sqrt(values[kept])
    return np.asarray(scale * (basis @ (basis.T @ (scale * products))))


def regression(moments: Moments, regressors: Sequence[int], responses: Sequence[int]) -> tuple[Matrix, Vector]:
    """Slopes (K, N) and intercepts (N,) of N response channels on K regressor channels, minimal norm.

    Constant regressors get slope 0.
    """
    x, y = list(regressors), list(responses)
    covariance = moments.covariance
    varies = (deviations(moments)[x] > 0).astype(float)
    gram = covariance[np.ix_(x, x)] * np.outer(varies, varies)
    slopes = normal_solution(gram, covariance[np.ix_(x, y)] * varies[:, None])
    return slopes, moments.mean[y] - moments.mean[x] @ slopes


def gram_matrix(moments: Moments) -> Matrix:
    """(K, K) mean products of the channels, not centred."""
    return moments.scatter / max(moments.count, 1) + np.outer(moments.mean, moments.mean)


def band_weights(weights: Sequence[float] | None, bands: int) -> Vector:
    """(C,) non-negative weights summing to one; equal by default. Raises InputError for anything else."""
    if weights is None:
        return np.full(bands, 1 / bands)
    vector = np.asarray(weights, dtype=np.float64)
    if vector.shape != (bands,):
        raise InputError(f"expected {bands} weights, one per MS band, found {vector.size}; give as many as bands")
    if not (np.isfinite(vector).all() and (vector >= 0).all() and vector.sum() > 0):
        raise InputError(f"expected weights of 0 or more with a sum above 0, found {vector.tolist()}")
    return np.asarray(vector / vector.sum())


def positive_floor(mean: float | Vector) -> Vector:
    """Values at or below this are too close to zero, for a quantity of this mean, to be divided by."""
    return 1e-6 * np.abs(np.asarray(mean, dtype=np.float64)) + 1e-12


def weighted_sum(images: Array, weights: Vector) -> Array:
    """Sum of (C, H, W) images times (C,) weights: (H, W), same dtype.

    Band by band, never a matrix product, whose rounding depends on the shape of the tile.
    """
    total: Array = images[0] * float(weights[0])
    scaled = np.empty_like(total)
    for image, weight in zip(images[1:], weights[1:], strict=True):
        np.multiply(image, float(weight), out=scaled)
        total += scaled
    return total


def combine(matrix: Matrix, images: Array) -> Array:
    """Multiply (C, H, W) images by an (N, C) matrix: (N, H, W), same dtype, band by band."""
    return stack([weighted_sum(images, row) for row in matrix])


def bounded_ratio(numerator: Array, denominator: Array, floor: float, otherwise: float = 1.0) -> Array:
    """numerator / denominator, elementwise, within +-`AMPLIFICATION`; `otherwise` where the denominator is too small.

    Too small is not above `floor`, which must be positive. The toolboxes have no bounds: where an intensity above
    haze comes close to zero, as it does in the darkest pixels of a scene, theirs gives spikes of any size.
    """
    if denominator.min() > floor:  # the rule, and the same quotients with half the passes
        ratio = numerator / denominator
        return np.asarray(np.clip(ratio, -AMPLIFICATION, AMPLIFICATION, out=ratio))
    ratio = np.maximum(denominator, floor)
    np.divide(numerator, ratio, out=ratio)
    np.clip(ratio, -AMPLIFICATION, AMPLIFICATION, out=ratio)
    np.copyto(ratio, otherwise, where=denominator <= floor)
    return ratio
