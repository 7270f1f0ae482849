"""Training samples: which images they come from, how these are split, and how each sample is varied (docs/data.md)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fose.data.sample import Sample
from fose.data.settings import Settings
from fose.data.sources import Source, sources
from fose.data.splits import TRAIN, VALIDATION, split_of, write_manifest
from fose.data.variants import is_flat, variant
from fose.errors import InputError

__all__ = [
    "TRAIN",
    "VALIDATION",
    "WEIGHTS",
    "Sample",
    "Settings",
    "Source",
    "draw",
    "samples",
    "sources",
    "split_of",
    "variant",
    "write_manifest",
]

# Share of the samples that each family makes. Simulated very-high-resolution sensors taught a trial network most;
# real pairs keep it honest about real PAN bands. Within a family an image counts by its pixels.
WEIGHTS = {"naip": 0.38, "landsat": 0.22, "spacenet6": 0.22, "s2": 0.09, "hls": 0.09}

Floats = NDArray[np.float64]

ATTEMPTS = 100  # crops tried before giving up on one that varies
LEAST_SPREAD = 2.0  # DN: below it rounding rules a target band, and another sample is drawn


def samples(root: Path | str, split: str, count: int, seed: int, settings: Settings | None = None) -> Iterator[Sample]:
    """`count` samples of a split of the shared data folder, the same ones for the same seed and settings.

    Raises InputError for an unknown split, ReadError where the folder holds no data.
    """
    if split not in (TRAIN, VALIDATION):
        raise InputError(f"split: expected {TRAIN!r} or {VALIDATION!r}, found {split!r}")
    return draw([source for source in sources(root) if split_of(source) == split], count, seed, settings)


def draw(found: Sequence[Source], count: int, seed: int, settings: Settings | None = None) -> Iterator[Sample]:
    """`count` samples from given sources. Sample i depends on the sources, the seed, i and the settings only."""
    if not found:
        raise InputError("expected at least one source to draw samples from, found none")
    chances = _chances(found)
    for index in range(count):
        yield _one(found, chances, np.random.default_rng((seed, index)), settings or Settings())


def _one(found: Sequence[Source], chances: Floats, rng: np.random.Generator, settings: Settings) -> Sample:
    for _ in range(ATTEMPTS):
        sample = variant(found[rng.choice(len(found), p=chances)], rng, settings)
        if not is_flat(sample, LEAST_SPREAD):
            return sample
    raise InputError(f"expected images that vary, found none in {ATTEMPTS} crops; are the sources constant?")


def _chances(found: Sequence[Source]) -> Floats:
    """(n,) chance of each source: its family's weight, shared by pixels; families that are absent do not count."""
    pixels: dict[str, int] = {}
    for source in found:
        pixels[source.family] = pixels.get(source.family, 0) + source.ms[0].size
    chances = np.array([WEIGHTS[source.family] * source.ms[0].size / pixels[source.family] for source in found])
    return np.asarray(chances / chances.sum())
