import numpy as np
import pytest

from fose.classical.statistics import (
    AMPLIFICATION,
    band_weights,
    bounded_ratio,
    combine,
    deviations,
    mixed,
    normal_solution,
    quotient,
    regression,
)
from fose.ops.moments import Moments


def channels(count=500, width=5, seed=0):
    random = np.random.default_rng(seed)
    return 300 + random.normal(0, 40, (width, width)) @ random.normal(0, 1, (width, count))


def test_regression_equals_least_squares():
    data = channels()
    slopes, intercepts = regression(Moments.of(data), [1, 2, 3], [0, 4])
    design = np.column_stack([*data[1:4], np.ones(data.shape[1])])
    expected = np.linalg.lstsq(design, data[[0, 4]].T, rcond=None)[0]
    np.testing.assert_allclose(slopes, expected[:3], rtol=1e-8)
    np.testing.assert_allclose(intercepts, expected[3], rtol=1e-8)


def test_dependent_regressors_share_and_constant_ones_get_nothing():
    data = channels()
    data = np.stack([data[0], data[1], 3 * data[1], np.full(data.shape[1], 9.0), data[2]])
    slopes, intercepts = regression(Moments.of(data), [1, 2, 3, 4], [0])
    alone, _ = regression(Moments.of(data), [1, 4], [0])
    np.testing.assert_allclose(slopes[:, 0], [alone[0, 0] / 2, alone[0, 0] / 6, 0, alone[1, 0]], rtol=1e-8)
    assert np.isfinite(intercepts).all()


def test_nothing_to_regress_on_gives_zero():
    np.testing.assert_array_equal(normal_solution(np.zeros((3, 3)), np.zeros((3, 2))), np.zeros((3, 2)))


@pytest.mark.parametrize("level", [1e-3, 1.0, 5000.0])
def test_rounding_is_not_contrast(level):
    random = np.random.default_rng(0)
    data = (level * (1 + 1e-7 * random.normal(size=(2, 1000)))).astype(np.float32)
    moments = Moments.of(data.astype(np.float64))
    np.testing.assert_array_equal(deviations(moments), 0)
    assert mixed(moments, np.array([0.5, 0.5]))[1] == 0


def test_mixed_is_the_mean_and_deviation_of_the_weighted_sum():
    data, weights = channels(), np.array([0.2, 0.5, 0.3])
    mean, std = mixed(Moments.of(data), weights, first=1)
    combined = weights @ data[1:4]
    assert mean == pytest.approx(combined.mean())
    assert std == pytest.approx(combined.std(ddof=1))


def test_quotient_by_zero_is_zero():
    np.testing.assert_array_equal(quotient(np.array([1.0, 2.0]), np.array([0.0, 4.0])), [0, 0.5])


def test_ratio_is_bounded_and_neutral_at_small_divisors():
    numerator = np.array([4.0, 4.0, 4.0, 4.0, -4.0])
    ratio = bounded_ratio(numerator, np.array([2.0, 0.1, 0.0, -3.0, 0.1]), 0.05)
    np.testing.assert_array_equal(ratio, [2, AMPLIFICATION, 1, 1, -AMPLIFICATION])


def test_combination_is_the_matrix_product():
    matrix, images = np.random.default_rng(0).normal(size=(3, 4)), np.random.default_rng(1).normal(size=(4, 5, 6))
    np.testing.assert_allclose(combine(matrix, images), np.tensordot(matrix, images, 1))


def test_weights_sum_to_one():
    np.testing.assert_array_equal(band_weights(None, 4), [0.25] * 4)
    np.testing.assert_array_equal(band_weights((1, 3), 2), [0.25, 0.75])
