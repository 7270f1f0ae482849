"""Filling holes: valid pixels untouched, constants kept, local, and the same in every window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fose.ops.fill import fill_margin, fill_missing


def holes(seed, shape=(50, 60), share=0.9):
    """Scattered missing pixels and one large hole."""
    rng = np.random.default_rng(seed)
    valid = rng.random(shape) < share
    row, col = rng.integers(0, shape[0] - 15), rng.integers(0, shape[1] - 15)
    valid[row : row + 15, col : col + 11] = False
    return valid


@given(seed=st.integers(0, 1000), reach=st.integers(0, 20), value=st.sampled_from([0, 7, 1000, 65535]))
@settings(max_examples=30)
def test_a_constant_stays_that_constant(seed, reach, value):
    valid = holes(seed)
    image = np.where(valid, np.float32(value), np.float32(np.nan))
    filled = fill_missing(image, valid, reach)
    assert set(np.unique(filled)) <= {0.0, float(value)}
    assert np.array_equal(filled[valid], image[valid])


@pytest.mark.parametrize("reach", [0, 1, 2, 3, 4, 7, 8, 13])
def test_pixels_within_reach_are_filled(reach):
    """Chebyshev distance from one valid pixel, in the middle and in a corner."""
    for row, col in ((30, 33), (0, 0)):
        valid = np.zeros((61, 67), bool)
        valid[row, col] = True
        filled = fill_missing(np.where(valid, 9.0, np.nan), valid, reach)
        distance = np.maximum(abs(np.arange(61) - row)[:, None], abs(np.arange(67) - col)[None, :])
        assert (filled[distance <= reach] == 9).all()
        assert (filled[distance > fill_margin(reach)] == 0).all()
        assert fill_margin(reach) >= reach


@given(seed=st.integers(0, 1000), reach=st.integers(1, 8), row=st.integers(0, 40), col=st.integers(0, 50))
@settings(max_examples=30)
def test_a_window_with_its_margin_fills_as_the_whole_does(seed, reach, row, col):
    valid = holes(seed, (90, 100), 0.3)
    image = np.random.default_rng(seed).normal(1000, 200, valid.shape).astype(np.float32)
    margin = fill_margin(reach)
    whole = fill_missing(image, valid, reach)
    top, left = row + margin, col + margin
    outer = slice(row, top + 20 + margin), slice(col, left + 20 + margin)
    part = fill_missing(image[outer], valid[outer], reach)
    inner = slice(margin, margin + min(20, 90 - margin - top)), slice(margin, margin + min(20, 100 - margin - left))
    height, width = part[inner].shape
    assert np.array_equal(part[inner], whole[top : top + height, left : left + width])


def test_filled_values_lie_between_their_neighbours_and_the_input_is_kept():
    valid = holes(3)
    image = np.random.default_rng(3).uniform(100, 200, valid.shape)
    before, mask = image.copy(), valid.copy()
    filled = fill_missing(image, valid, 16)
    assert np.array_equal(image, before)
    assert np.array_equal(valid, mask)
    assert filled.min() >= 100
    assert filled.max() <= 200


def test_missing_values_are_never_read():
    valid = holes(4)
    image = np.random.default_rng(4).uniform(100, 200, valid.shape)
    poisoned = np.where(valid, image, np.nan)
    assert np.array_equal(fill_missing(image, valid, 5), fill_missing(poisoned, valid, 5))


def test_all_missing_is_zero():
    assert not fill_missing(np.full((9, 9), np.nan), np.zeros((9, 9), bool), 3).any()
