"""A scene as a stream of tiles: which windows there are, and what one tile holds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fose.ops.mtf import gaussian_sigma
from fose.ops.resample import BLOCK, AxisMap, Kernel, gaussian, resample
from fose.scene.grid import GridPair, Shape
from fose.sharpener import Array, stack

S = TypeVar("S")
T = TypeVar("T")
Valid = NDArray[np.bool_]

# Edge of the tiles that statistics are summed over. Fixed, so that sums do not depend on memory or threads.
STATISTICS_TILE = 1024


@dataclass(frozen=True)
class Window:
    """Rows and columns [start, stop) of a grid, in absolute indices; may reach beyond the image."""

    rows: slice
    cols: slice

    @classmethod
    def of(cls, row: int, col: int, height: int, width: int) -> "Window":
        """The window whose first pixel is (row, col)."""
        return cls(slice(row, row + height), slice(col, col + width))

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start

    @property
    def origin(self) -> tuple[int, int]:
        """First row and column."""
        return self.rows.start, self.cols.start

    def grown(self, pixels: int) -> "Window":
        """The window with so many more pixels on each side."""
        return Window(
            slice(self.rows.start - pixels, self.rows.stop + pixels),
            slice(self.cols.start - pixels, self.cols.stop + pixels),
        )

    def within(self, outer: "Window") -> tuple[slice, slice]:
        """Where this window lies in an array that covers `outer`."""
        row, col = outer.origin
        return (
            slice(self.rows.start - row, self.rows.stop - row),
            slice(self.cols.start - col, self.cols.stop - col),
        )


def plan(shape: Shape, tile: Shape) -> list[Window]:
    """Disjoint windows in row-major order that cover every pixel of `shape` exactly once."""
    height, width = shape
    return [
        Window(slice(row, min(row + tile[0], height)), slice(col, min(col + tile[1], width)))
        for row in range(0, height, tile[0])
        for col in range(0, width, tile[1])
    ]


def pan_window(core: Window, halo: int, pair: GridPair, reach: int = 0) -> Window:
    """The PAN-grid window of a tile: its core grown by a halo in MS pixels and a reach in PAN pixels.

    In whole resampling blocks, so that a halo costs no extra partial ones.
    """
    return core.grown(BLOCK * ceil((halo * pair.ratio + reach) / BLOCK))


def ms_window(window: Window, pair: GridPair, kernel: Kernel) -> Window:
    """The MS-grid window that interpolating a PAN-grid window needs."""

    def needed(axis: AxisMap, span: slice) -> slice:
        first, last = axis.position(span.start), axis.position(span.stop - 1)
        return slice(floor(first - kernel.radius), ceil(last + kernel.radius) + 1)

    return Window(needed(pair.rows, window.rows), needed(pair.cols, window.cols))


def own_ms(core: Window, pair: GridPair) -> Window:
    """The MS pixels whose centre's PAN pixel lies in a core window: those of disjoint cores are disjoint."""

    def own(axis: AxisMap, span: slice, size: int) -> slice:
        # First MS pixel whose centre lies at or after a core edge; edges are half a PAN pixel before centres.
        first, stop = (min(max(ceil(float(axis.position(edge - 0.5))), 0), size) for edge in (span.start, span.stop))
        return slice(first, max(first, stop))

    return Window(own(pair.rows, core.rows, pair.ms_shape[0]), own(pair.cols, core.cols, pair.ms_shape[1]))


@dataclass(frozen=True)
class SceneTile:
    """One tile of a georeferenced scene; implements `fose.sharpener.Tile`."""

    pan: Array
    ms: Array
    core_window: Window
    pan_window: Window
    ms_window: Window
    pair: GridPair
    kernel: Kernel
    pan_valid: Valid | None = None  # (H, W), None: all
    ms_valid: Valid | None = None  # (C, h, w), None: all

    @property
    def ratio(self) -> float:
        """PAN pixels per MS pixel."""
        return self.pair.ratio

    @property
    def origin(self) -> tuple[int, int]:
        """Absolute row and column of the window's first PAN pixel."""
        return self.pan_window.origin

    @cached_property
    def ms_up(self) -> Array:
        """(C, H, W) MS on the PAN grid."""
        return self.upsample(self.ms)

    def upsample(self, image: Array, margin: int = 0) -> Array:
        """Interpolate (..., h, w) on the PAN grid, less a margin; edges repeat the last pixel."""
        axes, window = (self.pair.rows, self.pair.cols), self.pan_window.grown(-margin)
        return resample(image, self.ms_window.origin, (window.rows, window.cols), axes, self.kernel)

    def degrade(self, image: Array, gains: Sequence[float] | Array) -> Array:
        """Gaussian MTF of each gain, sampled at the true MS pixel centres; edges repeat the last pixel."""
        axes = self.pair.rows.inverse, self.pair.cols.inverse
        window = self.ms_window.rows, self.ms_window.cols

        def low(gain: float) -> Array:
            sigma = gaussian_sigma(gain, self.ratio)
            return resample(image, self.pan_window.origin, window, axes, gaussian(sigma))

        return _per_gain(low, gains)

    def blur_ms(self, image: Array, gains: Sequence[float] | Array) -> Array:
        """Gaussian MTF at the ratio on the MS grid itself; edges repeat the last pixel."""
        origin, window = self.ms_window.origin, (self.ms_window.rows, self.ms_window.cols)
        axes = AxisMap(0, 1), AxisMap(0, 1)
        return np.stack(
            [
                resample(band, origin, window, axes, gaussian(gaussian_sigma(gain, self.ratio)))
                for band, gain in zip(image, gains, strict=True)
            ]
        )

    def core(self, image: Array) -> Array:
        """Crop (..., H, W) to the tile's own pixels (a view)."""
        margin = (self.pan_window.shape[0] - image.shape[-2]) // 2
        return image[(..., *self.core_window.within(self.pan_window.grown(-margin)))]

    def samples(self, *images: Array) -> Array:
        """Own valid PAN pixels, (channels, n)."""
        return _select(self.core(stack(images)), self.valid_core(any_band=True))

    def ms_samples(self, *images: Array) -> Array:
        """Own valid MS pixels, (channels, n): those whose centre's PAN pixel lies in the core."""
        own = own_ms(self.core_window, self.pair).within(self.ms_window)
        return _select(stack(images)[(..., *own)], self.valid_own_ms())

    def valid_own_ms(self) -> Valid | None:
        """The MS pixels of `own_ms` that every band has and whose whole neighbourhood PAN has, (h, w); None: all."""
        window = own_ms(self.core_window, self.pair).within(self.ms_window)
        valid = None if self.ms_valid is None else np.asarray(self.ms_valid[(slice(None), *window)].all(axis=0))
        if self.pan_valid is not None:
            weight = self.degrade(self.pan_valid.astype(self.pan.dtype), [0.3])[0][window]
            seen = weight > 0.999
            valid = seen if valid is None else valid & seen
        return valid

    def valid_core(self, any_band: bool = False) -> Valid | None:
        """Valid core pixels: (C, H, W) per band, or (H, W) where every band is valid; None: all are.

        A pixel is valid where PAN is and where the MS pixel that it lies in is.
        """
        rows = self.pair.rows.nearest(self.core_window.rows.start, self.core_window.rows.stop, self.pair.ms_shape[0])
        cols = self.pair.cols.nearest(self.core_window.cols.start, self.core_window.cols.stop, self.pair.ms_shape[1])
        on_ms = (rows >= 0)[:, None] & (cols >= 0)
        if self.pan_valid is None and self.ms_valid is None and on_ms.all():
            return None
        valid = np.broadcast_to(on_ms, (len(self.ms), *on_ms.shape)).copy()
        if self.pan_valid is not None:
            valid &= self.core(self.pan_valid)
        if self.ms_valid is not None:
            top, left = self.ms_window.origin
            valid &= self.ms_valid[:, np.maximum(rows - top, 0)][:, :, np.maximum(cols - left, 0)]
        return np.asarray(valid.all(axis=0)) if any_band else valid


def _select(image: Array, valid: Valid | None) -> Array:
    return image.reshape(len(image), -1) if valid is None else image[:, valid]


def _per_gain(low: Callable[[float], Array], gains: Sequence[float] | Array) -> Array:
    """Stack low(gain), computing equal gains once."""
    unique = {gain: low(gain) for gain in dict.fromkeys(float(g) for g in gains)}
    if len(unique) == 1:
        image = next(iter(unique.values()))
        return np.broadcast_to(image, (len(gains), *image.shape))
    return np.stack([unique[float(gain)] for gain in gains])


def ordered_map(function: Callable[[S], T], items: Iterable[S], pool: ThreadPoolExecutor, ahead: int) -> Iterator[T]:
    """Map in a pool, yielding results in order with at most `ahead` of them pending: bounded memory."""
    pending: deque[Future[T]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
