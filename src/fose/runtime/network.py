"""The network as a `Sharpener`: scene statistics in `fit`, features, network and composition in `apply`."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fose.ops.features import HALO, Features, Statistics, compose, features, measure
from fose.sharpener import Array, Scene, Tile

FOLD = 4  # PAN pixels per position of the folded grid, as in fose.nn.layers
# PAN pixels that a prediction depends on, on each side; measured by a test against the network itself.
RECEPTIVE_FIELD = 60


class Engine(Protocol):
    """Whatever evaluates the network."""

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W) from (3, H, W), (C, 3, H, W), (C, 10), all float32; H and W are multiples of 4. Thread-safe."""


@dataclass(frozen=True)
class Network:
    """A sharpener that predicts the residual to the classical base with a network.

    base: start from the injected base (False: from the MS on the PAN grid, as the paper does).
    """

    name: str
    engine: Engine
    base: bool = True

    halo = HALO  # MS pixels
    reach = RECEPTIVE_FIELD + FOLD  # PAN pixels beyond it, and those that aligning to the folded grid may cost

    # Features, the folded streams of both parts and their temporaries; measured, see docs/benchmarks.md.
    working = 25.0

    def fit(self, scene: Scene) -> Statistics:
        """Measure the scene, see `fose.ops.features`."""
        return measure(scene)

    def apply(self, tile: Tile, fit: Statistics) -> Array:
        """Sharpen one window: (C, H, W), float32."""
        seen = features(tile, fit)
        if not self.base:
            seen = seen.without_injection
        if fit.detail <= 0:
            return compose(seen.base, np.zeros_like(seen.base), fit)
        return compose(seen.base, self._residual(seen, tile.origin), fit)

    def _residual(self, seen: Features, origin: tuple[int, int]) -> Array:
        """Evaluate on the folded grid, whose cells lie at multiples of 4 of the scene's own pixels."""
        height, width = seen.spatial.shape[1:]
        before = [start % FOLD for start in origin]
        after = [-(size + lead) % FOLD for size, lead in zip((height, width), before, strict=True)]
        if any(before) or any(after):
            widths = tuple(zip(before, after, strict=True))
            spatial = np.pad(seen.spatial, ((0, 0), *widths), mode="edge")
            spectral = np.pad(seen.spectral, ((0, 0), (0, 0), *widths), mode="edge")
        else:
            spatial, spectral = seen.spatial, seen.spectral
        residual = self.engine(spatial, spectral, seen.conditions)
        return residual[:, before[0] : before[0] + height, before[1] : before[1] + width]
