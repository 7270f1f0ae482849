import numpy as np
import pytest

from fose.classical import haze as module
from fose.classical.haze import band_shares, haze

FOUR_BANDS = (480.0, 545.0, 660.0, 830.0)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 1, 0, 3), (3, 0, 2, 1)])
def test_shares_follow_the_wavelength(order):
    shares = band_shares(tuple(FOUR_BANDS[k] for k in order))
    np.testing.assert_array_equal(shares, np.array([0.95, 0.45, 0.40, 0.05])[list(order)])


@pytest.mark.parametrize(
    "wavelengths",
    [(480.0, 545.0, 660.0), (480.0, 545.0, 660.0, None), (480.0, 490.0, 660.0, 830.0), (480.0, 545.0, 660.0, 1600.0)],
)
def test_other_bands_have_no_shares(wavelengths):
    assert band_shares(wavelengths) is None


def test_haze_is_a_share_of_the_first_percentile_of_all_pixels(make_scene, make_landscape):
    pan, ms = make_landscape(4, 2, dtype=np.float64)
    scene = make_scene(pan, ms, side=7, wavelengths=FOUR_BANDS)
    up = ms.repeat(2, axis=1).repeat(2, axis=2).reshape(4, -1)
    expected = [0.95, 0.45, 0.40, 0.05] * np.percentile(up, 1, axis=1, method="hazen")
    np.testing.assert_allclose(haze(scene, pan.size), expected)


def test_haze_of_other_bands_is_their_minimum(make_scene, make_landscape):
    pan, ms = make_landscape(4)
    np.testing.assert_array_equal(haze(make_scene(pan, ms, side=7), pan.size), ms.min(axis=(1, 2)))


def test_a_sample_stands_for_a_large_scene(make_scene, make_landscape, monkeypatch):
    pan, ms = make_landscape(4, 2, (60, 60))
    scene = make_scene(pan, ms, side=20, wavelengths=FOUR_BANDS)
    exact = haze(scene, pan.size)
    monkeypatch.setattr(module, "SAMPLE_LIMIT", pan.size // 7)
    np.testing.assert_allclose(haze(scene, pan.size), exact, rtol=0.05)


def test_a_scene_without_pixels_has_no_haze(make_scene, make_landscape):
    np.testing.assert_array_equal(haze(make_scene(*make_landscape(3)), 0), np.zeros(3))
