"""The noise schedule: x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps.

Cosine schedule of Nichol and Dhariwal (2021), "Improved denoising diffusion probabilistic models", equation 17, with
s = 0.008 and beta <= 0.999, T = 1000, as in SSDiff (Zhong et al. 2024, arXiv 2404.11537).
"""

from itertools import pairwise
from math import cos, pi

import numpy as np
from numpy.typing import NDArray

STEPS = 1000


def cosine(steps: int = STEPS, offset: float = 0.008, largest_beta: float = 0.999) -> NDArray[np.float64]:
    """abar_t for t = 0..steps-1, falling from nearly 1 to nearly 0."""
    level = [cos((t / steps + offset) / (1 + offset) * pi / 2) ** 2 for t in range(steps + 1)]
    beta = [min(1 - after / before, largest_beta) for before, after in pairwise(level)]
    return np.cumprod(1 - np.array(beta))


def noised(clean: NDArray[np.floating], noise: NDArray[np.floating], abar: float) -> NDArray[np.floating]:
    """x_t from x0 and unit Gaussian noise of its shape."""
    return np.asarray(np.sqrt(abar) * clean + np.sqrt(1 - abar) * noise)


def timesteps(count: int, steps: int = STEPS) -> list[int]:
    """`count` steps from the last to the first, evenly spaced: the times that a sampler visits."""
    return [round(t) for t in np.linspace(steps - 1, 0, count)] if count > 1 else [steps - 1]
