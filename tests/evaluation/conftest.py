"""Scenes in memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fose.ops.resample import KERNELS
from fose.scene.grid import array_pair
from fose.scene.scene import ArraySource, JoinedScene


@pytest.fixture
def make_scene():
    """A `JoinedScene` of arrays: make_scene(pan, ms, ratio, phase); NaN is missing."""
    with ThreadPoolExecutor(2) as pool:

        def make(pan, ms, ratio=4.0, phase=(0.0, 0.0), gains=0.3, pan_gain=0.15):
            pair = array_pair(pan.shape, ms.shape[1:], ratio, phase)
            sources = ArraySource.of(pan[None]), ArraySource.of(ms)
            gains = np.broadcast_to(np.float64(gains), len(ms))
            return JoinedScene(*sources, pair, KERNELS["lanczos"], gains, pan_gain, (None,) * len(ms), pool)

        yield make


@pytest.fixture
def images(make_pair):
    """PAN (H, W), MS (4, h, w) and the truth (4, H, W) of a made scene, float32, ratio 4."""
    truth = make_pair("images", (64, 80)).truth.astype(np.float32)
    ms = truth.reshape(4, 64, 4, 80, 4).mean(axis=(2, 4))
    return truth.mean(axis=0), ms, truth


class Damaged:
    """A method whose result has one pixel that is not a number."""

    name, halo, reach, working = "damaged", 0, 0, 2.5

    def fit(self, scene):
        return None

    def apply(self, tile, fit):
        image = tile.ms_up.copy()
        image[0, image.shape[1] // 2, image.shape[2] // 2] = np.nan
        return image


@pytest.fixture
def damaged():
    return Damaged()
