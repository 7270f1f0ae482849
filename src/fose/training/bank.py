"""Training samples turned into network features once, and patches drawn from them.

The features come from the same code that sharpens scenes (`fose.ops.features`), on the same tiles.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fose.data import Sample
from fose.ops.features import features, measure, residual
from fose.ops.resample import KERNELS
from fose.scene.grid import array_pair
from fose.scene.register import register
from fose.scene.scene import ArraySource, JoinedScene
from fose.scene.tiles import Window
from fose.sharpener import Array

# float16 holds features of unit spread to 0.05 %; extreme pixels (clouds in a dark scene) are cut here.
LARGEST = 60.0


@dataclass(frozen=True)
class Entry:
    """One sample's features and residual, float16 on the PAN grid."""

    spatial: Array  # (3, H, W)
    spectral: Array  # (C, 3, H, W)
    conditions: Array  # (C, 10)
    residual: Array  # (C, H, W)


@dataclass(frozen=True)
class Batch:
    """N patches of C bands, float32: `inputs` as the networks take them, and the x0 they should predict.

    before, after: patches of the same batch that other processes hold. What is drawn at random is drawn for all.
    """

    inputs: tuple[Tensor, Tensor, Tensor]
    clean: Tensor  # (N, C, P, P)
    before: int = 0
    after: int = 0

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        spatial, spectral, conditions = (tensor.to(device, non_blocking=True) for tensor in self.inputs)
        clean = self.clean.to(device, non_blocking=True)
        return Batch((spatial, spectral, conditions), clean, self.before, self.after)

    def times(self, steps: int, generator: torch.Generator) -> Tensor:
        """(N,) uniform integers below `steps`, on the CPU."""
        count = len(self.clean)
        drawn = torch.randint(steps, (self.before + count + self.after,), generator=generator)
        return drawn[self.before : self.before + count]

    def noise(self, generator: torch.Generator) -> Tensor:
        """Unit Gaussian noise of `clean`'s shape, on its device."""
        count, *shape = self.clean.shape
        drawn = torch.randn((self.before + count + self.after, *shape), generator=generator)
        return drawn[self.before : self.before + count].to(self.clean)


class Cut(NamedTuple):
    """Where a patch is cut from an entry, PAN pixels, and how it is turned."""

    entry: Entry
    row: int
    col: int
    turns: int
    flip: bool


def sample_scene(sample: Sample, pool: ThreadPoolExecutor) -> JoinedScene:
    """A sample's reduced pair as the scene that a method would be given."""
    height, width = sample.pan.shape
    pair = array_pair((height, width), sample.ms.shape[1:], sample.ratio, sample.phase)
    pan, ms = ArraySource.of(sample.pan[None]), ArraySource.of(sample.ms)
    kernel = KERNELS["lanczos"]
    return JoinedScene(pan, ms, pair, kernel, sample.gains, sample.pan_gain, sample.wavelengths, pool)


def entry(sample: Sample, pool: ThreadPoolExecutor, base: bool) -> Entry | None:
    """Features of a whole sample; None where it shows nothing (no spread, no detail)."""
    # As when sharpening: what registration takes out, the network need not learn to live with.
    scene, _ = register(sample_scene(sample, pool), "auto", "ms")
    fit = measure(scene)
    if not (fit.detail > 0 and (fit.std > 0).all()):
        return None
    height, width = sample.pan.shape
    tile = scene.tile(Window.of(0, 0, height, width), 0)
    seen = features(tile, fit)
    if not base:
        seen = seen.without_injection
    clean = residual(seen.base, sample.target, fit)
    parts = (np.clip(image, -LARGEST, LARGEST).astype(np.float16) for image in (seen.spatial, seen.spectral, clean))
    spatial, spectral, small = parts
    return Entry(spatial, spectral, seen.conditions, small)


class Bank:
    """Entries grouped by band count; patches are a pure function of (seed, step), so a resumed run sees the same."""

    def __init__(self, samples: Iterable[Sample], base: bool = True) -> None:
        self.groups: dict[int, list[Entry]] = {}
        with ThreadPoolExecutor(1) as pool:
            for sample in samples:
                made = entry(sample, pool, base)
                if made is not None:
                    self.groups.setdefault(len(made.residual), []).append(made)

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def batch(
        self, count: int, patch: int, seed: tuple[int, ...], share: slice = slice(None), augment: bool = True
    ) -> Batch:
        """`count` random patches of `patch` pixels a side from entries of one band count; those of them in `share`."""
        rng = np.random.default_rng(seed)
        counts = sorted(self.groups)
        sizes = np.array([len(self.groups[bands]) for bands in counts], float)
        group = self.groups[int(rng.choice(counts, p=sizes / sizes.sum()))]
        cuts = [_draw(group, patch, rng, augment) for _ in range(count)]
        spatial, spectral, conditions, clean = (
            torch.from_numpy(np.stack(parts).astype(np.float32))
            for parts in zip(*(_pixels(cut, patch) for cut in cuts[share]), strict=True)
        )
        first, stop, _ = share.indices(count)
        return Batch((spatial, spectral, conditions), clean, first, count - stop)


def _draw(group: list[Entry], patch: int, rng: np.random.Generator, augment: bool) -> Cut:
    entry = group[rng.integers(len(group))]
    height, width = entry.residual.shape[1:]
    row, col = (int(rng.integers(size - min(patch, size) + 1)) for size in (height, width))
    turns, flip = (int(rng.integers(4)), bool(rng.integers(2))) if augment else (0, False)
    return Cut(entry, row, col, turns, flip)


def _pixels(cut: Cut, patch: int) -> tuple[Array, Array, Array, Array]:
    """Spatial and spectral features, conditions and residual of one patch."""
    entry = cut.entry
    height, width = entry.residual.shape[1:]
    size_r, size_c = min(patch, height), min(patch, width)
    place = (..., slice(cut.row, cut.row + size_r), slice(cut.col, cut.col + size_c))
    images = [entry.spatial[place], entry.spectral[place], entry.residual[place]]
    if (size_r, size_c) != (patch, patch):  # small samples are padded by their edge, as tiles are
        widths = ((0, patch - size_r), (0, patch - size_c))
        images = [np.pad(image, ((0, 0),) * (image.ndim - 2) + widths, mode="edge") for image in images]
    images = [np.rot90(image[..., ::-1] if cut.flip else image, cut.turns, axes=(-2, -1)) for image in images]
    spatial, spectral, clean = images
    return spatial, spectral, entry.conditions, clean
