"""The algebra under Q2n, and Q2n on blocks whose value is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fose import metrics
from fose.metrics.hypercomplex import modulus, signs, to_integers

Pair = Callable[[int, int, int], tuple[Any, Any]]


def product(x: Any, y: Any) -> Any:
    """The Cayley-Dickson product by recursion over halves, (N, ...) numbers."""
    if len(x) == 1:
        return x * y
    half = len(x) // 2
    (a, b), (c, d) = (x[:half], x[half:]), (y[:half], y[half:])
    first = product(a, c) - product(conjugate(d), b)
    second = product(d, a) + product(b, conjugate(c))
    return np.concatenate((first, second))


def conjugate(x: Any) -> Any:
    return np.concatenate((x[:1], -x[1:]))


@pytest.mark.parametrize("units", [1, 2, 4, 8, 16])
def test_the_sign_table_multiplies_as_the_recursion(units: int) -> None:
    x, y = np.random.default_rng(units).normal(size=(2, units))
    expected = product(x, y)
    found = np.zeros(units)
    for i in range(units):
        for j in range(units):
            found[i ^ j] += signs(units)[i, j] * x[i] * y[j]
    assert found == pytest.approx(expected)


@given(st.sampled_from([1, 2, 4, 8]), st.integers(0, 1000))
def test_lengths_multiply_up_to_octonions(units: int, seed: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, units))
    outer = np.outer(x, y)[None]
    assert modulus(outer)[0] == pytest.approx(np.linalg.norm(x) * np.linalg.norm(y))


def naive_block(reference: Any, fused: Any) -> float:
    """Q2n of one block pixel by pixel, with 2^n bands and integer values."""
    count = reference[0].size
    mean, deviation = reference.mean(axis=(1, 2), keepdims=True), reference.std(axis=(1, 2), keepdims=True, ddof=1)
    x = ((reference - mean) / deviation + 1).reshape(len(reference), -1)
    y = ((fused - mean) / deviation + 1).reshape(len(reference), -1)
    mx, my = x.mean(axis=1), y.mean(axis=1)
    unbiased = count / (count - 1)
    covariance = unbiased * (product(x, conjugate(y)).mean(axis=1) - product(mx, conjugate(my)))
    energy = (x**2).sum(axis=0).mean() + (y**2).sum(axis=0).mean()
    squares = mx @ mx + my @ my
    variances = unbiased * (energy - squares)
    bias = 2 * np.linalg.norm(mx) * np.linalg.norm(my) / squares
    return float(np.linalg.norm(covariance) * bias * 2 / variances)


@pytest.mark.parametrize("bands", [1, 2, 4, 8, 16])
def test_q2n_follows_its_definition(pair: Pair, bands: int) -> None:
    reference, fused = pair(bands, 32, 32)
    fused = fused.round().clip(0)
    assert metrics.q2n(reference, fused) == pytest.approx(naive_block(reference, fused), rel=1e-9)


def test_integers_round_half_up_and_saturate() -> None:
    assert to_integers(np.array([-3.0, 0.49, 0.5, 1.5, 65534.6, 7e4])).tolist() == [0, 0, 1, 2, 65535, 65535]


def test_q2n_is_the_mean_of_its_map(pair: Pair) -> None:
    reference, fused = pair(3, 70, 101)
    found = metrics.q2n_map(reference, fused, block=32, shift=16)
    assert found.shape == (5, 7)
    assert metrics.q2n(reference, fused, block=32, shift=16) == pytest.approx(found.mean(), rel=1e-12)


def test_sides_that_blocks_do_not_fill_are_mirrored(pair: Pair) -> None:
    reference, fused = pair(4, 33, 50)
    border = ((0, 0), (0, 31), (0, 14))
    mirrored = (np.pad(image, border, mode="symmetric") for image in (reference, fused))
    assert metrics.q2n(reference, fused) == pytest.approx(metrics.q2n(*mirrored), rel=1e-12)


def test_flat_blocks_have_a_documented_value() -> None:
    flat = np.full((3, 32, 32), 7.0)
    assert metrics.q2n(flat, flat) == 1
    assert metrics.q2n(0 * flat, 0 * flat) == 1
    assert metrics.q2n(flat, flat + 5) == pytest.approx(0, abs=1e-12)


def test_bands_of_zeros_change_nothing_up_to_the_next_power_of_two(pair: Pair) -> None:
    reference, fused = pair(3, 32, 64)
    grown = (np.concatenate((image, np.zeros((1, 32, 64)))) for image in (reference, fused))
    assert metrics.q2n(*grown) == pytest.approx(metrics.q2n(reference, fused), rel=1e-12)
