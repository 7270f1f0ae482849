"""The network as a `Sharpener`: scene statistics in `fit`, features, network and composition in `apply`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fose.ops.features import HALO, Features, Statistics, compose, features, measure
from fose.sharpener import Array, Scene, Tile

FOLD = 4  # PAN pixels per position of the folded grid, as in fose.nn.layers
# PAN pixels that a prediction depends on, on each side; measured by a test against the network itself.
RECEPTIVE_FIELD = 48
CONTEXT = RECEPTIVE_FIELD + FOLD  # and those that aligning to the folded grid may cost
# The network is evaluated on blocks of this shape, at multiples of it from the scene's first pixel, whatever the tile:
# in low precision the same pixel from another window would differ in its last bits.
BLOCK = (512, 1024)
# Blocks that the scene's edge cuts are filled up to multiples of this, for engines prepare themselves for each shape.
STEP = 256


class Engine(Protocol):
    """Whatever evaluates the network."""

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W) from (3, H, W), (C, 3, H, W), (C, 10), all float32; H and W are multiples of 4. Thread-safe."""


@dataclass(frozen=True)
class Network:
    """A sharpener that predicts the residual to the classical base with a network.

    base: start from the injected base (False: from the MS on the PAN grid, as the paper does). model: which weights and
    arithmetic the engine has, in words, so that no job is continued with others.
    """

    name: str
    engine: Engine
    base: bool = True
    model: str = ""

    halo = HALO  # MS pixels
    reach = CONTEXT  # PAN pixels beyond it

    # Features, the folded streams of both parts and their temporaries; measured, see docs/benchmarks.md.
    working = 25.0

    def fit(self, scene: Scene) -> Statistics:
        """Measure the scene, see `fose.ops.features`."""
        return measure(scene)

    def apply(self, tile: Tile, fit: Statistics) -> Array:
        """Sharpen one window: (C, H, W), float32. Only the core's pixels are the network's; the halo has the base."""
        seen = features(tile, fit)
        if not self.base:
            seen = seen.without_injection(fit.detail)
        residual = np.zeros_like(seen.base)
        if fit.detail > 0:
            core = tile.core(seen.spatial[0]).shape
            spans = [
                [(first - start, stop - start) for first, stop in _blocks(start + (size - inner) // 2, inner, block)]
                for start, size, inner, block in zip(tile.origin, residual.shape[1:], core, BLOCK, strict=True)
            ]
            for rows in spans[0]:
                for cols in spans[1]:
                    self._evaluate(seen, rows, cols, tile.origin, residual)
        return compose(seen, residual, fit)

    def _evaluate(
        self, seen: Features, rows: tuple[int, int], cols: tuple[int, int], origin: tuple[int, int], out: Array
    ) -> None:
        """Write the residual of one block, whose rows and columns are counted from the window's first pixel."""
        starts, sides = [], []
        for (first, stop), corner in zip((rows, cols), origin, strict=True):
            aligned = first - (first + corner) % FOLD
            starts.append(aligned - CONTEXT)
            sides.append(-(-(stop - aligned) // STEP) * STEP + 2 * CONTEXT)
        residual = self.engine(_cut(seen.spatial, starts, sides), _cut(seen.spectral, starts, sides), seen.conditions)
        part = tuple(slice(span[0] - start, span[1] - start) for span, start in zip((rows, cols), starts, strict=True))
        out[:, slice(*rows), slice(*cols)] = residual[(slice(None), *part)]


def _blocks(start: int, size: int, block: int) -> Iterator[tuple[int, int]]:
    """The span cut at multiples of `block`: absolute (first, stop)."""
    first = start
    while first < start + size:
        stop = min((first // block + 1) * block, start + size)
        yield first, stop
        first = stop


def _cut(image: Array, starts: list[int], sides: list[int]) -> Array:
    """(..., H, W) cut to a window that may reach beyond it, where the edge pixels are repeated."""
    inside: list[Any] = [...]
    beyond = [(0, 0)] * (image.ndim - 2)
    for start, side, size in zip(starts, sides, image.shape[-2:], strict=True):
        inside.append(slice(max(start, 0), min(start + side, size)))
        beyond.append((max(-start, 0), max(start + side - size, 0)))
    part = image[tuple(inside)]
    return np.pad(part, beyond, mode="edge") if any(map(any, beyond)) else np.ascontiguousarray(part)
