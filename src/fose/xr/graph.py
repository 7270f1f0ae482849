"""The pipeline as one static Dask graph: register -> fit -> apply, nothing computed while it is built.

    windows of PAN and MS -> shift of each -> registration
    registration, step 0 of fit -> statistics of each tile -> step 1 of fit -> ... -> fit
    registration, fit, window of PAN and MS -> each chunk of the output

Keys are plain tasks, so a scheduler recomputes what a dead worker held. Each pass reads the pixels anew, and only
once the pass before is over (`anew`): were the passes to share what they read, or to read ahead while a fit is
being summed, the whole scene would wait in the workers' memory.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, Protocol

import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from fose import api
from fose.errors import InputError
from fose.ops.resample import kernel
from fose.ops.shift import LIMIT, Shift
from fose.scene.grid import GridPair, Shape
from fose.scene.memory import TILES, tile_bytes
from fose.scene.register import Registration, check_choice, decide, shift_at, windows
from fose.scene.scene import Source, reads, statistics_windows
from fose.scene.sharpen import sharpen_tile
from fose.scene.tiles import Window, plan
from fose.sharpener import Sharpener
from fose.xr.anew import anew
from fose.xr.pieces import Cuts, Files, Tasks
from fose.xr.replay import Fitted, Pass, Setup, advance, finished, rehearse

# What one tile may hold while it is computed, bytes; a chunk is computed tile by tile.
WORKING = 256 * 2**20

Registered = tuple[GridPair, Registration]
Image = NDArray[Any]


@dataclass(frozen=True)
class Method:
    """A sharpener by name, which each worker process makes for itself, or the caller's own, which is pickled."""

    chosen: str | Sharpener
    weights: tuple[float, ...] | None = None
    device: str = "auto"

    @classmethod
    def of(cls, chosen: str | Sharpener, weights: Sequence[float] | None, device: str) -> "Method":
        """Checked: InputError where there is none of that name, or it takes no weights."""
        method = cls(chosen, None if weights is None else tuple(weights), device)
        if isinstance(chosen, str):
            _ = method.sharpener
        elif weights is not None:
            raise InputError("weights: expected none beside a sharpener of your own; give them to it")
        return method

    @property
    def sharpener(self) -> Sharpener:
        """The sharpener."""
        return _named(self.chosen, self.weights, self.device) if isinstance(self.chosen, str) else self.chosen


@cache
def _named(name: str, weights: tuple[float, ...] | None, device: str) -> Sharpener:
    return api.method(name, weights, device)


@dataclass(frozen=True)
class Storage:
    """How the result's pixels are stored: their type, and the value of missing ones (None: there are none).

    decoded: the floating type that they have in memory, missing ones NaN; None: as stored.
    """

    dtype: np.dtype[Any]
    nodata: float | None
    decoded: np.dtype[Any] | None = None

    @property
    def in_memory(self) -> np.dtype[Any]:
        """The type of the result."""
        return self.decoded or self.dtype


# What tasks do


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


class _OneThread:
    """A context in which BLAS has one thread, however many tasks of this process are inside it.

    The scheduler's threads are the parallelism; and with more, BLAS would sum in another order.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limit = _controller().limit(limits=1, user_api="blas")

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


_one_thread = _OneThread()


def _shift(setup: Setup, pan: Source, ms: Source, window: Window) -> Shift:
    with _one_thread:
        return shift_at(setup.scene(pan, ms), window)


def _measure(setup: Setup, registered: Registered, step: Pass | Fitted, pan: Source, ms: Source, window: Window) -> Any:
    """One tile's part of a pass; None where fit, other than in its rehearsal, needs no such pass."""
    if isinstance(step, Fitted):
        return None
    with _one_thread:
        scene = setup.on(registered[0]).scene(pan, ms)
        return step.function(scene.tile(window, step.need.halo))


def _advance(method: Method, setup: Setup, history: Sequence[Sequence[Any]]) -> Pass | Fitted:
    with _one_thread:
        return advance(method.sharpener, setup, history)


def sharpen_window(
    setup: Setup,
    method: Method,
    registered: Registered,
    fit: Any,
    pan: Source,
    ms: Source,
    window: Window,
    storage: Storage,
) -> tuple[Image, NDArray[np.bool_] | None]:
    """Stored pixels (C, H, W) of a window, computed tile by tile, and which all bands have (H, W), None: all."""
    sharpener = method.sharpener
    setup = setup.on(registered[0])
    with _one_thread:
        scene = setup.scene(pan, ms)
        image = np.empty((setup.bands, *window.shape), storage.dtype)
        valid = np.ones(window.shape, bool)
        for part in plan(window.shape, _tile(setup, sharpener, storage.dtype)):
            core = Window.of(window.rows.start + part.rows.start, window.cols.start + part.cols.start, *part.shape)
            tile = scene.tile(core, sharpener.halo, sharpener.reach)
            _, stored, known = sharpen_tile(tile, sharpener, fit, storage.nodata, storage.dtype)
            image[:, part.rows, part.cols] = stored
            if known is not None:
                valid[part.rows, part.cols] = known
    return image, None if valid.all() else valid


def _in_memory(sharp: tuple[Image, NDArray[np.bool_] | None], storage: Storage) -> Image:
    """The pixels that `sharpen_window` gives, as they are in memory."""
    image, _ = sharp
    if storage.decoded is None:
        return image
    decoded = image.astype(storage.decoded)
    if storage.nodata is not None:
        decoded[image == storage.nodata] = np.nan
    return decoded


def _tile(setup: Setup, sharpener: Sharpener, dtype: np.dtype[Any]) -> Shape:
    """The largest tile whose computing fits the working memory, at least the smallest there is."""
    tiles = TILES[:2] if sharpener.reach else TILES  # networks compute whole blocks
    fitting = (
        tile
        for tile in tiles
        if tile_bytes(
            tile, setup.bands, dtype.itemsize, setup.pair, sharpener.halo, sharpener.reach, sharpener.working
        ).computing
        <= WORKING
    )
    return next(fitting, tiles[-1])


# The graph


class Pixels(Protocol):
    """Where the tasks of one stage get their windows of PAN and MS from."""

    def after(self, parent: Delayed, name: str) -> "Pixels":
        """The same pixels, read anew, once `parent` has been computed."""

    def tasks(self, windows: Sequence[tuple[Window, Window]]) -> tuple[Tasks, list[tuple[Any, Any]]]:
        """Tasks that give sources of (PAN, MS) windows, and what to pass for each pair: their keys, or sources."""

    @property
    def collections(self) -> tuple[Any, ...]:
        """The Dask collections that the tasks depend on."""


@dataclass(frozen=True)
class Arrays:
    """Pixels in Dask arrays."""

    pan: Cuts
    ms: Cuts

    def after(self, parent: Delayed, name: str) -> "Arrays":
        """See `Pixels`."""
        pan, ms = (anew(cuts.array, parent, name) for cuts in (self.pan, self.ms))
        return Arrays(
            Cuts(pan, self.pan.nodata, f"{name}-pan"),
            Cuts(ms, self.ms.nodata, f"{name}-ms"),
        )

    def tasks(self, windows: Sequence[tuple[Window, Window]]) -> tuple[Tasks, list[tuple[Any, Any]]]:
        """See `Pixels`."""
        pan, pan_keys = self.pan.tasks([window for window, _ in windows])
        ms, ms_keys = self.ms.tasks([window for _, window in windows])
        return pan | ms, list(zip(pan_keys, ms_keys, strict=True))

    @property
    def collections(self) -> tuple[Any, ...]:
        """See `Pixels`."""
        return self.pan.array, self.ms.array


@dataclass(frozen=True)
class Paths:
    """Pixels in files that every worker can open."""

    pan: Files
    ms: Files

    def after(self, parent: Delayed, name: str) -> "Paths":
        """See `Pixels`."""
        return self

    def tasks(self, windows: Sequence[tuple[Window, Window]]) -> tuple[Tasks, list[tuple[Any, Any]]]:
        """See `Pixels`."""
        return {}, [(self.pan, self.ms)] * len(windows)

    @property
    def collections(self) -> tuple[Any, ...]:
        """See `Pixels`."""
        return ()


@dataclass(frozen=True)
class Plan:
    """A scene's registration and fit, to be computed, and what its chunks are computed from.

    holes: whether PAN and MS can have missing pixels.
    """

    setup: Setup
    method: Method
    pixels: Pixels
    holes: tuple[bool, bool]
    registered: Delayed  # Registered
    fit: Delayed
    reference: str
    moves: bool
    token: str

    @classmethod
    def of(
        cls,
        setup: Setup,
        method: Method,
        pixels: Pixels,
        holes: tuple[bool, bool],
        register: str,
        reference: str,
    ) -> "Plan":
        """Build the graph up to the fit. InputError for unknown modes."""
        check_choice(register, reference)
        token = tokenize(setup, method, pixels, holes, register, reference)
        moves = register != "off"
        start = _registration(setup, pixels, holes, register, reference, token)
        fit = _fit(setup, method, pixels, holes, start, (moves, reference), token)
        return cls(setup, method, pixels, holes, start, fit, reference, moves, token)

    def chunks(self, name: str, places: dict[Hashable, Window], storage: Storage) -> HighLevelGraph:
        """The graph whose keys are those of `places`, each the pixels of its window."""
        pixels = self.pixels.after(self.fit, f"fose-apply-{self.token}")
        sharpener = self.method.sharpener
        wanted = [
            _reads(self.setup, self.moves, self.reference, window, sharpener.halo, sharpener.reach, self.holes)
            for window in places.values()
        ]
        tasks, sources = pixels.tasks(wanted)
        head = (self.setup, self.method, self.registered.key, self.fit.key)
        for (key, window), (pan, ms) in zip(places.items(), sources, strict=True):
            tasks[key] = (_in_memory, (sharpen_window, *head, pan, ms, window, storage), storage)
        return _graph(name, tasks, self.registered, self.fit, *pixels.collections)


def _registration(
    setup: Setup, pixels: Pixels, holes: tuple[bool, bool], register: str, reference: str, token: str
) -> Delayed:
    """(pair after registration, what was measured)."""
    places = [] if register == "off" else list(windows(setup.pair.shape))
    begin = _single(f"fose-begin-{token}", (bool, True))
    pixels = pixels.after(begin, f"fose-register-{token}")
    tasks, sources = pixels.tasks([_reads(setup, False, reference, place, 0, 0, holes) for place in places])
    name = f"fose-register-{token}"
    keys: list[Hashable] = [(f"{name}-shift", index) for index in range(len(places))]
    for key, place, (pan, ms) in zip(keys, places, sources, strict=True):
        tasks[key] = (_shift, setup, pan, ms, place)
    tasks[name] = (decide, setup.pair, keys, register, reference)
    return Delayed(name, _graph(name, tasks, begin, *pixels.collections), layer=name)


def _fit(
    setup: Setup,
    method: Method,
    pixels: Pixels,
    holes: tuple[bool, bool],
    registered: Delayed,
    moved: tuple[bool, str],
    token: str,
) -> Delayed:
    """The fit, pass by pass."""
    needs = rehearse(method.sharpener, setup)
    # After registration: its pixels must be gone before those of the first pass come.
    step = _single(f"fose-step-{token}-0", (_first, method, setup, registered.key), registered)
    histories: list[Delayed] = []
    for index, need in enumerate(needs):
        places = statistics_windows(setup.pair.shape, need.sample)
        name = f"fose-pass-{token}-{index}"
        read = pixels.after(step, name)
        tasks, sources = read.tasks([_reads(setup, *moved, place, need.halo, 0, holes) for place in places])
        keys: list[Hashable] = [(f"{name}-tile", number) for number in range(len(places))]
        for key, place, (pan, ms) in zip(keys, places, sources, strict=True):
            tasks[key] = (_measure, setup, registered.key, step.key, pan, ms, place)
        tasks[name] = (list, keys)
        histories.append(Delayed(name, _graph(name, tasks, registered, step, *read.collections), layer=name))
        known = [history.key for history in histories]
        step = _single(f"fose-step-{token}-{index + 1}", (_advance, method, setup, known), *histories)
    name = method.sharpener.name
    return _single(f"fose-fit-{token}", (finished, step.key, name, len(needs)), step)


def _first(method: Method, setup: Setup, registered: Registered) -> Pass | Fitted:
    return _advance(method, setup, [])


def _reads(
    setup: Setup, moves: bool, reference: str, window: Window, halo: int, reach: int, holes: tuple[bool, bool]
) -> tuple[Window, Window]:
    """What a tile reads of PAN and MS, wherever registration will put them."""
    pairs = [setup.pair]
    if moves and reference == "pan":
        pairs += [setup.pair.ms_moved(shift, shift) for shift in (-LIMIT, LIMIT)]
    elif moves:
        pairs += [setup.pair.pan_moved(LIMIT, LIMIT)]
    resampling = kernel(setup.resampling)
    pan, ms = zip(*(reads(window, halo, reach, pair, resampling, holes) for pair in pairs), strict=True)
    return _union(pan), _union(ms)


def _union(parts: Sequence[Window]) -> Window:
    """The smallest window that holds all."""

    def span(spans: Sequence[slice]) -> slice:
        return slice(min(part.start for part in spans), max(part.stop for part in spans))

    return Window(span([part.rows for part in parts]), span([part.cols for part in parts]))


def _single(key: str, task: tuple[Any, ...], *parents: Delayed) -> Delayed:
    return Delayed(key, _graph(key, {key: task}, *parents), layer=key)


def _graph(name: str, tasks: Tasks, *parents: Any) -> HighLevelGraph:
    return HighLevelGraph.from_collections(name, tasks, dependencies=parents)
