"""A method's fit as passes over the scene that a task graph can be made of.

`Sharpener.fit` is plain code that calls `scene.map` once or more, each pass depending on the one before. A graph needs
the passes apart: fit is run again from the start with the results of the passes so far, until it asks for the next
one (`advance`). That costs little, as fit only sums statistics. How many passes there are, and what they read, a
rehearsal on a small made-up scene tells before any pixel is read.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, TypeVar

import numpy as np

from fose.errors import InputError
from fose.ops.resample import kernel
from fose.scene.grid import GridPair, array_pair
from fose.scene.scene import ArraySource, JoinedScene, Source
from fose.scene.tiles import SceneTile
from fose.sharpener import Array, Sharpener, Tile

T = TypeVar("T")

REHEARSAL = 16  # MS pixels a side


@dataclass(frozen=True)
class Setup:
    """Everything about a scene but its pixels; small, it travels with every task."""

    pair: GridPair
    resampling: str
    gains: Array  # (C,)
    pan_gain: float
    wavelengths: tuple[float | None, ...]

    @property
    def bands(self) -> int:
        """Number of MS bands."""
        return len(self.gains)

    @property
    def ratio(self) -> float:
        """PAN pixels per MS pixel."""
        return self.pair.ratio

    def on(self, pair: GridPair) -> "Setup":
        """The same on another grid pair (after registration)."""
        return replace(self, pair=pair)

    def scene(self, pan: Source, ms: Source) -> JoinedScene:
        """The scene of these pixels. Its pool starts no thread unless the scene is mapped, which tasks do not."""
        pool = ThreadPoolExecutor(1)
        resampling = kernel(self.resampling)
        return JoinedScene(pan, ms, self.pair, resampling, self.gains, self.pan_gain, self.wavelengths, pool)


@dataclass(frozen=True)
class Need:
    """What a pass reads: statistics tiles or a sample of each, with a halo of so many MS pixels."""

    halo: int
    sample: bool


@dataclass(frozen=True)
class Pass:
    """What fit wants next: a function of every statistics tile."""

    function: Callable[[SceneTile], Any]
    need: Need


@dataclass(frozen=True)
class Fitted:
    """The result of fit."""

    value: Any


class _Wanted(BaseException):
    """Leaves fit where it asks for a pass that has not run; no Exception, lest fit catch it."""

    def __init__(self, step: Pass) -> None:
        super().__init__()
        self.step = step


class Replay:
    """A `fose.sharpener.Scene` that answers `map` with the results of earlier passes."""

    def __init__(self, setup: Setup, history: Sequence[Sequence[Any]]) -> None:
        self.bands, self.ratio = setup.bands, setup.ratio
        self.gains, self.pan_gain, self.wavelengths = setup.gains, setup.pan_gain, setup.wavelengths
        self._history = list(history)

    def map(self, function: Callable[[Tile], T], halo: int = 0, sample: bool = False) -> Iterator[T]:
        """The results of the next pass, or an end to fit where that pass has not run."""
        if not self._history:
            raise _Wanted(Pass(function, Need(halo, sample)))
        return iter(self._history.pop(0))

    def __getstate__(self) -> dict[str, Any]:
        """Functions of a pass may hold the scene; what earlier passes found is not theirs to carry to every tile."""
        return self.__dict__ | {"_history": []}


def advance(sharpener: Sharpener, setup: Setup, history: Sequence[Sequence[Any]]) -> Pass | Fitted:
    """The next pass that fit asks for after those whose results, one per statistics tile, are known; or its result."""
    try:
        return Fitted(sharpener.fit(Replay(setup, history)))
    except _Wanted as wanted:
        return wanted.step


def finished(step: Pass | Fitted, name: str, passes: int) -> Any:
    """The fit itself; InputError where it asks for more passes than it rehearsed."""
    if isinstance(step, Pass):
        raise InputError(
            f"method {name}: expected a fit of at most {passes} passes over the scene, as on a made-up one, found "
            "one more; sharpen files with fose.sharpen instead"
        )
    return step.value


def rehearse(sharpener: Sharpener, setup: Setup) -> list[Need]:
    """What each pass of fit reads, found on a small textured scene of the same ratio, bands and gains."""
    needs: list[Need] = []

    class Rehearsal(JoinedScene):
        def map(self, function: Callable[[SceneTile], T], halo: int = 0, sample: bool = False) -> Iterator[T]:
            needs.append(Need(halo, sample))
            return super().map(function, halo, sample)

    random = np.random.default_rng(0)
    ms = random.uniform(500, 1500, (setup.bands, REHEARSAL, REHEARSAL)).astype(np.float32)
    index = (np.arange(ceil(REHEARSAL * setup.ratio)) / setup.ratio).astype(int).clip(max=REHEARSAL - 1)
    pan = ms.mean(axis=0)[index][:, index]
    pan += random.uniform(-50, 50, pan.shape).astype(np.float32)
    pair = array_pair((len(index), len(index)), ms.shape[1:], setup.ratio, (0.0, 0.0))
    with ThreadPoolExecutor(1) as pool:
        sharpener.fit(
            Rehearsal(
                ArraySource.of(pan[None]),
                ArraySource.of(ms),
                pair,
                kernel(setup.resampling),
                setup.gains,
                setup.pan_gain,
                setup.wavelengths,
                pool,
            )
        )
    return needs
