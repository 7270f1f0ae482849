"""What the network sees: laws of the statistics, of the injected base and of the modulation."""

import numpy as np
import pytest
from scipy import ndimage

from fose.ops import features as module
from fose.ops.features import CONDITIONS, LARGEST_MODULATION, SPATIAL, SPECTRAL, compose, features, measure, modulation
from fose.ops.features import residual as residual_of

RATIO = 4
SIDE = 256  # PAN pixels


def noise(seed, sigma, side=SIDE):
    """(side, side) smooth noise of unit spread."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), sigma, mode="wrap")
    return image / image.std()


def degraded(synth, bands):
    """(C, H, W) sharp bands as the MS sees them, through the MTF that the scene declares."""
    with synth.joined(bands[0], bands[:, ::RATIO, ::RATIO]) as scene:
        tile = scene.tile(synth.whole_window(bands.shape[1:]), 0)
        low = tile.ms_samples(*(tile.degrade(band.astype(np.float32), [0.3]) for band in bands))
    return low.reshape(-1, *(side // RATIO for side in bands.shape[1:]))


def seen(synth, pan, ms):
    """Statistics and features of a whole scene in memory."""
    with synth.joined(pan.astype(np.float32), ms.astype(np.float32)) as scene:
        fit = measure(scene)
        tile = scene.tile(synth.whole_window(pan.shape), 0)
        return fit, features(tile, fit), tile.ms_up


def inner(image):
    """Away from the border, where operators are approximate."""
    return image[..., 40:-40, 40:-40]


@pytest.fixture(scope="module")
def textured(synth):
    """PAN and three bands that it does not quite explain."""
    shared = noise(1, 1.0) * 60 + noise(2, 8) * 80
    sharp = np.stack([600 + 100 * k + (0.5 + 0.4 * k) * shared + 40 * noise(3 + k, 3) for k in range(3)])
    return sharp.mean(axis=0) + 15 * noise(9, 1.0), degraded(synth, sharp)


def test_modulation_is_one_on_average_and_bounded():
    bands, pan = np.zeros((2, 4, 5), np.float32), np.zeros((4, 5), np.float32)
    assert np.array_equal(modulation(bands, pan, np.array([-2.0, -0.5]), -1.5), np.ones_like(bands))
    random = np.random.default_rng(0)
    wild = (random.normal(0, 30, (2, 64, 64)).astype(np.float32), random.normal(0, 30, (64, 64)).astype(np.float32))
    found = modulation(*wild, np.array([-2.0, -0.5]), -1.5)
    assert found.min() == 0
    assert found.max() == LARGEST_MODULATION


def test_modulation_is_one_where_haze_is_not_below_the_mean():
    random = np.random.default_rng(0)
    bands, pan = random.normal(size=(2, 8, 8)).astype(np.float32), random.normal(size=(8, 8)).astype(np.float32)
    assert np.array_equal(modulation(bands, pan, np.array([-2.0, -2.0]), 0.0), np.ones_like(bands))
    mixed = modulation(bands, pan, np.array([0.3, -2.0]), -2.0)
    assert np.array_equal(mixed[0], np.ones_like(pan))
    assert not np.array_equal(mixed[1], np.ones_like(pan))


def test_gains_recover_an_additive_scene(synth, monkeypatch):
    """Every band has its own smooth picture and a constant times the same detail."""
    monkeypatch.setattr(module, "RIDGE", 0.0)
    detail = noise(1, 1.5) + noise(2, 4)  # fine, and at the scale of MS pixels, where gains are measured
    weights = np.array([40.0, 60.0, 80.0])
    own = 200 + 200 * np.exp(0.8 * np.stack([noise(5 + k, 32) for k in range(3)]))
    sharp = own + weights[:, None, None] * detail
    pan, ms = sharp.mean(axis=0), degraded(synth, sharp)
    fit, found, ms_up = seen(synth, pan, ms)
    expected = weights / weights.mean() * fit.pan_std / fit.std
    assert fit.constant_gain == pytest.approx(expected, rel=0.1)
    assert (np.abs(fit.modulated_gain) < 0.1 * expected).all()
    assert (fit.likeness > 0.95).all()
    error = compose(found.base, np.zeros_like(found.base), fit) - sharp
    assert inner(error).std() < 0.2 * inner(ms_up - sharp).std()


def test_gains_recover_a_scene_in_proportion_above_haze(synth, monkeypatch):
    """Every band is a smooth colour times one brightness; haze is where `measure` believes it to be."""
    monkeypatch.setattr(module, "RIDGE", 0.0)
    brightness = 150 * np.exp(0.25 * noise(1, 1.5) + 0.25 * noise(2, 4) + 0.4 * noise(3, 12))
    colour = np.exp(0.8 * np.stack([noise(5 + k, 24) for k in range(3)]))
    colour /= colour.mean(axis=0)
    light = colour * brightness
    # Unknown wavelengths: haze is half the dark level, so haze equal to the darkest light above it is found.
    haze = np.quantile(degraded(synth, light), module.DARK, axis=(1, 2))
    sharp = light + haze[:, None, None]
    fit, found, ms_up = seen(synth, sharp.mean(axis=0), degraded(synth, sharp))
    assert fit.haze * fit.std + fit.mean == pytest.approx(haze, rel=0.15)
    assert fit.pan_haze * fit.pan_std + fit.pan_mean == pytest.approx(haze.mean(), rel=0.15)
    expected = light.mean(axis=(1, 2)) / brightness.mean() * fit.pan_std / fit.std
    assert fit.modulated_gain == pytest.approx(expected, rel=0.1)
    assert (np.abs(fit.constant_gain) < 0.1 * expected).all()
    error = compose(found.base, np.zeros_like(found.base), fit) - sharp
    assert inner(error).std() < 0.2 * inner(ms_up - sharp).std()


@pytest.mark.parametrize("what", ["everything", "pan", "ms"])
def test_constant_images_give_finite_features_and_no_injection(synth, textured, what):
    pan, ms = textured
    pan = np.full_like(pan, 700) if what != "ms" else pan
    ms = np.full_like(ms, 300) if what != "pan" else ms
    fit, found, ms_up = seen(synth, pan, ms)
    for image in (found.spatial, found.spectral, found.conditions):
        assert np.isfinite(image).all()
    sharp = compose(found.base, np.zeros_like(found.base), fit)
    assert np.abs(sharp - ms_up).max() < 1e-2


def test_gains_of_digital_numbers_drop_out(synth, textured):
    pan, ms = textured
    factors = np.array([0.1, 3.0, 17.0])[:, None, None]
    _, one, _ = seen(synth, pan, ms)
    _, two, _ = seen(synth, 5 * pan, factors * ms)
    for before, after in ((one.spatial, two.spatial), (one.spectral, two.spectral), (one.conditions, two.conditions)):
        np.testing.assert_allclose(after, before, atol=2e-3)


def test_offsets_of_digital_numbers_move_only_what_haze_decides(synth, textured):
    """Haze is a share of the dark level, so the modulation, and the base through it, may follow an offset."""
    pan, ms = textured
    fit, one, _ = seen(synth, pan, ms)
    moved_fit, two, _ = seen(synth, pan + 500, ms + np.array([30.0, 200.0, -100.0])[:, None, None])
    np.testing.assert_allclose(two.spatial, one.spatial, atol=2e-3)
    np.testing.assert_allclose(two.spectral[:, 1], one.spectral[:, 1], atol=2e-3)
    unmoved = [0, 1, 2, 3, 4, 5, 8]  # all but the injection gains and haze
    np.testing.assert_allclose(two.conditions[:, unmoved], one.conditions[:, unmoved], atol=2e-3)
    assert not np.allclose(fit.haze, moved_fit.haze, atol=0.1)
    np.testing.assert_allclose(two.base, one.base, atol=0.5)


def test_band_order_permutes_the_features(synth, textured):
    pan, ms = textured
    order = [2, 0, 1]
    _, one, _ = seen(synth, pan, ms)
    _, two, _ = seen(synth, pan, ms[order])
    assert one.spatial.shape == (SPATIAL, SIDE, SIDE)
    assert one.spectral.shape == (3, SPECTRAL, SIDE, SIDE)
    assert one.conditions.shape == (3, CONDITIONS)
    np.testing.assert_allclose(two.spatial, one.spatial, atol=1e-4)
    np.testing.assert_allclose(two.spectral, one.spectral[order], atol=1e-4)
    np.testing.assert_allclose(two.conditions, one.conditions[order], atol=1e-5)


def test_statistics_do_not_depend_on_threads(synth):
    """1100 pixels are four tiles of statistics."""
    shared = noise(1, 2, 1104)
    pan, ms = (500 + 90 * shared).astype(np.float32), (300 + 50 * shared[::RATIO, ::RATIO]).astype(np.float32)[None]
    fits = []
    for threads in (1, 3):
        with synth.joined(pan, np.concatenate([ms, ms**0.9]), threads=threads) as scene:
            fits.append(measure(scene))
    for name, value in vars(fits[0]).items():
        assert np.array_equal(value, getattr(fits[1], name)), name


def test_compose_undoes_residual(synth, textured):
    pan, ms = textured
    fit, found, ms_up = seen(synth, pan, ms)
    target = ms_up + 30 * noise(4, 1)
    clean = residual_of(found.base, target.astype(np.float32), fit)
    np.testing.assert_allclose(compose(found.base, clean, fit), target, atol=1e-2)


def test_without_injection_the_base_is_the_ms(synth, textured):
    _, found, _ = seen(synth, *textured)
    assert np.array_equal(found.without_injection.base, found.spectral[:, 1])
    assert found.without_injection.spectral.shape == found.spectral.shape
