"""A PAN and MS pair joined on one grid pair: the `Scene` that methods are fitted on and tiles are read from."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fose.errors import ReadError
from fose.ops.fill import fill_margin, fill_missing
from fose.ops.resample import KERNELS, AxisMap, Kernel, resample
from fose.scene.grid import GridPair, Shape
from fose.scene.tiles import STATISTICS_TILE, SceneTile, Window, ms_window, ordered_map, pan_window, plan
from fose.sharpener import Array

T = TypeVar("T")
# Statistics tiles from which on a part of each is sample enough.
SAMPLED_FROM = 16
Valid = NDArray[np.bool_]

# PAN is only ever moved by a fraction of a pixel, where its sharpness is at stake: the sharpest kernel.
PAN_KERNEL = KERNELS["lanczos6"]
# PAN holes are filled this deep beyond a tile's halo, in PAN pixels: as deep as that kernel reaches.
PAN_REACH = int(PAN_KERNEL.radius) + 1


class Source(Protocol):
    """Where pixels come from: a `Raster` or an `ArraySource`."""

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""

    def __len__(self) -> int: ...

    def read(self, window: Window) -> tuple[Array, Valid | None]:
        """Pixels of a window (C, H, W), the last ones repeated beyond the edge, and which are valid (None: all)."""


@dataclass(frozen=True)
class ArraySource:
    """An image in memory; NaN, infinities and pixels outside `valid` are missing."""

    image: Array  # (C, H, W)
    valid: Valid | None = None  # (C, H, W)

    @classmethod
    def of(cls, image: NDArray[Any], nodata: float | None = None) -> "ArraySource":
        """From an array of any real type; pixels equal to `nodata` are missing."""
        computed = np.asarray(image, dtype=np.float32)
        valid = np.isfinite(computed)
        if nodata is not None and not np.isnan(nodata):
            valid &= image != nodata
        if valid.all():
            return cls(computed)
        return cls(np.where(valid, computed, np.float32(0)), valid)

    @classmethod
    def masked(cls, image: Array, valid: Valid | None) -> "ArraySource":
        """From a finite (C, H, W) array of which only the pixels in `valid` (H, W) exist; None: all."""
        return cls(image, None if valid is None else np.broadcast_to(valid, image.shape))

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        height, width = self.image.shape[-2:]
        return height, width

    def __len__(self) -> int:
        return len(self.image)

    def read(self, window: Window) -> tuple[Array, Valid | None]:
        """Copy a window, repeating the last pixels beyond the edge."""
        rows = np.clip(np.arange(window.rows.start, window.rows.stop), 0, self.shape[0] - 1)
        cols = np.clip(np.arange(window.cols.start, window.cols.stop), 0, self.shape[1] - 1)

        def take(image: NDArray[Any]) -> NDArray[Any]:
            return image[:, rows][:, :, cols]

        valid = None if self.valid is None else take(self.valid)
        return take(self.image), None if valid is None or valid.all() else valid


@dataclass(frozen=True)
class JoinedScene:
    """PAN and MS sources on a grid pair; implements `fose.sharpener.Scene`.

    gains, pan_gain: MTF gains at Nyquist; wavelengths: nm or None per band; pool: threads that read and compute.
    """

    pan: Source
    ms: Source
    pair: GridPair
    kernel: Kernel
    gains: Array
    pan_gain: float
    wavelengths: tuple[float | None, ...]
    pool: ThreadPoolExecutor
    ahead: int = field(default=4)

    @property
    def bands(self) -> int:
        """Number of MS bands."""
        return len(self.ms)

    @property
    def ratio(self) -> float:
        """PAN pixels per MS pixel."""
        return self.pair.ratio

    def on(self, pair: GridPair) -> "JoinedScene":
        """The same sources on another grid pair (after registration)."""
        return replace(self, pair=pair)

    def map(self, function: Callable[[SceneTile], T], halo: int = 0, sample: bool = False) -> Iterator[T]:
        """Apply a function to every statistics tile in threads, yielding results in order.

        sample: from `SAMPLED_FROM` tiles on, to the middle of each, a sixteenth of its area.
        """
        windows = statistics_windows(self.pair.shape, sample)
        return ordered_map(lambda window: function(self.tile(window, halo)), windows, self.pool, self.ahead)

    def tile(self, core: Window, halo: int, reach: int = 0) -> SceneTile:
        """Read one tile: its core grown by `halo` MS and `reach` PAN pixels, holes filled, validity kept."""
        outer = pan_window(core, halo, self.pair, reach)
        inner = ms_window(outer, self.pair, self.kernel)
        context = core.rows.start - outer.rows.start
        pan, pan_valid = self._read_pan(outer, context + PAN_REACH)
        ms, ms_valid = read_filled(self.ms.read, inner, _ms_reach(context, self.pair, self.kernel))
        return SceneTile(pan[0], ms, core, outer, inner, self.pair, self.kernel, pan_valid, ms_valid)

    def _read_pan(self, window: Window, reach: int) -> tuple[Array, Valid | None]:
        if self.pair.pan_shift == (0.0, 0.0):
            image, valid = read_filled(self._pan_as_is, window, reach)
        else:
            grown = window.grown(_pan_margin(self.pair))
            image, valid = read_filled(self._pan_as_is, grown, reach)
            rows, cols = self.pair.pan_shift
            axes = AxisMap(-rows, 1), AxisMap(-cols, 1)
            image = resample(image, grown.origin, (window.rows, window.cols), axes, PAN_KERNEL)
            # Validity moves with the image, by whole pixels.
            whole = _moved(window, -round(rows), -round(cols))
            valid = None if valid is None else valid[(slice(None), *whole.within(grown))]
        return image, None if valid is None else valid[0]

    def _pan_as_is(self, window: Window) -> tuple[Array, Valid | None]:
        """PAN by output indices; output pixels that PAN does not cover are missing."""
        row, col = self.pair.pan_origin
        image, valid = self.pan.read(_moved(window, -row, -col))
        covered = _covered(window, self.pair)
        if covered is None:
            return image, valid
        return image, covered if valid is None else valid & covered


def reads(
    core: Window,
    halo: int,
    reach: int,
    pair: GridPair,
    kernel: Kernel,
    holes: tuple[bool, bool] = (True, True),
) -> tuple[Window, Window]:
    """The windows of PAN and of MS, in each source's own indices, that `JoinedScene.tile` stays within.

    For who must fetch pixels before the tile asks for them. holes: whether PAN and MS can have missing pixels, whose
    filling reads further.
    """
    outer = pan_window(core, halo, pair, reach)
    inner = ms_window(outer, pair, kernel)
    context = core.rows.start - outer.rows.start
    if pair.pan_shift != (0.0, 0.0):
        outer = outer.grown(_pan_margin(pair))
    if holes[0]:
        outer = outer.grown(fill_margin(context + PAN_REACH))
    if holes[1]:
        inner = inner.grown(fill_margin(_ms_reach(context, pair, kernel)))
    row, col = pair.pan_origin
    return _moved(outer, -row, -col), inner


def _pan_margin(pair: GridPair) -> int:
    """PAN pixels around a window that moving it by the pair's shift needs."""
    return int(PAN_KERNEL.radius) + 1 + int(max(abs(shift) for shift in pair.pan_shift))


def _ms_reach(context: int, pair: GridPair, kernel: Kernel) -> int:
    """How deep MS holes are filled, MS pixels, around a core with so many PAN pixels of context."""
    return ceil(kernel.radius + context / pair.ratio) + 1


def statistics_windows(shape: Shape, sample: bool = False) -> list[Window]:
    """The windows that statistics of a scene of that shape are taken from, see `JoinedScene.map`."""
    windows = plan(shape, (STATISTICS_TILE, STATISTICS_TILE))
    return [_middle(window) for window in windows] if sample and len(windows) >= SAMPLED_FROM else windows


def _middle(window: Window) -> Window:
    """The middle of a window, a quarter of each side, at least a pixel."""
    height, width = (max(side // 4, 1) for side in window.shape)
    row, col = window.origin
    return Window.of(row + (window.shape[0] - height) // 2, col + (window.shape[1] - width) // 2, height, width)


def _moved(window: Window, rows: int, cols: int) -> Window:
    return Window.of(window.rows.start + rows, window.cols.start + cols, *window.shape)


def _covered(window: Window, pair: GridPair) -> Valid | None:
    """Which pixels of the output grid PAN covers; None where all (always, unless the extent is a union)."""

    def axis(span: slice, origin: int, pan_size: int, size: int) -> Valid:
        index = np.arange(span.start, span.stop)
        return ((index >= origin) & (index < origin + pan_size)) | (index < 0) | (index >= size)

    rows = axis(window.rows, pair.pan_origin[0], pair.pan_shape[0], pair.shape[0])
    cols = axis(window.cols, pair.pan_origin[1], pair.pan_shape[1], pair.shape[1])
    return None if rows.all() and cols.all() else (rows[:, None] & cols)[None]


def read_filled(
    read: Callable[[Window], tuple[Array, Valid | None]], window: Window, reach: int
) -> tuple[Array, Valid | None]:
    """Read a window and fill its holes; only a window with holes is read again with the margin they need."""
    image, valid = read(window)
    if valid is None or valid.all():
        return image, None
    outer = window.grown(fill_margin(reach))
    image, known = read(outer)
    if known is None:
        raise ReadError("a window changed while it was read: expected missing pixels, found none on the second read")
    filled = np.stack([fill_missing(band, ok, reach) for band, ok in zip(image, known, strict=True)])
    return filled[(slice(None), *window.within(outer))], valid
