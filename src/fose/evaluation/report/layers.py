"""The images of a report on one grid: MS interpolated, PAN, each result and the target, whole or in windows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fose.errors import GridError, InputError
from fose.ops.fill import fill_missing
from fose.ops.resample import AxisMap, resample
from fose.scene.grid import GridPair
from fose.scene.inspect import Inspection, inspect_files
from fose.scene.reader import Raster
from fose.scene.scene import JoinedScene
from fose.scene.sharpen import Options, joined, open_pair
from fose.scene.tiles import Window
from fose.sharpener import Array

Valid = NDArray[np.bool_]
Pixels = dict[str, Array]  # layer key -> (C, H, W); PAN has one band

PAN, MS, TARGET = "pan", "ms", "target"
# How far, in PAN pixels, a result may lie from whole PAN pixels: below what registration can measure.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Placed:
    """A raster on PAN's pixels; `origin` is its (row, column) under the report's first pixel."""

    raster: Raster
    origin: tuple[int, int]

    def window(self, window: Window) -> Window:
        """Where a window of the report's grid lies in the raster."""
        row, col = window.origin
        return Window.of(row + self.origin[0], col + self.origin[1], *window.shape)


@dataclass(frozen=True)
class Layers:
    """Everything that is compared, joined on the output grid of `fose sharpen`."""

    scene: JoinedScene
    pan: Placed
    ms: Raster
    placed: dict[str, Placed]  # results and target, by key
    names: dict[str, str]  # what to call each layer, by key, in order
    facts: Inspection
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the grid, PAN pixels."""
        return self.scene.pair.shape

    @property
    def sharps(self) -> list[str]:
        """Keys of the results."""
        return [key for key in self.placed if key != TARGET]

    @property
    def target(self) -> str | None:
        """Key of the target where there is one."""
        return TARGET if TARGET in self.placed else None

    def read(self, window: Window) -> tuple[Pixels, Valid]:
        """Full-resolution pixels of a window and which of them every layer has."""
        tile = self.scene.tile(window, halo=0)
        known = tile.valid_core(any_band=True)
        valid = np.ones(window.shape, bool) if known is None else known.copy()
        pixels = {MS: tile.core(tile.ms_up), PAN: tile.core(tile.pan)[None]}
        for key, placed in self.placed.items():
            pixels[key], own = _read(placed.raster, placed.window(window))
            valid &= own
        return pixels, valid

    def reduced(self, factor: int) -> tuple[Pixels, Valid]:
        """The whole grid, less a rest of rows and columns, as means of factor x factor PAN pixels."""
        shape = self.shape[0] // factor, self.shape[1] // factor
        whole = Window.of(0, 0, shape[0] * factor, shape[1] * factor)
        low, valid = self._reduced_ms(factor, shape)
        pixels = {MS: low}
        for key, placed in {PAN: self.pan, **self.placed}.items():
            pixels[key], known = placed.raster.reduced(placed.window(whole), factor)
            valid &= True if known is None else known.all(axis=0)
        return pixels, valid

    def _reduced_ms(self, factor: int, shape: tuple[int, int]) -> tuple[Array, Valid]:
        pair, ms = self.scene.pair, self.ms
        step = min(max(1, int(factor / pair.ratio)), *ms.shape)
        size = ms.shape[0] // step, ms.shape[1] // step
        image, known = ms.reduced(Window.of(0, 0, size[0] * step, size[1] * step), step)
        axes = _thinned(pair.rows, factor, step), _thinned(pair.cols, factor, step)
        valid = np.ones(shape, bool)
        if known is not None:
            image = np.stack([fill_missing(band, ok, 8) for band, ok in zip(image, known, strict=True)])
            rows, cols = (
                np.clip(np.rint(axis.position(np.arange(n))), 0, m - 1).astype(int)
                for axis, n, m in zip(axes, shape, size, strict=True)
            )
            valid = np.asarray(known.all(axis=0))[np.ix_(rows, cols)]
        window = slice(0, shape[0]), slice(0, shape[1])
        return resample(image, (0, 0), window, axes, self.scene.kernel), valid


def _thinned(axis: AxisMap, factor: int, step: int) -> AxisMap:
    """The map from pixels of `factor` output pixels to pixels of `step` input pixels."""
    return AxisMap((float(axis.position((factor - 1) / 2)) - (step - 1) / 2) / step, axis.step * factor / step)


def _read(raster: Raster, window: Window) -> tuple[Array, Valid]:
    image, valid = raster.read(window)
    return image, np.ones(window.shape, bool) if valid is None else np.asarray(valid.all(axis=0))


def open_layers(
    pan: str | Path,
    ms: Sequence[str | Path],
    sharps: Sequence[str | Path],
    target: str | Path | None,
    options: Options,
    stack: ExitStack,
) -> Layers:
    """Open and join everything; InputError or GridError for a result or target that does not fit the pair."""
    facts = inspect_files(pan, ms, options)
    opened = open_pair(pan, ms, options, stack)
    pool = stack.enter_context(ThreadPoolExecutor(options.threads or 2))
    pair, moved = opened.pair, facts.registration
    if moved["moved"] == "ms":
        pair = pair.ms_moved(-moved["rows"], -moved["cols"])
    scene = joined(replace(opened, pair=pair), options, pool, ahead=2)
    paths = {f"sharp{index}": path for index, path in enumerate(sharps, start=1)}
    paths |= {} if target is None else {TARGET: target}
    notes: list[str] = []
    placed = {
        key: place(stack.enter_context(Raster([path], nodata=options.nodata)), pair, scene.bands, notes)
        for key, path in paths.items()
    }
    names = {MS: "MS, interpolated", PAN: "PAN"} | _names({key: path for key, path in paths.items() if key != TARGET})
    if target is not None:
        names[TARGET] = "Target"
    row, col = pair.pan_origin
    return Layers(scene, Placed(opened.pan, (-row, -col)), opened.ms, placed, names, facts, tuple(notes))


def _names(paths: dict[str, str | Path]) -> dict[str, str]:
    """File names without suffix; with their folder where two are alike."""
    stems = {key: Path(path).stem for key, path in paths.items()}
    alike = [stem for stem in stems.values() if list(stems.values()).count(stem) > 1]
    return {key: f"{Path(paths[key]).parent.name}/{stem}" if stem in alike else stem for key, stem in stems.items()}


def place(raster: Raster, pair: GridPair, bands: int, notes: list[str]) -> Placed:
    """Put a raster on the pair's output grid; adds to `notes` what had to be assumed."""
    path, grid = raster.names[0], raster.info.grid
    if len(raster) != bands:
        raise InputError(f"expected the {bands} bands of the MS in {path}, found {len(raster)}; choose with --bands")
    height, width = pair.shape
    wanted = f"PAN's grid, {width}x{height} px{_corner(pair)}"
    if grid.transform is None or pair.transform is None:
        origin = _by_shape(grid.shape, pair)
        if grid.transform is None and pair.transform is not None and origin is not None:
            notes.append(
                f"{Path(path).name} has no georeference; taken to lie on PAN's pixels, as its size is the same"
            )
    else:
        crs_differs = bool(grid.crs and pair.crs and grid.crs != pair.crs)
        origin = None if crs_differs else _by_transform(~grid.transform * pair.transform, pair.shape)
    if origin is None or not all(
        first >= 0 and first + size <= own for first, size, own in zip(origin, pair.shape, grid.shape, strict=True)
    ):
        raise GridError(
            f"expected {path} to lie on {wanted}, found {grid}; give the result of sharpening this very pair, "
            "or bring it to that grid first, e.g. with gdalwarp -te -ts"
        )
    return Placed(raster, origin)


def _corner(pair: GridPair) -> str:
    if pair.transform is None:
        return ""
    t: Any = pair.transform
    return f" of {abs(t.a):g}x{abs(t.e):g} at ({t.c:.10g}, {t.f:.10g})"


def _by_shape(shape: tuple[int, int], pair: GridPair) -> tuple[int, int] | None:
    if shape == pair.shape:
        return 0, 0
    return (-pair.pan_origin[0], -pair.pan_origin[1]) if shape == pair.pan_shape else None


def _by_transform(relation: Any, shape: tuple[int, int]) -> tuple[int, int] | None:
    """Row and column of the first pixel, or None unless the pixels coincide over the whole shape."""
    drift = max(abs(relation.a - 1), abs(relation.d)) * shape[1], max(abs(relation.e - 1), abs(relation.b)) * shape[0]
    row, col = round(relation.f), round(relation.c)
    apart = max(*drift, abs(relation.f - row), abs(relation.c - col))
    return (row, col) if apart <= TOLERANCE else None
