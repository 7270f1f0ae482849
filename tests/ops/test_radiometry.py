"""Storing: rounding, clipping at the type's own limits, nodata that only missing pixels have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fose.errors import InputError
from fose.ops.radiometry import check_nodata, store

INTEGERS = ("uint8", "uint16", "int16", "uint32", "int32")


@given(
    value=st.floats(-(2.0**40), 2.0**40, width=32),
    dtype=st.sampled_from(INTEGERS),
    computed=st.sampled_from([np.float32, np.float64]),
)
def test_integers_are_the_nearest_that_the_type_holds(value, dtype, computed):
    stored = store(np.array([value], computed), dtype)[0]
    info = np.iinfo(dtype)
    exact = round(float(computed(value)))  # Python rounds half to even, as IEEE does
    expected = min(max(exact, info.min), info.max)
    # Beyond 2^24 float32 has no integer at the type's limit: the nearest one within it is stored.
    slack = 256 if computed is np.float32 and np.dtype(dtype).itemsize == 4 and expected in (info.min, info.max) else 0
    assert stored.dtype == dtype
    assert abs(int(stored) - expected) <= slack


def test_half_goes_to_even():
    assert store(np.array([0.5, 1.5, 2.5, -0.5, -1.5]), "int16").tolist() == [0, 2, 2, 0, -2]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_limits_are_clipped_not_wrapped(dtype):
    info = np.iinfo(dtype)
    low, high = store(np.array([-1e20, 1e20]), dtype)
    assert (low, high) == (info.min, info.max)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_kept_as_they_are(dtype):
    values = np.array([-1.5, 0.1, 3e30], np.float32)
    stored = store(values.copy(), dtype)
    assert stored.dtype == dtype
    assert np.array_equal(stored, values.astype(dtype))


@pytest.mark.parametrize(
    ("dtype", "nodata", "neighbour"),
    [
        ("uint8", 0, 1),
        ("uint8", 255, 254),
        ("uint16", 65535, 65534),
        ("uint16", 100, 101),
        ("int16", -32768, -32767),
        ("int16", 32767, 32766),
        ("int16", -1, 0),
        ("float32", -9999.0, np.nextafter(np.float32(-9999), np.float32(0))),
        ("float64", 0.0, np.nextafter(0.0, 1.0)),
    ],
)
def test_a_valid_value_never_becomes_nodata(dtype, nodata, neighbour):
    image = np.full((2, 3), nodata, np.float64)
    missing = np.zeros((2, 3), bool)
    missing[1, 2] = True
    stored = store(image, dtype, nodata, missing)
    assert stored[1, 2] == nodata
    assert (stored[~missing] == neighbour).all()
    assert (stored[~missing] != nodata).all()


def test_clipped_values_stay_valid_too():
    stored = store(np.array([-50.0, 400.0, 17.0]), "uint8", 0, np.array([False, False, True]))
    assert stored.tolist() == [1, 255, 0]
    assert store(np.array([400.0]), "uint8", 255).tolist() == [254]


def test_missing_pixels_without_nodata_are_zero():
    assert store(np.array([5.0, 7.0]), "uint8", None, np.array([True, False])).tolist() == [0, 7]


def test_nan_nodata_marks_only_missing_floats():
    stored = store(np.array([5.0, 7.0], np.float32), "float32", float("nan"), np.array([True, False]))
    assert np.isnan(stored[0])
    assert stored[1] == 7


@pytest.mark.parametrize(
    ("nodata", "dtype"),
    [
        (-9999, "uint16"),
        (256, "uint8"),
        (0.5, "int16"),
        (float("nan"), "uint16"),
        (float("inf"), "int32"),
        (1e39, "float32"),
    ],
)
def test_nodata_that_the_type_cannot_hold_is_refused(nodata, dtype):
    with pytest.raises(InputError, match=r"nodata: expected .* for " + dtype + r".*--nodata.*--dtype"):
        check_nodata(nodata, np.dtype(dtype))


@pytest.mark.parametrize(
    ("nodata", "dtype"),
    [(-9999, "float32"), (float("nan"), "float32"), (-3.4028234663852886e38, "float32"), (float("-inf"), "float64")],
)
def test_floats_hold_special_nodata(nodata, dtype):
    value = check_nodata(nodata, np.dtype(dtype))
    assert value == np.dtype(dtype).type(nodata) or np.isnan(nodata)
