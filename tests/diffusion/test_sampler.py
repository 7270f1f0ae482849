"""The diffusion mathematics against a case that can be solved: Gaussian data, whose best denoiser is known."""

import numpy as np
import pytest

from fose.diffusion.sampler import ddim
from fose.diffusion.schedule import cosine, noised, timesteps

MEAN, STD = 1.7, 0.6


def exact_denoiser(abar):
    """E[x0 | x_t] for x0 ~ N(MEAN, STD^2)."""

    def denoise(x, t):
        level = abar[t]
        gain = np.sqrt(level) * STD**2 / (level * STD**2 + 1 - level)
        return MEAN + gain * (x - np.sqrt(level) * MEAN)

    return denoise


def test_schedule_falls_from_signal_to_noise():
    abar = cosine()
    assert len(abar) == 1000
    assert np.all(np.diff(abar) < 0)
    assert abar[0] > 0.999
    assert abar[-1] < 1e-5
    assert abar[499] == pytest.approx(np.cos((0.5 + 0.008) / 1.008 * np.pi / 2) ** 2, rel=1e-3)


def test_noised_keeps_unit_variance():
    rng = np.random.default_rng(0)
    clean, noise = rng.normal(size=(2, 200_000))
    for level in cosine()[[10, 500, 990]]:
        assert noised(clean, noise, level).std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("count", [1, 2, 10, 50])
def test_times_run_from_last_to_first(count):
    times = timesteps(count)
    assert len(times) == count
    assert times[0] == 999
    assert count == 1 or times[-1] == 0
    assert times == sorted(times, reverse=True)


def test_sampling_reproduces_the_distribution():
    abar = cosine()
    start = np.random.default_rng(1).normal(size=100_000)
    sample = ddim(exact_denoiser(abar), start, abar, 200)
    assert sample.mean() == pytest.approx(MEAN, abs=0.02)
    assert sample.std() == pytest.approx(STD, rel=0.03)


def test_more_steps_come_closer():
    """Convergence: the spread of the sample approaches the data's as steps grow."""
    abar = cosine()
    start = np.random.default_rng(2).normal(size=50_000)
    errors = [abs(ddim(exact_denoiser(abar), start, abar, count).std() - STD) for count in (5, 20, 80)]
    assert errors[0] > errors[1] > errors[2]


def test_one_step_is_the_mean():
    abar = cosine()
    assert ddim(exact_denoiser(abar), np.zeros(3), abar, 1) == pytest.approx(np.full(3, MEAN), abs=0.01)
