import numpy as np
import pytest

from fose.ops.lowpass import atrous, box


@pytest.mark.parametrize("filter_", [box, atrous])
@pytest.mark.parametrize("ratio", [2, 2.5, 3, 4, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pixel_does_not_depend_on_the_window(filter_, ratio, dtype):
    image = np.random.default_rng(0).uniform(0, 4000, (90, 97)).astype(dtype)
    whole, part = filter_(image, ratio), filter_(image[13:77, 21:90], ratio)
    assert whole.dtype == dtype
    np.testing.assert_array_equal(part[14:-14, 14:-14], whole[13:77, 21:90][14:-14, 14:-14])


@pytest.mark.parametrize(("ratio", "side"), [(2, 3), (2.5, 3), (3, 3), (4, 5), (5, 5), (6, 7)])
def test_box_side_follows_the_ratio(ratio, side):
    impulse = np.zeros((31, 31))
    impulse[15, 15] = 1
    found = box(impulse, ratio)
    assert np.count_nonzero(found) == side**2
    assert found[15, 15] == pytest.approx(1 / side**2)


@pytest.mark.parametrize(("ratio", "radius"), [(2, 4), (2.5, 4), (3, 8), (4, 8), (8, 12)])
def test_atrous_radius_follows_the_levels(ratio, radius):
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    assert np.count_nonzero(atrous(impulse, ratio)[20]) == 2 * radius + 1


@pytest.mark.parametrize("filter_", [box, atrous])
def test_constants_are_kept(filter_):
    np.testing.assert_allclose(filter_(np.full((20, 30), 1234.5), 4), 1234.5, rtol=1e-14)
