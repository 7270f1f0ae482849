"""A small tiled scene: simple exact operators, so that laws of tiles and of constants can be tested bit for bit."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pytest

from fose.sharpener import stack


@dataclass(frozen=True)
class Window:
    """An MS window [top, bottom) x [left, right) of the scene: the core, grown by a halo where there is scene."""

    pan: np.ndarray
    ms: np.ndarray
    ratio: int
    margins: tuple[slice, slice]  # the core within the window, MS pixels

    @cached_property
    def ms_up(self):
        return self.upsample(self.ms)

    def upsample(self, image):
        return image.repeat(self.ratio, axis=-2).repeat(self.ratio, axis=-1)

    def degrade(self, image, gains):
        ratio = self.ratio
        total = np.zeros((image.shape[0] // ratio, image.shape[1] // ratio), image.dtype)
        for row in range(ratio):
            for column in range(ratio):
                total += image[row::ratio, column::ratio]
        total /= ratio * ratio
        return np.stack([total] * len(gains))

    def blur_ms(self, image, gains):
        padded = np.pad(image, [(0, 0), (1, 1), (1, 1)], mode="edge")
        rows = padded[:, :-2] + padded[:, 2:] + 2 * padded[:, 1:-1]
        return (rows[..., :-2] + rows[..., 2:] + 2 * rows[..., 1:-1]) / 16

    def core(self, image):
        rows, columns = (slice(self.ratio * s.start, self.ratio * s.stop) for s in self.margins)
        return image[..., rows, columns]

    def samples(self, *images):
        stacked = self.core(stack(images))
        return stacked.reshape(len(stacked), -1).astype(np.float64)

    def ms_samples(self, *images):
        stacked = stack(images)[:, *self.margins]
        return stacked.reshape(len(stacked), -1).astype(np.float64)


@dataclass(frozen=True)
class TiledScene:
    """PAN (H, W) and MS (C, h, w) cut in tiles of `side` MS pixels; pixels averaged down, repeated up."""

    pan: np.ndarray
    ms: np.ndarray
    side: int = 1000
    gains: np.ndarray = field(default=None)
    wavelengths: tuple = None
    pan_gain: float = 0.15

    def __post_init__(self):
        if self.gains is None:
            object.__setattr__(self, "gains", np.linspace(0.25, 0.35, len(self.ms)))
        if self.wavelengths is None:
            object.__setattr__(self, "wavelengths", (None,) * len(self.ms))

    @property
    def bands(self):
        return len(self.ms)

    @property
    def ratio(self):
        return self.pan.shape[0] // self.ms.shape[1]

    def map(self, function, halo=0, sample=False):
        return (function(window) for _, window in self.windows(halo))

    def windows(self, halo):
        height, width = self.ms.shape[1:]
        for top in range(0, height, self.side):
            for left in range(0, width, self.side):
                rows, row_core = grow(top, min(top + self.side, height), halo, height)
                columns, column_core = grow(left, min(left + self.side, width), halo, width)
                pan = self.pan[scaled(rows, self.ratio), scaled(columns, self.ratio)]
                window = Window(pan, self.ms[:, rows, columns], self.ratio, (row_core, column_core))
                yield (top, left), window

    def apply(self, method, fit):
        sharp = np.empty((self.bands, *self.pan.shape), self.pan.dtype)
        for (top, left), window in self.windows(method.halo):
            core = window.core(method.apply(window, fit))
            assert core.dtype == self.pan.dtype
            row, column = self.ratio * top, self.ratio * left
            sharp[:, row : row + core.shape[1], column : column + core.shape[2]] = core
        return sharp

    def sharpen(self, method):
        return self.apply(method, method.fit(self))


def grow(start, stop, halo, size):
    low, high = max(start - halo, 0), min(stop + halo, size)
    return slice(low, high), slice(start - low, stop - low)


def scaled(window, ratio):
    return slice(window.start * ratio, window.stop * ratio)


def landscape(bands, ratio=4, size=(24, 20), dtype=np.float32, seed=0):
    """PAN and MS of one smooth random scene with fine detail, all DN between 100 and 2000."""
    random = np.random.default_rng(seed)
    rows, columns = (np.arange(n * ratio) / ratio for n in size)
    detail = random.normal(0, 60, (size[0] * ratio, size[1] * ratio))
    base = 800 + 200 * np.sin(rows[:, None] / 3) + 150 * np.cos(columns / 2 + rows[:, None] / 5) + detail
    mixes = random.uniform(0.4, 1.2, (bands, 1, 1))
    fine = mixes * base + random.normal(0, 20, (bands, *base.shape))
    fine += 40 * np.sin(columns / random.uniform(1, 4, (bands, 1, 1)))
    ms = fine.reshape(bands, size[0], ratio, size[1], ratio).mean(axis=(2, 4))
    return base.clip(100, 2000).astype(dtype), ms.clip(100, 2000).astype(dtype)


@pytest.fixture(scope="session")
def make_scene():
    """Build a tiled scene of arrays: make_scene(pan, ms, side, ...)."""
    return TiledScene


@pytest.fixture(scope="session")
def make_landscape():
    """Build a random PAN and MS pair: make_landscape(bands, ratio, size, dtype, seed)."""
    return landscape
