import numpy as np
import pytest

from fose.errors import InputError
from fose.ops import reference
from fose.ops.lowpass import atrous

GAINS = {"wv2_m": (0.35,) * 7 + (0.27,), "ik_m": (0.26, 0.28, 0.29, 0.28), "ge1_m": (0.23,) * 4}
PAN_GAIN = {"wv2_m": 0.11, "ik_m": 0.17, "ge1_m": 0.16}


def load(refvec, case):
    inputs = np.load(refvec / case / "inputs.npz")
    ms, pan = inputs["ms_lr"].astype(float).transpose(2, 0, 1), inputs["pan"].astype(float)
    return ms, pan, np.load(refvec / case / "operators.npz"), inputs


def close(found, expected):
    if expected.ndim == 3:
        expected = expected.transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("case", GAINS)
def test_operators_equal_the_toolbox(refvec, case):
    ms, pan, expected, inputs = load(refvec, case)
    close(reference.mtf_filter(ms, GAINS[case], 4), expected["mtf_ms_filtered"])
    close(reference.mtf_filter(pan[None], [PAN_GAIN[case]], 4)[0], expected["mtf_pan_filtered"])
    close(reference.intensity_filter(pan, 4), expected["lpfiltergauss_pan"])
    close(atrous(pan, 4), expected["atwt_lowpass_pan"])
    low_ms, low_pan = reference.wald_reduce(ms, pan, GAINS[case], 4)
    close(low_ms, expected["wald_ms_lr"])
    close(low_pan, expected["wald_pan_lr"])
    quarter = reference.imresize(pan, 1 / 4)
    close(quarter, expected["imresize_bicubic_pan_quarter"])
    close(reference.imresize(quarter, 4), expected["imresize_bicubic_up4_of_quarter"])
    close(reference.imresize(pan, 1 / 4, "bilinear"), expected["imresize_bilinear_pan_quarter"])
    close(reference.imresize(pan, 1 / 4, "nearest"), expected["imresize_nearest_pan_quarter"])
    close(reference.decimate(pan, 4), expected["imresize_nearest_pan_quarter"])
    lms = inputs["lms"].transpose(2, 0, 1)
    np.testing.assert_array_equal(reference.interpolate23(ms, 4).astype(np.float32), lms)


def test_interpolator_equals_the_toolbox(refvec):
    kernels = np.load(refvec / "kernels" / "kernels.npz")
    image = kernels["interp_in"].transpose(2, 0, 1)
    close(reference.interpolate23(image, 2), kernels["interp_x2"])
    close(reference.interpolate23(image, 4), kernels["interp_x4"])
    impulse = np.zeros((16, 16))
    impulse[7, 7] = 1
    close(reference.interpolate23(impulse, 4), kernels["interp_impulse_x4"])


@pytest.mark.parametrize("ratio", [2, 4])
def test_atrous_impulse_equals_the_toolbox(refvec, ratio):
    impulse = np.zeros((65, 65))
    impulse[32, 32] = 1
    close(atrous(impulse, ratio), np.load(refvec / "kernels" / "kernels.npz")[f"atwt_impulse_r{ratio}"])


def test_interpolated_samples_are_kept_where_decimation_takes_them():
    image = np.random.default_rng(1).uniform(0, 2000, (3, 12, 10))
    for ratio in (2, 4):
        np.testing.assert_allclose(reference.decimate(reference.interpolate23(image, ratio), ratio), image, atol=1e-2)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 2.5, 4.0, 0.3])
@pytest.mark.parametrize("method", ["bicubic", "bilinear", "nearest"])
def test_resizing_keeps_a_constant(scale, method):
    resized = reference.imresize(np.full((2, 9, 14), 7.0), scale, method)
    assert resized.shape == (2, int(np.ceil(9 * scale)), int(np.ceil(14 * scale)))
    np.testing.assert_allclose(resized, 7.0, rtol=1e-12)


def test_refusals_say_what_was_expected():
    image = np.zeros((2, 8, 8))
    with pytest.raises(InputError, match=r"2, 4, 8.*found 3"):
        reference.interpolate23(image, 3)
    with pytest.raises(InputError, match="bicubic, bilinear, nearest, found 'lanczos'"):
        reference.imresize(image, 2, "lanczos")
    with pytest.raises(InputError, match="scale above 0"):
        reference.imresize(image, 0)
    with pytest.raises(InputError, match="3 gains for 2 bands"):
        reference.mtf_filter(image, (0.3,) * 3, 4)
