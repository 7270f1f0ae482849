import math

import numpy as np
import pytest

from fose.errors import InputError
from fose.ops.mtf import gaussian_sigma, intensity_kernel, mtf_kernel

MS_GAINS = {
    "QB": (0.34, 0.32, 0.30, 0.22),
    "IKONOS": (0.26, 0.28, 0.29, 0.28),
    "GeoEye1": (0.23,) * 4,
    "WV4": (0.23,) * 4,
    "WV2": (0.35,) * 7 + (0.27,),
    "WV3": (0.325, 0.355, 0.360, 0.350, 0.365, 0.360, 0.335, 0.315),
    "none": (0.30,) * 4,
}
PAN_GAINS = {"QB": 0.15, "IKONOS": 0.17, "GeoEye1": 0.16, "WV4": 0.16, "WV2": 0.11, "WV3": 0.14, "none": 0.15}


@pytest.mark.parametrize("sensor", MS_GAINS)
@pytest.mark.parametrize("ratio", [2, 4])
def test_kernels_equal_the_toolbox(refvec, sensor, ratio):
    expected = np.load(refvec / "kernels" / "kernels.npz")
    for gain, kernel in zip(MS_GAINS[sensor], expected[f"ms_{sensor}_r{ratio}"], strict=True):
        np.testing.assert_allclose(mtf_kernel(gain, ratio), kernel, atol=1e-12, rtol=0)
    np.testing.assert_allclose(
        mtf_kernel(PAN_GAINS[sensor], ratio), expected[f"pan_{sensor}_r{ratio}"], atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("ratio", [2, 4])
def test_intensity_kernel_equals_the_toolbox(refvec, ratio):
    expected = np.load(refvec / "kernels" / "kernels.npz")[f"lpfiltergauss_r{ratio}"]
    np.testing.assert_allclose(intensity_kernel(ratio), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("gain", "ratio"), [(0.3, 4), (0.11, 4), (0.25, 2.5), (0.35, 2)])
def test_scene_gaussian_has_its_gain_at_the_coarse_nyquist(gain, ratio):
    offsets = np.arange(-200, 201)
    weights = np.exp(-0.5 * (offsets / gaussian_sigma(gain, ratio)) ** 2)
    response = (weights * np.cos(2 * math.pi * offsets / (2 * ratio))).sum() / weights.sum()
    assert response == pytest.approx(gain, abs=1e-3)


def test_kernels_are_shared_and_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        mtf_kernel(0.3, 4)[0, 0] = 1


@pytest.mark.parametrize("gain", [0, 1, -0.1, float("nan")])
def test_impossible_gain_is_refused(gain):
    with pytest.raises(InputError, match="between 0 and 1"):
        gaussian_sigma(gain, 4)


def test_impossible_ratio_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        mtf_kernel(0.3, 0.25)
