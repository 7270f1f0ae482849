"""Turning an image, and cutting a piece with its surroundings out of it; only what is needed is converted.

A piece is always counted from the target's first pixel: context before it has negative indices.
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from fose.data.sample import Array
from fose.data.sources import Pixels, Source
from fose.ops.resample import KERNELS, AxisMap, Kernel, resample

Rng = np.random.Generator
Point = tuple[float, float]


@dataclass(frozen=True)
class View:
    """A source seen from one of eight sides: arrays are views, the phase follows."""

    ms: Pixels
    pan: Pixels | None
    phase: Point


def turned(source: Source, rng: Rng) -> View:
    """One of the eight flips and quarter turns."""
    ms, pan = source.ms, source.pan
    corner = list(source.phase)
    for axis in (0, 1):
        if rng.random() < 0.5:
            ms = np.flip(ms, axis + 1)
            if pan is not None:
                corner[axis] = pan.shape[axis] - source.ratio * ms.shape[axis + 1] - corner[axis]
                pan = np.flip(pan, axis)
    if rng.random() < 0.5:
        ms, corner = ms.transpose(0, 2, 1), corner[::-1]
        pan = None if pan is None else pan.T
    return View(ms, pan, (corner[0], corner[1]))


@dataclass(frozen=True)
class Crop:
    """A target's place in an image: first pixel (row, column), side lengths, and context kept around it, in pixels."""

    first: tuple[int, int]
    shape: tuple[int, int]
    margin: int

    @property
    def origin(self) -> tuple[int, int]:
        """Index of the first pixel of the context, where the target begins at (0, 0)."""
        return -self.margin, -self.margin

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the target, counted from its own first pixel."""
        return slice(0, self.shape[0]), slice(0, self.shape[1])


def spare(available: tuple[int, ...], ratio: int, least: int) -> float:
    """How many times larger an image is than a crop of `least` pixels a side with its context; below 1: too small."""
    unit = 4 * ratio
    return min(available) / (ceil(least / unit) * unit + unit)


def place(available: tuple[int, ...], ratio: int, largest: int, rng: Rng) -> Crop:
    """A random place for a target of whole 4 x 4 MS pixels, with two MS pixels of context on each side.

    available: rows and columns of the image, at least 8 MS pixels; ratio: target pixels per MS pixel; largest: side
    of a target in pixels, at least 4 MS pixels.
    """
    margin, unit = 2 * ratio, 4 * ratio
    shape = [min(largest, size - 2 * margin) // unit * unit for size in available]
    first = [int(rng.integers(margin, size - margin - n + 1)) for size, n in zip(available, shape, strict=True)]
    return Crop((first[0], first[1]), (shape[0], shape[1]), margin)


def with_context(image: Pixels, crop: Crop) -> Array:
    """(C, H + 2 margin, W + 2 margin) float32: the crop and its context."""
    rows, cols = (
        slice(first - crop.margin, first + n + crop.margin) for first, n in zip(crop.first, crop.shape, strict=True)
    )
    return np.asarray(image[:, rows, cols], np.float32)


def shrunk(image: Pixels, crop: Crop, factor: float) -> Array:
    """The crop with its context from an image made `factor` times smaller, without aliasing, never negative."""
    lanczos = KERNELS["lanczos"]
    kernel = Kernel("shrink", lanczos.radius * factor, lambda t: lanczos.weight(t / factor))
    axes = [AxisMap(factor * (first - crop.margin + 0.5) - 0.5, factor) for first in crop.first]
    shape = (crop.shape[0] + 2 * crop.margin, crop.shape[1] + 2 * crop.margin)
    return np.maximum(read_resampled(image, shape, (axes[0], axes[1]), kernel), 0)


def read_resampled(image: Pixels, shape: tuple[int, int], axes: tuple[AxisMap, AxisMap], kernel: Kernel) -> Array:
    """Resample (C, H, W) onto `shape` outputs from index 0, converting only the pixels that are needed."""
    reach = ceil(kernel.radius) + 1
    spans = [
        (max(0, floor(axis.start) - reach), min(size, ceil(float(axis.position(n - 1))) + reach + 1))
        for axis, n, size in zip(axes, shape, image.shape[1:], strict=True)
    ]
    part = np.asarray(image[:, slice(*spans[0]), slice(*spans[1])], np.float32)
    return resample(part, (spans[0][0], spans[1][0]), (slice(0, shape[0]), slice(0, shape[1])), axes, kernel)
