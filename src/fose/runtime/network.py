"""The network as a `Sharpener`: scene statistics in `fit`, features, network and composition in `apply`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fose.ops.features import HALO, Features, Statistics, compose, features, measure
from fose.sharpener import Array, Scene, Tile

FOLD = 4  # PAN pixels per position of the folded grid, as in fose.nn.layers
# The network is evaluated on blocks of this shape, at multiples of it from the scene's first pixel, whatever the tile:
# in low precision the same pixel from another window would differ in its last bits.
BLOCK = (512, 1024)
# Blocks that the scene's edge cuts are filled up to multiples of this, for engines prepare themselves for each shape.
STEP = 256
Span = tuple[int, int]


class Engine(Protocol):
    """Whatever evaluates the network."""

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W) from (3, H, W), (C, 3, H, W), (C, 10), all float32; H and W are multiples of 4. Thread-safe."""


@dataclass(frozen=True)
class Network:
    """A sharpener that predicts the residual to the classical base with a network.

    receptive_field: PAN pixels on each side that a prediction depends on. base: start from the injected base (False:
    from the MS on the PAN grid, as the paper does). model: which weights and arithmetic the engine has, in words, so
    that no job is continued with others.
    """

    name: str
    engine: Engine
    receptive_field: int
    base: bool = True
    model: str = ""

    halo = HALO  # MS pixels

    # Features, the folded streams of both parts and their temporaries; measured, see docs/benchmarks.md.
    working = 25.0

    @property
    def reach(self) -> int:
        """PAN pixels around a block that the engine is given: what it sees, and what the folded grid may cost."""
        return self.receptive_field + FOLD

    def fit(self, scene: Scene) -> Statistics:
        """Measure the scene, see `fose.ops.features`."""
        return measure(scene)

    def apply(self, tile: Tile, fit: Statistics) -> Array:
        """Sharpen a tile's own pixels: (C, H, W), float32."""
        core = tile.core(tile.pan).shape
        around = (len(tile.pan) - core[0]) // 2  # PAN pixels of the window around the core
        origin = [start + around for start in tile.origin]
        # Features are made for the blocks' context; blocks begin on the folded grid.
        context = min(around, self.reach + (FOLD if any(start % FOLD for start in origin) else 0))
        seen = features(tile, fit, around - context)
        if not self.base:
            seen = seen.without_injection
        residual = np.zeros((len(seen.spectral), *core), np.float32)
        if fit.detail > 0:
            spans = [list(_blocks(*span)) for span in zip(origin, core, BLOCK, strict=True)]
            for rows in spans[0]:
                for cols in spans[1]:
                    self._evaluate(seen, context, (rows, cols), origin, residual)
        own = (slice(context, context + side) for side in core)
        return compose(seen.base[(slice(None), *own)], residual, fit)

    def _evaluate(
        self, seen: Features, context: int, block: tuple[Span, Span], origin: Sequence[int], out: Array
    ) -> None:
        """Write the residual of one block. origin: absolute row and column of the tile's own first pixel, before which
        the features have `context` more."""
        starts, sides, inside, place = [], [], [], []
        for (first, stop), corner in zip(block, origin, strict=True):
            aligned = first - first % FOLD
            starts.append(aligned - self.reach - corner + context)
            sides.append(-(-(stop - aligned) // STEP) * STEP + 2 * self.reach)
            inside.append(slice(first - aligned + self.reach, stop - aligned + self.reach))
            place.append(slice(first - corner, stop - corner))
        residual = self.engine(_cut(seen.spatial, starts, sides), _cut(seen.spectral, starts, sides), seen.conditions)
        out[(slice(None), *place)] = residual[(slice(None), *inside)]


def _blocks(start: int, size: int, block: int) -> Iterator[Span]:
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
