"""The pipeline, top to bottom: open -> join -> register -> fit -> apply per tile -> store -> seal."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fose import sensors
from fose._version import __version__
from fose.errors import InputError
from fose.ops.radiometry import store
from fose.ops.resample import kernel
from fose.scene.grid import Grid, GridPair, join
from fose.scene.memory import Budget
from fose.scene.reader import Raster, RasterInfo
from fose.scene.register import Registration, register
from fose.scene.scene import JoinedScene, Valid
from fose.scene.tiles import SceneTile, Window, ordered_map, plan
from fose.scene.writer import OutputFile, OutputSpec, check_target, choose_missing
from fose.sharpener import Array, Sharpener

Progress = Callable[[int, int], None]  # output pixels written since the last call, and in all
Stored = tuple[Window, NDArray[Any], NDArray[np.bool_] | None]  # a window's stored pixels, and which are valid

# Enough to hide the latency of reading behind computing; more would only hold more tiles in memory.
READERS = 2


@dataclass(frozen=True)
class Options:
    """What the user may choose; the defaults are the command line's."""

    bands: Sequence[int] | None = None
    resampling: str = "lanczos"
    extent: str = "intersection"
    driver: str = "GTiff"
    creation: Mapping[str, str] = field(default_factory=dict)
    dtype: str | None = None
    nodata: float | None = None
    memory: int | None = None  # bytes; None: a gigabyte, or what the scene needs
    threads: int | None = None
    register: str = "auto"
    reference: str = "pan"
    sensor: str | None = None
    overwrite: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)  # dataset tags to add to the output


@dataclass(frozen=True)
class Opened:
    """A PAN and MS pair opened, joined and recognised."""

    pan: Raster
    ms: Raster
    pair: GridPair
    bands: sensors.Guess
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What a run did, in plain values: the command line prints it with --json."""

    output: str
    method: str
    version: str
    inputs: dict[str, Any]
    shape: tuple[int, int, int]  # bands, rows, columns
    dtype: str
    ratio: float
    phase: tuple[float, float]  # MS corner on the PAN grid, PAN pixels (row, column)
    sensor: str
    sensor_evidence: str
    registration: dict[str, Any]
    missing: str | None
    notes: list[str]
    seconds: dict[str, float] = field(default_factory=dict)
    megapixels_per_second: float = 0.0
    missing_strips: list[int] = field(default_factory=list)  # what other shards have left to do, counted from 1


def open_pair(pan: str | Path, ms: Sequence[str | Path], options: Options, stack: ExitStack) -> Opened:
    """Open both rasters (closed by `stack`), warp the MS to PAN's CRS if need be, and join the grids."""
    pan_raster = stack.enter_context(Raster([pan], nodata=options.nodata))
    if len(pan_raster) != 1:
        raise InputError(f"expected one PAN band in {pan}, found {len(pan_raster)}; PAN comes first, then MS")
    ms_raster = stack.enter_context(Raster(ms, options.bands, options.nodata))
    notes = [*pan_raster.notes, *ms_raster.notes]
    pan_grid, ms_grid = pan_raster.info.grid, ms_raster.info.grid
    if pan_grid.crs and ms_grid.crs and pan_grid.crs != ms_grid.crs:
        notes.append(f"MS warped from {ms_grid.crs.to_string()} to PAN's {pan_grid.crs.to_string()}")
        info = ms_raster.info
        ms_raster = stack.enter_context(Raster(ms, options.bands, options.nodata, crs=pan_grid.crs))
        ms_raster.info = replace(info, grid=ms_raster.info.grid, has_alpha=info.has_alpha, has_mask=info.has_mask)
    elif pan_grid.transform is not None and ms_grid.transform is not None and bool(pan_grid.crs) != bool(ms_grid.crs):
        notes.append("only one of PAN and MS names its CRS; assumed to hold for both")
    elif pan_grid.transform is None and ms_grid.transform is None:
        notes.append("no georeference on either raster; equal extents assumed")
    pair = join(pan_raster.info.grid, ms_raster.info.grid, options.extent)
    if pair.crs is None and ms_grid.crs is not None:
        pair = replace(pair, crs=ms_grid.crs)
    return Opened(pan_raster, ms_raster, pair, recognise(pan_raster, ms_raster, pair, options.sensor), tuple(notes))


def recognise(pan: Raster, ms: Raster, pair: GridPair, sensor: str | None) -> sensors.Guess:
    """The sensor and what is known of each band, from tags, names and counts, or as the user says."""
    bands = ms.info.bands
    colours = {"red", "green", "blue"}
    return sensors.resolve(
        sensor,
        sensors.Metadata(
            count=len(bands),
            tags=_flat_tags(ms.info),
            filenames=[path for path, _ in ms.sources] if len(ms.paths) > 1 else ms.paths,
            descriptions=[
                b.description or (b.colorinterp.name if b.colorinterp.name in colours else None) for b in bands
            ],
            wavelengths=[sensors.wavelength_nm(band.tags) for band in bands],
            pan_tags=_flat_tags(pan.info),
            pan_filename=pan.paths[0],
            ratio=pair.ratio,
        ),
    )


def _flat_tags(info: RasterInfo) -> dict[str, str]:
    return info.tags | {f"{domain}.{key}": text for domain, tags in info.domains.items() for key, text in tags.items()}


def joined(opened: Opened, options: Options, pool: ThreadPoolExecutor, ahead: int) -> JoinedScene:
    """The scene that methods are fitted on."""
    return JoinedScene(
        pan=opened.pan,
        ms=opened.ms,
        pair=opened.pair,
        kernel=kernel(options.resampling),
        gains=opened.bands.gains,
        pan_gain=opened.bands.pan_gain,
        wavelengths=opened.bands.wavelengths,
        pool=pool,
        ahead=ahead,
    )


def sharpen_files(
    pan: str | Path,
    ms: Sequence[str | Path],
    out: str | Path,
    sharpener: Sharpener,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Sharpen a scene into a new file. Returns what was done; raises a `fose.errors.FoseError` and leaves no file."""
    options = options or Options()
    check_target(Path(out), options.driver, options.overwrite, (pan, *ms))
    with prepared(options) as stack:
        return run(open_pair(pan, ms, options, stack), Path(out), sharpener, options, progress)


@contextmanager
def prepared(options: Options) -> Iterator[ExitStack]:
    """A context for a run: one BLAS thread per compute thread, GDAL's cache within the budget, a stack for files."""
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=Budget.cache(options.memory)))
        yield stack


def run(opened: Opened, out: Path, sharpener: Sharpener, options: Options, progress: Progress | None = None) -> Report:
    """Register, fit, apply and write an opened pair."""
    clock = Clock()
    with registered(opened, out, sharpener, options) as work:
        clock.lap("register")
        fit = sharpener.fit(work.scene)
        clock.lap("fit")
        with OutputFile(work.spec) as output:
            shape = work.scene.pair.shape
            for window, image, valid in work.sharpened(fit, plan(shape, work.budget.tile)):
                output.write(window, image, valid)
                if progress:
                    progress(prod(window.shape), prod(shape))
        clock.lap("apply_and_write")
    return clock.timed(work.report, prod(shape))


class Clock:
    """Seconds that the phases of a run took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """A phase ends here."""
        now = time.perf_counter()
        self.seconds[phase], self._last = now - self._last, now

    def timed(self, report: Report, pixels: int) -> Report:
        """The report with these times, and the rate of so many pixels."""
        total = sum(self.seconds.values())
        return replace(report, seconds=self.seconds | {"total": total}, megapixels_per_second=pixels / 1e6 / total)


@dataclass(frozen=True)
class Work:
    """A registered scene and what turns it into an output. report: all of it that is known before, without times."""

    scene: JoinedScene
    sharpener: Sharpener
    budget: Budget
    readers: ThreadPoolExecutor
    spec: OutputSpec
    report: Report

    def sharpened(self, fit: Any, windows: Iterable[Window]) -> Iterator[Stored]:
        """Read, sharpen and store windows of the output, yielding them in order.

        Readers fetch tiles in advance, compute threads sharpen them, and the caller writes: at most ``budget.ahead``
        tiles exist at a time.
        """
        sharpener, spec = self.sharpener, self.spec

        def read(window: Window) -> SceneTile:
            return self.scene.tile(window, sharpener.halo, sharpener.reach)

        def compute(reading: Future[SceneTile]) -> Stored:
            return sharpen_tile(reading.result(), sharpener, fit, spec.missing.nodata, spec.dtype)

        reads = (self.readers.submit(read, window) for window in windows)
        return ordered_map(compute, reads, self.scene.pool, self.budget.ahead)


@contextmanager
def registered(opened: Opened, out: Path, sharpener: Sharpener, options: Options) -> Iterator[Work]:
    """A context that divides memory and threads, and registers an opened pair."""
    dtype = output_dtype(options.dtype, opened.ms.info.dtype)
    budget = Budget.split(
        options.memory,
        options.threads,
        len(opened.ms),
        dtype.itemsize,
        opened.pair,
        sharpener.halo,
        sharpener.reach,
        sharpener.working,
    )
    with ThreadPoolExecutor(budget.threads, "compute") as pool, ThreadPoolExecutor(READERS, "read") as readers:
        scene, registration = register(
            joined(opened, options, pool, budget.fitting), options.register, options.reference
        )
        spec = output_spec(out, opened, scene.pair, registration, sharpener, options, dtype, budget.threads)
        report = report_of(opened, sharpener, scene, registration, spec)
        yield Work(scene, sharpener, budget, readers, spec, report)


def output_dtype(wanted: str | None, default: np.dtype[Any]) -> np.dtype[Any]:
    """The output's type: as asked, else the MS's. InputError where GeoTIFF has no such type."""
    try:
        dtype = np.dtype(wanted or default)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or dtype == np.float16:
        raise InputError(
            f"--dtype: expected uint8, uint16, int16, uint32, int32, float32 or float64; found {wanted or default}"
        )
    return dtype


def report_of(
    opened: Opened, sharpener: Sharpener, scene: JoinedScene, registration: Registration, spec: OutputSpec
) -> Report:
    """What is done, as far as it is known before: all but the times."""
    return Report(
        output=str(spec.path),
        method=sharpener.name,
        version=__version__,
        inputs={"pan": opened.pan.names[0], "ms": opened.ms.names},
        shape=(len(opened.ms), *scene.pair.shape),
        dtype=str(spec.dtype),
        ratio=scene.ratio,
        phase=opened.pair.phase,
        sensor=opened.bands.sensor.name,
        sensor_evidence=opened.bands.reason,
        registration=registration.as_dict(),
        missing=spec.missing.form,
        notes=[*opened.notes, *_type_notes(opened.ms.info.dtype, spec.dtype), *registration.notes],
    )


def _type_notes(ms: np.dtype[Any], out: np.dtype[Any]) -> list[str]:
    """Say what an output type that cannot hold every MS value does to them."""
    if out.kind == "f" or np.can_cast(ms, out):
        return []
    limits = np.iinfo(out)
    return [f"MS is {ms}, output {out}: values are rounded and clipped to {limits.min}..{limits.max}, not rescaled"]


def sharpen_tile(tile: SceneTile, sharpener: Sharpener, fit: Any, nodata: float | None, dtype: np.dtype[Any]) -> Stored:
    """A tile's own window, its stored pixels (C, H, W), and which are valid in all bands (H, W), None: all."""
    valid = tile.valid_core()
    if valid is not None and not valid.any():
        blank = np.zeros((len(tile.ms), *tile.core_window.shape), np.float32)
        return tile.core_window, store(blank, dtype, nodata, ~valid), np.asarray(valid.any(axis=0))
    image = tile.core(sharpener.apply(tile, fit))
    stored = store(image, dtype, nodata, None if valid is None else ~valid)
    return tile.core_window, stored, None if valid is None else np.asarray(valid.all(axis=0))


def sharpen_to_array(
    scene: JoinedScene, sharpener: Sharpener, tile: tuple[int, int] | None = None
) -> tuple[Array, Valid | None]:
    """Sharpen a scene into memory, in tiles of that shape or at once: (C, H, W) float32, valid pixels (None: all)."""
    fit = sharpener.fit(scene)
    out = np.empty((scene.bands, *scene.pair.shape), np.float32)
    valid = np.ones(out.shape, bool)
    for window in plan(scene.pair.shape, tile or scene.pair.shape):
        part = scene.tile(window, sharpener.halo, sharpener.reach)
        out[:, window.rows, window.cols] = part.core(sharpener.apply(part, fit))
        known = part.valid_core()
        if known is not None:
            valid[:, window.rows, window.cols] = known
    return out, None if valid.all() else valid


def output_spec(
    out: Path,
    opened: Opened,
    pair: GridPair,
    registration: Registration,
    sharpener: Sharpener,
    options: Options,
    dtype: np.dtype[Any],
    threads: int,
) -> OutputSpec:
    """Everything about the output but its pixels."""
    ms, pan = opened.ms.info, opened.pan.info
    may_miss = options.extent != "intersection" or opened.ms.warped or pan.dtype.kind == "f" or ms.dtype.kind == "f"
    return OutputSpec(
        path=out,
        driver=options.driver,
        options=options.creation,
        dtype=dtype,
        grid=Grid(pair.shape, pair.transform, pair.crs),
        bands=ms.bands,
        tags=ms.tags | _pixel_convention(pan) | _provenance(opened, registration, sharpener) | dict(options.tags),
        domains=ms.domains,
        missing=choose_missing(ms, pan, dtype, options.nodata, may_miss),
        overwrite=options.overwrite,
        threads=threads,
    )


def _pixel_convention(pan: RasterInfo) -> dict[str, str]:
    """The output lies on PAN's grid, so whether its pixels are areas or points is PAN's to say."""
    return {key: value for key, value in pan.tags.items() if key == "AREA_OR_POINT"}


def _provenance(opened: Opened, registration: Registration, sharpener: Sharpener) -> dict[str, str]:
    """How the file came to be, as dataset tags; of paths and URLs only file names: the rest may be private."""
    return {
        "FOSE_VERSION": __version__,
        "FOSE_METHOD": sharpener.name,
        "FOSE_PAN": file_name(opened.pan.names[0]),
        "FOSE_MS": ", ".join(map(file_name, opened.ms.names)),
        "FOSE_SENSOR": opened.bands.sensor.name,
        "FOSE_REGISTRATION": registration.summary,
    }


def file_name(path: str) -> str:
    """The last part of a path or URL, without the query of a URL, which may hold an access key."""
    url = "://" in path or path.startswith(("/vsicurl", "/vsis3", "/vsigs", "/vsiaz"))
    return Path(path.partition("?")[0] if url else path).name
