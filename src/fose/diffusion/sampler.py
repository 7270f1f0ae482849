"""DDIM with eta = 0 for a denoiser that predicts x0 (Song, Meng and Ermon 2021, "Denoising diffusion implicit
models", equation 12). Works on anything with arithmetic: NumPy arrays or torch tensors."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from fose.diffusion.schedule import timesteps


def ddim(denoise: Callable[[Any, int], Any], start: Any, abar: Sequence[float], count: int) -> Any:
    """Sample x0 in `count` steps.

    denoise(x_t, t) predicts x0; start is x_T, unit Gaussian noise (or zero for the one-step student); abar[t] is the
    schedule. Each step takes the predicted x0 and the noise that it implies to the next, smaller t.
    """
    x = start
    times = timesteps(count, len(abar))
    clean = denoise(x, times[0])
    for now, after in pairwise(times):
        level, target = float(abar[now]), float(abar[after])
        noise = (x - level**0.5 * clean) / (1 - level) ** 0.5
        x = target**0.5 * clean + (1 - target) ** 0.5 * noise
        clean = denoise(x, after)
    return clean
