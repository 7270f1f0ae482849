import numpy as np
import pytest

from fose import classical
from fose.classical.reference import ReferenceScene
from fose.errors import InputError

WEIGHTED = ("brovey", "ihs", "gs")


def test_every_method_says_what_it_is():
    assert len(classical.names()) == 19
    for name in classical.names():
        method = classical.get(name)
        assert method.name == name
        assert method.halo >= 0
        assert "(" in classical.describe(name)


def test_unknown_names_are_refused_with_the_list():
    with pytest.raises(InputError, match=r"exp, brovey, ihs.*found 'gram-schmidt'"):
        classical.get("gram-schmidt")


def test_options_that_a_method_does_not_take_are_refused():
    assert classical.options("gs") == ("weights",)
    assert classical.options("gsa") == ()
    with pytest.raises(InputError, match="method gsa: expected options none; found weights"):
        classical.get("gsa", weights=(1, 1))


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_are_checked_against_the_bands(make_scene, make_landscape, name):
    pan, ms = make_landscape(3)
    with pytest.raises(InputError, match="expected 3 weights, one per MS band, found 2"):
        classical.get(name, weights=(1, 1)).fit(make_scene(pan, ms))
    for bad in ((1, -1, 1), (0, 0, 0), (1, float("nan"), 1)):
        with pytest.raises(InputError, match="weights of 0 or more"):
            classical.get(name, weights=bad).fit(make_scene(pan, ms))


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_count_in_proportion(make_scene, make_landscape, name):
    scene = make_scene(*make_landscape(3))
    equal = scene.sharpen(classical.get(name))
    np.testing.assert_array_equal(scene.sharpen(classical.get(name, weights=(2, 2, 2))), equal)
    assert np.abs(scene.sharpen(classical.get(name, weights=(1, 0, 0))) - equal).max() > 1


def test_ihs_replaces_the_weighted_mean_by_matched_pan(make_scene, make_landscape):
    pan, ms = make_landscape(3, dtype=np.float64)
    weights = np.array([0.5, 0.3, 0.2])
    sharp = make_scene(pan, ms).sharpen(classical.get("ihs", weights=weights))
    intensity = np.tensordot(weights, sharp, 1)
    assert np.corrcoef(intensity.ravel(), pan.ravel())[0, 1] == pytest.approx(1, abs=1e-9)


def test_bdsd_pc_never_subtracts_pan(make_scene, make_landscape):
    fit = classical.get("bdsd-pc").fit(make_scene(*make_landscape(5)))
    assert (fit.pan >= 0).all()
    assert (fit.matrix - np.eye(5) <= 0).all()


@pytest.mark.parametrize(
    ("pan", "ms", "message"),
    [((8, 8), (2, 2), "put bands first"), ((9, 8), (3, 2, 2), "whole multiple"), ((6, 6), (3, 2, 2), "2, 4, 8")],
)
def test_reference_scene_refuses_shapes_that_do_not_belong_together(pan, ms, message):
    with pytest.raises(InputError, match=message):
        ReferenceScene(np.zeros(pan), np.zeros(ms))
