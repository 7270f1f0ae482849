"""Band-dependent spatial detail: each band gains a linear mixture of all bands and PAN, learnt one scale down.

At the MS scale, with everything degraded once more by the ratio, ms - blurred ms is regressed on the blurred bands
and the degraded PAN, without intercept; the coefficients are then used at the PAN scale. One model for the scene.
"""

import math
from dataclasses import dataclass

import numpy as np

from fose.classical.affine import Affine, AffineMethod
from fose.classical.low_resolution import target_ms
from fose.classical.statistics import Matrix, Vector, gram_matrix, normal_solution, quotient
from fose.ops.moments import Moments
from fose.ops.mtf import gaussian_sigma
from fose.sharpener import Scene, Tile


def low_resolution_gram(scene: Scene) -> Matrix:
    """(2C+1, 2C+1) mean products of blurred MS, degraded PAN and MS, on the MS grid."""

    def measure(tile: Tile) -> Moments:
        ms = target_ms(tile)
        blurred = tile.blur_ms(ms, scene.gains)
        pan = tile.degrade(tile.pan, (scene.pan_gain,))
        return Moments.of(tile.ms_samples(blurred, pan, ms))

    # The blur of one more ratio works on the MS grid: 4 deviations, and what resampling PAN needs.
    sigma = max(gaussian_sigma(float(gain), scene.ratio) for gain in scene.gains)
    return gram_matrix(Moments.total(scene.map(measure, math.ceil(4 * sigma) + 4)))


def _normal_equations(scene: Scene) -> tuple[Matrix, Matrix]:
    """Products of the C+1 regressors (C+1, C+1), and with the C missing details ms - blurred ms (C+1, C)."""
    gram = low_resolution_gram(scene)
    regressors = scene.bands + 1
    products = gram[:regressors, regressors:] - gram[:regressors, : scene.bands]
    return gram[:regressors, :regressors], products


def _injection(coefficients: Matrix) -> Affine:
    """The affine map ms + (ms, PAN) coefficients, from (C+1, C) coefficients with PAN last."""
    bands = coefficients.shape[1]
    return Affine(np.eye(bands) + coefficients[:bands].T, coefficients[bands], np.zeros(bands))


def _non_negative_solution(gram: Matrix, products: Vector, signs: Vector) -> Vector:
    """Least squares from normal equations with each coefficient of the given sign or zero."""
    scale = signs * quotient(1.0, np.sqrt(np.diag(gram)))
    values, vectors = np.linalg.eigh(scale[:, None] * gram * scale)
    root = np.sqrt(np.maximum(values, 1e-15 * max(values[-1], 1e-300)))
    from scipy.optimize import nnls  # 0.3 s to import: more than all else of fose

    solution, _ = nnls(root[:, None] * vectors.T, (vectors.T @ (scale * products)) / root)
    return np.asarray(scale * solution)


@dataclass(frozen=True)
class Bdsd(AffineMethod):
    """Band-dependent spatial detail with one block, the whole scene."""

    name = "bdsd"
    summary = "band-dependent spatial detail: minimum mean square error, learnt one scale down"
    paper = "Garzelli, Nencini and Capobianco (2008), TGRS 46(1)"

    def fit(self, scene: Scene) -> Affine:
        """Least squares at the MS scale; dependent bands share their coefficients."""
        return _injection(normal_solution(*_normal_equations(scene)))


@dataclass(frozen=True)
class BdsdPc(AffineMethod):
    """BDSD with physical constraints: detail enters with PAN's sign, bands are only subtracted."""

    name = "bdsd-pc"
    summary = "BDSD with PAN coefficients of 0 or more and band coefficients of 0 or less"
    paper = "Vivone (2019), Robust band-dependent spatial-detail approaches, TGRS 57(9)"

    def fit(self, scene: Scene) -> Affine:
        """Sign-constrained least squares at the MS scale."""
        gram, products = _normal_equations(scene)
        signs = np.append(np.full(scene.bands, -1.0), 1.0)
        columns = [_non_negative_solution(gram, column, signs) for column in products.T]
        return _injection(np.stack(columns, axis=1))
