"""Where tasks get their pixels from: windows cut from Dask arrays, or files that the worker reads itself."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import getitem
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.scene.grid import Shape
from fose.scene.reader import Raster
from fose.scene.scene import ArraySource
from fose.scene.tiles import Window
from fose.sharpener import Array

Valid = NDArray[np.bool_]
Tasks = dict[Hashable, Any]


@dataclass(frozen=True)
class Piece:
    """A window of a larger image, readable as the whole image is within it; implements `fose.scene.scene.Source`."""

    source: ArraySource
    origin: tuple[int, int]  # of the window in the whole image
    shape: Shape  # of the whole image

    def __len__(self) -> int:
        return len(self.source)

    def read(self, window: Window) -> tuple[Array, Valid | None]:
        """Copy a window, repeating the whole image's last pixels beyond its edge."""
        rows, cols = clipped(window, self.shape).within(Window.of(*self.origin, *self.source.shape))
        height, width = self.source.shape
        if min(rows.start, cols.start) < 0 or rows.stop > height or cols.stop > width:
            raise InputError(
                f"expected a read within {height}x{width} px from {self.origin}, found {window}: the method's fit asks "
                "for other halos than on a made-up scene; sharpen files with fose.sharpen instead"
            )
        inner = Window.of(window.rows.start - self.origin[0], window.cols.start - self.origin[1], *window.shape)
        return self.source.read(inner)


def piece(blocks: Sequence[Any], origin: tuple[int, int], shape: Shape, nodata: float | None) -> Piece:
    """The piece that nested lists of (C, h, w) blocks make, rows of blocks first."""
    image = np.concatenate([np.concatenate(row, axis=2) for row in blocks], axis=1)
    return Piece(ArraySource.of(image, nodata), origin, shape)


def clipped(window: Window, shape: Shape) -> Window:
    """The part of a window that lies on an image, or the edge pixels that stand for it where none does."""

    def clip(span: slice, size: int) -> slice:
        start = min(max(span.start, 0), size - 1)
        return slice(start, max(start + 1, min(span.stop, size)))

    return Window(clip(window.rows, shape[0]), clip(window.cols, shape[1]))


@dataclass(frozen=True)
class Cuts:
    """Cuts windows from a (C, H, W) Dask array whose bands are one chunk.

    Only the part of a block that a window needs is a task's result, so that only that moves between workers.
    """

    array: "da.Array"
    nodata: float | None
    name: str  # unique in the graph; prefix of the keys

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        height, width = self.array.shape[-2:]
        return height, width

    def tasks(self, windows: Sequence[Window]) -> tuple[Tasks, list[Hashable]]:
        """Tasks that give the `Piece` of each window, and the keys of those."""
        tasks: Tasks = {}
        keys: list[Hashable] = [(self.name, index) for index in range(len(windows))]
        rows, cols = (list(accumulate(chunks, initial=0)) for chunks in self.array.chunks[-2:])
        for key, window in zip(keys, windows, strict=True):
            inner = clipped(window, self.shape)
            blocks = [
                [self._cut(tasks, row, col, own_rows, own_cols) for col, own_cols in _parts(inner.cols, cols)]
                for row, own_rows in _parts(inner.rows, rows)
            ]
            tasks[key] = (piece, blocks, inner.origin, self.shape, self.nodata)
        return tasks, keys

    def _cut(self, tasks: Tasks, row: int, col: int, rows: slice, cols: slice) -> Hashable:
        """The key of a part of a block, whose task is added where no other window needs the same part."""
        block = (self.array.name, 0, row, col)
        if (rows.stop - rows.start, cols.stop - cols.start) == (self.array.chunks[1][row], self.array.chunks[2][col]):
            return block
        key = (f"{self.name}-cut", row, col, rows.start, rows.stop, cols.start, cols.stop)
        tasks[key] = (getitem, block, (slice(None), rows, cols))
        return key


def _parts(span: slice, edges: Sequence[int]) -> Iterator[tuple[int, slice]]:
    """The blocks that a span touches, and the part of each, in its own pixels."""
    for index, (start, stop) in enumerate(pairwise(edges)):
        first, last = max(span.start, start), min(span.stop, stop)
        if first < last:
            yield index, slice(first - start, last - start)


@dataclass(frozen=True)
class Files:
    """A raster that each worker opens itself, by path; implements `fose.scene.scene.Source`."""

    paths: tuple[str, ...]
    bands: tuple[int, ...] | None
    nodata: float | None
    crs: Any  # rasterio CRS that it is warped to, or None

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        return _raster(self).shape

    def __len__(self) -> int:
        return len(_raster(self))

    def read(self, window: Window) -> tuple[Array, Valid | None]:
        """As `Raster.read`."""
        return _raster(self).read(window)


@lru_cache(maxsize=8)
def _raster(files: Files) -> Raster:
    """This process's raster: opening costs more than reading a tile."""
    return Raster(files.paths, files.bands, files.nodata, files.crs)
