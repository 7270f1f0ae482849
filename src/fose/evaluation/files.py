"""Measure images that are stored in files: with a reference, or with the PAN and MS that they were made from."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from fose.classical.reference import ReferenceScene
from fose.errors import GridError, InputError
from fose.evaluation.cases import whole_images
from fose.evaluation.full import FusedSource, ReferenceFullTrial, measure
from fose.evaluation.scores import PairStrip, Scores, inside, with_reference
from fose.machine import cores
from fose.scene.grid import Grid, GridPair, Shape, check_same_grid, same_grid
from fose.scene.reader import Raster
from fose.scene.register import register
from fose.scene.scene import Valid
from fose.scene.sharpen import Opened, Options, joined, open_pair, prepared
from fose.scene.tiles import Window

PathLike = str | Path

# Samples of each image in one strip of `against_reference`: 4 MB in float32, near a processor's cache.
STRIP_SAMPLES = 2**20
# Offset between two grids, in PAN pixels, that still counts as whole.
OFFSET_TOLERANCE = 0.01


def against_reference(
    reference: PathLike,
    fused: PathLike,
    ratio: float | None = None,
    peak: float | None = None,
    cut: int = 0,
    nodata: float | None = None,
) -> tuple[Scores, list[str]]:
    """SAM, ERGAS, Q2n, Q_avg, SCC, PSNR and SSIM of a raster against another of the same grid, and notes.

    Read in strips of rows: memory depends on the width, not on the height. ratio: for ERGAS; peak: for PSNR and SSIM;
    cut: the toolboxes' border cut. Missing pixels of either are left out. Raises GridError for other grids,
    InputError for other bands, and ReadError.
    """
    with prepared(Options()) as stack:
        first, second = (stack.enter_context(Raster([path], nodata=nodata)) for path in (reference, fused))
        check_same_grid(("reference", "fused"), first.info.grid, second.info.grid)
        if len(first) != len(second):
            raise InputError(f"fused: expected the {len(first)} bands of the reference, found {len(second)}")
        strips = _Strips(first, second, cut)
        scores = with_reference(strips, ratio, peak)
    return scores, strips.notes


class _Strips:
    """Strips of two rasters, counting the pixels that only the second lacks."""

    def __init__(self, reference: Raster, fused: Raster, cut: int) -> None:
        self._pair = reference, fused
        self._rows, self._cols = (inside(size, cut) for size in reference.shape)
        self._lost = 0

    def __iter__(self) -> Iterator[PairStrip]:
        width = self._cols.stop - self._cols.start
        step = max(STRIP_SAMPLES // (width * len(self._pair[0])), 32)
        for start in range(self._rows.start, self._rows.stop, step):
            window = Window(slice(start, min(start + step, self._rows.stop)), self._cols)
            (reference, known), (fused, found) = (raster.read(window) for raster in self._pair)
            there, seen = _in_all_bands(known, window.shape), _in_all_bands(found, window.shape)
            self._lost += int((there & ~seen).sum())
            both = there & seen
            yield reference, fused, None if both.all() else both

    @property
    def notes(self) -> list[str]:
        """Say where fused lacks pixels that the reference has: leaving them out may flatter it."""
        return [f"fused lacks {self._lost} pixels that the reference has; they are left out"] if self._lost else []


def _in_all_bands(valid: Valid | None, shape: Shape) -> Valid:
    return np.ones(shape, bool) if valid is None else np.asarray(valid.all(axis=0))


def without_reference(
    pan: PathLike,
    ms: Sequence[PathLike],
    fused: PathLike,
    conventions: str = "scene",
    options: Options | None = None,
) -> tuple[Scores, list[str]]:
    """D_lambda, D_s, QNR, D_lambda_K in both forms and HQNR of a raster on PAN's grid, and notes.

    fused may cover a part of PAN or reach beyond it, but its pixels must be PAN's. conventions: "scene" uses the
    operators of the pipeline at the true phase, strip by strip; "reference" those of the toolboxes on whole images.
    Raises GridError where the grids do not belong together, InputError and ReadError.
    """
    options = options or Options()
    with prepared(options) as stack:
        opened = open_pair(pan, ms, replace(options, extent="pan"), stack)
        image = stack.enter_context(Raster([fused], nodata=options.nodata))
        if conventions == "reference":
            return _toolbox(opened, image)
        if conventions != "scene":
            raise InputError(f"conventions: expected scene or reference, found {conventions!r}")
        return _strips(replace(opened, pair=_on_grid(opened, image.info.grid)), image, options, stack)


def _strips(opened: Opened, fused: Raster, options: Options, stack: ExitStack) -> tuple[Scores, list[str]]:
    pool = stack.enter_context(ThreadPoolExecutor(options.threads or cores()))
    scene, registration = register(joined(opened, options, pool, ahead=4), options.register, "pan")
    scores = measure(scene, FusedSource(fused))
    height, width = scene.pair.shape
    notes = [*opened.notes, f"sensor {opened.bands.sensor.name} ({opened.bands.reason})", *registration.notes]
    if scores.pixels != height * width:
        notes.append(
            f"measured the top left part, whole blocks of 32 pixels: {scores.pixels} of {height * width} pixels"
        )
    return scores, notes


def _toolbox(opened: Opened, fused: Raster) -> tuple[Scores, list[str]]:
    grid = opened.pan.info.grid
    if not same_grid(grid, fused.info.grid) and grid.shape != fused.shape:
        raise GridError(f"reference conventions: expected fused on all of PAN's grid {grid}, found {fused.info.grid}")
    pan, ms, notes = whole_images(opened)
    image, valid = fused.read(Window.of(0, 0, *fused.shape))
    if valid is not None and not valid.all():
        raise InputError("reference conventions: expected no missing pixels, found some in fused; use scene ones")
    scene = ReferenceScene.of(pan, ms, opened.bands)
    evidence = f"sensor {opened.bands.sensor.name} ({opened.bands.reason})"
    return ReferenceFullTrial.of(scene).measure(image), [*opened.notes, evidence, *notes]


def _on_grid(opened: Opened, grid: Grid) -> GridPair:
    """The pair with fused's grid as its output grid; GridError where its pixels are not PAN's."""
    pair, pan = opened.pair, opened.pan.info.grid
    if pan.transform is None or grid.transform is None:
        if grid.shape != pair.shape or (pan.transform is None) != (grid.transform is None):
            raise GridError(f"expected fused on PAN's grid {pan}, found {grid}")
        return pair
    if pan.crs and grid.crs and pan.crs != grid.crs:
        raise GridError(f"expected fused in PAN's CRS, found PAN {pan} and fused {grid}")
    offset = ~pan.transform * grid.transform
    col, row = round(offset.c), round(offset.f)
    drift = max(abs(offset.a - 1), abs(offset.b), abs(offset.d), abs(offset.e - 1)) * max(grid.shape)
    if max(drift, abs(offset.c - col), abs(offset.f - row)) > OFFSET_TOLERANCE:
        raise GridError(
            f"expected fused to have PAN's pixels, found PAN {pan} and fused {grid}; resample fused onto PAN's grid"
        )
    inner = pair.window(row, col, grid.shape)
    if row >= pan.shape[0] or col >= pan.shape[1] or row + grid.shape[0] <= 0 or col + grid.shape[1] <= 0:
        raise GridError(f"expected fused to overlap PAN, found PAN {pan} and fused {grid}")
    return inner
