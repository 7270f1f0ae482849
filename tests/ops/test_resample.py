"""Resampling: exact whatever the window, true to position, true to constants, and what each kernel is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fose.errors import InputError
from fose.ops.resample import KERNELS, AxisMap, block_size, gaussian, kernel, resample

RATIOS = (1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
# Departure from a linear ramp, input pixels. Lanczos is no interpolator of polynomials; the others are.
RAMP_ERROR = {"nearest": 0.5, "bilinear": 1e-9, "cubic": 1e-9, "lanczos": 0.021, "lanczos6": 0.0105}


def upsampling(ratio, phase=0.0):
    return AxisMap((0.5 - phase) / ratio - 0.5, 1 / ratio)


def whole(image, shape, axes, kind):
    return resample(image, (0, 0), (slice(0, shape[0]), slice(0, shape[1])), axes, kind)


@given(
    ratio=st.sampled_from(RATIOS),
    phase=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    name=st.sampled_from(sorted(KERNELS)),
    window=st.tuples(st.integers(0, 90), st.integers(0, 120), st.integers(1, 70), st.integers(1, 130)),
    seed=st.integers(0, 9),
)
@settings(max_examples=40)
def test_a_window_equals_the_same_pixels_of_the_whole(ratio, phase, name, window, seed):
    image = np.random.default_rng(seed).normal(1000, 300, (2, 41, 53)).astype(np.float32)
    axes = tuple(upsampling(ratio, p) for p in phase)
    row, col, height, width = window
    part = resample(image, (0, 0), (slice(row, row + height), slice(col, col + width)), axes, KERNELS[name])
    full = whole(image, (row + height + 30, col + width + 17), axes, KERNELS[name])
    assert np.array_equal(part, full[:, row : row + height, col : col + width])


@given(
    ratio=st.sampled_from(RATIOS),
    phase=st.floats(-2, 2),
    col=st.integers(0, 60),
    width=st.integers(1, 40),
    margin=st.integers(0, 5),
)
@settings(max_examples=40)
def test_what_lies_beyond_the_kernel_does_not_matter(ratio, phase, col, width, margin):
    """Cropping the input to what the kernel reaches changes no bit."""
    image = np.random.default_rng(5).normal(1000, 300, (60, 90)).astype(np.float32)
    axis = upsampling(ratio, phase)
    kind = KERNELS["lanczos"]
    first = int(np.floor(axis.position(col) - kind.radius)) - margin
    last = int(np.ceil(axis.position(col + width - 1) + kind.radius)) + margin
    index = np.arange(first, last + 1)
    cropped = image[:, np.clip(index, 0, 89)]
    window = slice(0, 50), slice(col, col + width)
    expected = resample(image, (0, 0), window, (axis, axis), kind)
    assert np.array_equal(resample(cropped, (0, first), window, (axis, axis), kind), expected)


@given(
    ratio=st.sampled_from(RATIOS),
    phase=st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
    name=st.sampled_from(sorted(RAMP_ERROR)),
)
@settings(max_examples=60)
def test_a_coordinate_image_survives(ratio, phase, name):
    """An image of its own coordinates, interpolated, says where each output pixel lies: rows and columns apart."""
    h, w = 40, 46
    rows, cols = np.meshgrid(np.arange(h) + 0.5, np.arange(w) + 0.5, indexing="ij")
    image = np.stack([rows, cols, cols + 1000 * rows])
    shape = int(h * ratio), int(w * ratio)
    out = whole(image, shape, tuple(upsampling(ratio, p) for p in phase), KERNELS[name])
    y = (np.arange(shape[0]) + 0.5 - phase[0])[:, None] / ratio + np.zeros(shape)
    x = (np.arange(shape[1]) + 0.5 - phase[1])[None, :] / ratio + np.zeros(shape)
    inside = (y > 7) & (y < h - 7) & (x > 7) & (x < w - 7)
    assert inside.sum() > 400
    error = RAMP_ERROR[name] + 1e-9
    assert np.abs(out[0] - y)[inside].max() <= error
    assert np.abs(out[1] - x)[inside].max() <= error
    assert np.abs(out[2] - (x + 1000 * y))[inside].max() <= 1001 * error


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("phase", [0.0, 0.5, -1.25])
def test_degrading_a_coordinate_image_gives_the_coarse_coordinates(ratio, phase):
    shape = 130, 150
    rows, cols = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    axis = upsampling(ratio, phase).inverse
    low = gaussian(max(0.5 * ratio, 0.8))
    out = whole(np.stack([rows, cols]), (20, 23), (axis, axis), low)
    y = phase + ratio * (np.arange(20) + 0.5)
    x = phase + ratio * (np.arange(23) + 0.5)
    reach = low.radius + 1
    inside_y, inside_x = ((z > reach) & (z < 130 - reach) for z in (y, x))
    assert inside_y.sum() >= 5
    # A cut, sampled Gaussian about a point between pixels has a mean that is off by a few thousandths.
    assert np.abs(out[0][inside_y] - y[inside_y, None]).max() < 5e-3
    assert np.abs(out[1][:, inside_x] - x[inside_x]).max() < 5e-3


@given(
    value=st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    ratio=st.sampled_from(RATIOS),
    phase=st.floats(-3, 3),
    kind=st.sampled_from([*KERNELS.values(), gaussian(1.7)]),
    dtype=st.sampled_from([np.float32, np.float64]),
    degrade=st.booleans(),
)
def test_a_constant_stays_constant(value, ratio, phase, kind, dtype, degrade):
    axis = upsampling(ratio, phase)
    axis = axis.inverse if degrade else axis
    out = whole(np.full((33, 29), value, dtype), (70, 65), (axis, axis), kind)
    assert out.dtype == dtype
    assert np.allclose(out, value, rtol=8 * np.finfo(dtype).eps, atol=0)


def test_nearest_takes_exactly_one_pixel_even_midway():
    image = np.arange(12.0).reshape(1, 12) ** 2
    out = whole(image, (1, 22), (AxisMap(0, 1), AxisMap(0.25, 0.25)), KERNELS["nearest"])
    assert set(out.ravel()) <= set(image.ravel())
    midway = whole(image, (1, 20), (AxisMap(0, 1), AxisMap(0.5, 0.5)), KERNELS["nearest"])
    assert set(midway.ravel()) <= set(image.ravel())


def test_an_interpolating_kernel_returns_the_pixels_it_meets():
    image = np.random.default_rng(0).normal(size=(20, 31))
    for kind in KERNELS.values():
        out = whole(image, (20, 31), (AxisMap(0, 1), AxisMap(0, 1)), kind)
        assert np.allclose(out, image, atol=1e-12), kind.name


def test_cubic_is_keys():
    """Values of Keys' cubic, a = -1/2, at a quarter and a half pixel, by hand."""
    impulse = np.zeros((1, 21))
    impulse[0, 10] = 1
    out = whole(impulse, (1, 84), (AxisMap(0, 1), AxisMap(0, 0.25)), KERNELS["cubic"])[0]
    expected = {40: 1.0, 41: 0.8671875, 42: 0.5625, 43: 0.2265625, 44: 0.0, 45: -0.0703125, 46: -0.0625, 48: 0.0}
    for index, value in expected.items():
        assert out[index] == pytest.approx(value, abs=1e-12)
        assert out[80 - index] == pytest.approx(value, abs=1e-12)


def test_beyond_the_edge_the_last_pixel_is_repeated():
    image = np.arange(30.0).reshape(5, 6)
    window = slice(-20, -10), slice(0, 6)
    axes = AxisMap(0, 1), AxisMap(0, 1)
    assert np.array_equal(resample(image, (0, 0), window, axes, KERNELS["bilinear"]), np.tile(image[0], (10, 1)))


@given(start=st.floats(-50, 50), step=st.sampled_from([0.25, 0.4, 0.5, 1.0, 2.5, 4.0]), index=st.integers(-1000, 1000))
def test_axis_maps_invert_shift_and_rebase(start, step, index):
    axis = AxisMap(start, step)
    assert axis.inverse.position(axis.position(index)) == pytest.approx(index, abs=1e-9)
    assert axis.shifted(1.5).position(index) == pytest.approx(axis.position(index + 1.5), abs=1e-9)
    assert axis.rebased(7).position(index) == pytest.approx(axis.position(index + 7), abs=1e-9)


def test_nearest_reaches_half_an_input_pixel_beyond_the_edge_and_no_farther():
    axis = upsampling(4.0)  # 3 input pixels cover outputs 0..11; half a pixel beyond is two outputs
    assert axis.nearest(-3, 15, 3).tolist() == [-1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, -1]


def test_blocks_stay_small_when_degrading():
    assert block_size(AxisMap(0, 0.25)) == 64
    assert block_size(AxisMap(0, 4)) == 16
    assert block_size(AxisMap(0, 60)) == 8


def test_an_unknown_kernel_lists_the_known_ones():
    with pytest.raises(InputError, match=r"nearest, bilinear, cubic, lanczos, lanczos6; found 'sinc'"):
        kernel("sinc")
