"""Geometry, radiometry and bookkeeping of samples."""

from dataclasses import fields, replace

import numpy as np
import pytest

from fose.data import Sample, Settings, Source, variant
from fose.data.simulated import radiometry
from fose.errors import InputError

SEEDS = range(12)
EXACT = Settings(
    shift_probability=0,
    band_shift_probability=0,
    noise_probability=0,
    nonlinearity=0,
    field=0,
    subsets=False,
    object_probability=0,
    hidden_probability=0,
    wide_probability=0,  # bends the bands that it makes
)


def ramp(rows: np.ndarray, cols: np.ndarray, bands: int) -> np.ndarray:
    """(C, h, w) planes without symmetry, of PAN coordinates, so steep that rounding to whole DN shifts nothing."""
    slopes = 1 + np.arange(bands)[:, None, None]
    return 500 + 391.3 * slopes * rows[:, None] + (941.7 - 171.9 * slopes) * cols


def bands_source(image: np.ndarray) -> Source:
    return Source("made-up", "naip", "made-up", "made-up", "none", (460.0, 560.0, 635.0, 860.0), image)


def pair_source(bands: int = 4, ratio: int = 2, phase: tuple[float, float] = (0.6, -0.3)) -> Source:
    """A ramp seen by both images, the MS at a phase that is no whole number."""
    pan = ramp(np.arange(600.0), np.arange(640.0), bands).mean(axis=0)
    rows, cols = (p + ratio / 2 - 0.5 + ratio * np.arange(n) for p, n in zip(phase, (300, 320), strict=True))
    wavelengths = (460.0, 560.0, 635.0, 860.0)[:bands]
    image = ramp(rows, cols, bands)
    return Source("pair", "landsat", "pair", "made-up", "none", wavelengths, image, pan, float(ratio), phase)


def plane(image: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Least-squares value at (0, 0) and slopes of a plane through an image away from its edges."""
    inner = slice(3, -3), slice(3, -3)
    row, col = (grid[inner].ravel() for grid in np.meshgrid(rows, cols, indexing="ij"))
    matrix = np.stack([np.ones_like(row), row, col], axis=1)
    return np.linalg.lstsq(matrix, np.asarray(image[inner], float).ravel(), rcond=None)[0]


def ms_centres(sample: Sample, axis: int) -> np.ndarray:
    """PAN indices of MS pixel centres, by what the sample declares."""
    return sample.phase[axis] + sample.ratio / 2 - 0.5 + sample.ratio * np.arange(sample.ms.shape[axis + 1])


def pan_indices(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(float(sample.pan.shape[0])), np.arange(float(sample.pan.shape[1]))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("source", [pair_source(), bands_source(ramp(np.arange(250.0), np.arange(280.0), 4))])
def test_a_ramp_stays_one_ramp_on_all_three_grids(source: Source, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fose.data.simulated.BITS", (16,))  # so that rounding hides nothing
    sample = variant(source, np.random.default_rng(seed), EXACT)
    grid = pan_indices(sample)
    for ms, target in zip(sample.ms, sample.target, strict=True):
        truth = plane(target, *grid)
        found = plane(ms, ms_centres(sample, 0), ms_centres(sample, 1))
        off = np.abs(found - truth) / np.abs(truth[1:]).max()
        assert off[0] < 0.01, f"MS lies {off[0]:.3f} PAN pixels off"
    # PAN is a mix of the bands plus an offset: its values are a linear function of the position as the target's are.
    pan = plane(sample.pan, *grid)
    fit = np.stack([plane(target, *grid)[1:] for target in sample.target])
    weights = np.linalg.lstsq(fit.T, pan[1:], rcond=None)[0]
    assert np.allclose(fit.T @ weights, pan[1:], rtol=1e-2)


@pytest.mark.parametrize("seed", SEEDS)
def test_pan_of_a_real_pair_lies_on_the_target(seed: int) -> None:
    sample = variant(pair_source(), np.random.default_rng(seed), EXACT)
    grid = pan_indices(sample)
    truth = plane(sample.target.mean(axis=0), *grid)
    assert plane(sample.pan, *grid) == pytest.approx(truth, abs=4)  # of some 1000 DN per pixel


def test_misregistration_moves_pan_by_no_more_than_it_says() -> None:
    settings = replace(EXACT, shift_probability=1.0, shift=0.5)
    moves = []
    for seed in range(40):
        sample = variant(pair_source(), np.random.default_rng(seed), settings)
        truth = plane(sample.target.mean(axis=0), *pan_indices(sample))
        off = plane(sample.pan, *pan_indices(sample))[0] - truth[0]
        moves.append(abs(off) / np.abs(truth[1:]).sum())
    assert 0.3 < max(moves) < 0.52


@pytest.mark.parametrize("seed", SEEDS)
def test_a_constant_image_stays_constant(seed: int) -> None:
    source = bands_source(np.full((4, 200, 200), 87, np.uint8))
    settings = Settings(noise_probability=0, field=0, object_probability=0)
    sample = variant(source, np.random.default_rng(seed), settings)
    assert np.ptp(sample.pan) <= 1  # DN: rounding of a value near one half
    assert np.ptp(sample.ms, axis=(1, 2)).max() <= 1
    assert np.abs(sample.ms.mean(axis=(1, 2)) - sample.target.mean(axis=(1, 2))).max() <= 0.51


@pytest.mark.parametrize("seed", SEEDS)
def test_shapes_agree(seed: int) -> None:
    sample = variant(pair_source(), np.random.default_rng(seed), Settings())
    count, height, width = sample.target.shape
    ratio = int(sample.ratio)
    assert sample.pan.shape == (height, width)
    assert sample.ms.shape == (count, height // ratio, width // ratio)
    assert height % (4 * ratio) == width % (4 * ratio) == 0
    assert min(height, width) >= 64
    assert max(height, width) <= 256
    assert len(sample.gains) == len(sample.wavelengths) == count
    assert all(abs(phase) <= ratio / 2 for phase in sample.phase)
    assert {image.dtype for image in (sample.pan, sample.ms, sample.target)} == {np.dtype(np.float32)}


def test_bands_keep_their_wavelengths_in_any_order() -> None:
    levels = np.array([100.0, 300.0, 900.0, 2700.0])
    texture = np.random.default_rng(0).normal(0, 1, (4, 300, 320))
    source = replace(pair_source(), ms=levels[:, None, None] + texture)
    level_of = dict(zip(source.wavelengths, levels, strict=True))
    orders = set()
    for seed in range(30):
        sample = variant(source, np.random.default_rng(seed), Settings(anonymous_probability=0))
        expected = np.array([level_of[nm] for nm in sample.wavelengths])
        assert sample.ms.mean(axis=(1, 2)) == pytest.approx(expected, rel=0.02)
        assert sample.target.mean(axis=(1, 2)) == pytest.approx(expected, rel=0.02)
        orders.add(sample.wavelengths)
    assert {len(order) for order in orders} == {1, 2, 3, 4}
    assert len(orders) > 10


def test_wavelengths_are_known_or_all_unknown_and_wide_sensors_have_eight() -> None:
    source = bands_source(np.random.default_rng(0).uniform(50, 255, (4, 200, 200)))
    settings = Settings(subsets=False)
    drawn = [variant(source, np.random.default_rng(seed), settings) for seed in range(60)]
    anonymous = [sample for sample in drawn if sample.wavelengths[0] is None]
    assert all(set(sample.wavelengths) == {None} for sample in anonymous)
    assert all(None not in sample.wavelengths for sample in drawn if sample not in anonymous)
    assert {len(sample.target) for sample in drawn} == {4, 8}
    wide = [sample for sample in drawn if len(sample.target) == 8]
    assert 0.05 < len(anonymous) / len(drawn) < 0.4
    assert 0.05 < len(wide) / len(drawn) < 0.4
    assert all(len(set(sample.wavelengths)) == 8 for sample in wide if sample not in anonymous)


def test_pan_may_see_light_that_no_band_sees() -> None:
    """Such a sensor keeps its four bands and their wavelengths; its PAN is no mixture of them."""
    source = bands_source(np.random.default_rng(0).uniform(50, 255, (4, 200, 200)))
    unexplained = {}
    for hidden in (0.0, 1.0):
        settings = replace(EXACT, hidden_probability=hidden, soft_probability=0)
        drawn = [variant(source, np.random.default_rng(seed), settings) for seed in range(12)]
        assert {len(sample.target) for sample in drawn} == {4}
        rests = []
        for sample in drawn:
            bands = np.stack([*sample.target, np.ones_like(sample.pan)]).reshape(5, -1)
            fit = np.linalg.lstsq(bands.T, sample.pan.ravel(), rcond=None)[0]
            rests.append((sample.pan.ravel() - fit @ bands).std() / sample.pan.std())
        unexplained[hidden] = np.mean(rests)
    assert unexplained[1.0] > unexplained[0.0] + 0.01


def test_haze_falls_with_wavelength() -> None:
    work = np.random.default_rng(0).uniform(0, 100, (4, 64, 64)).astype(np.float32)
    wavelengths = (460.0, 560.0, 660.0, 860.0)
    floors = [radiometry(work, wavelengths, np.random.default_rng(seed))[0] for seed in range(40)]
    shares = np.mean([image.min(axis=(1, 2)) / image.mean(axis=(1, 2)) for image in floors], axis=0)
    assert (np.diff(shares) < -0.02).all()


def test_the_same_state_gives_the_same_sample() -> None:
    first, second, other = (variant(pair_source(), np.random.default_rng(seed), Settings()) for seed in (3, 3, 4))
    for item in fields(Sample):
        assert np.array_equal(getattr(first, item.name), getattr(second, item.name))
    assert first.pan.shape != other.pan.shape or not np.array_equal(first.pan, other.pan)


def test_small_images_take_part_at_low_ratios_only() -> None:
    source = bands_source(np.random.default_rng(0).uniform(0, 255, (4, 90, 150)))
    ratios = {variant(source, np.random.default_rng(seed), Settings()).ratio for seed in range(40)}
    assert ratios == {2.0, 3.0, 4.0}
    with pytest.raises(InputError, match="64 pixels a side"):
        variant(replace(source, ms=source.ms[:, :60]), np.random.default_rng(0), Settings())


def test_settings_refuse_targets_that_hold_nothing() -> None:
    with pytest.raises(InputError, match="at least 64 pixels"):
        Settings(size=32)
