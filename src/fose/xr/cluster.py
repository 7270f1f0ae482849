"""`fose sharpen --dask`: the same graph over files, and an output that is whole or absent.

The workers open PAN and MS themselves, so that masks, alpha, stacks of files and other CRS are read as in a local run
and no input moves between workers. Registration and fit are the graph's; then this process asks for a few chunks at a
time, in file order, and writes them as they come: only it writes, so a worker may die at any moment, and what waits
in the workers' memory is bounded.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, cast

from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker

from fose import api
from fose.errors import FoseError, InputError
from fose.machine import cores
from fose.scene import gdal_brovey
from fose.scene.reader import Raster
from fose.scene.sharpen import (
    Clock,
    Opened,
    Options,
    Progress,
    Report,
    open_pair,
    output_dtype,
    output_spec,
    prepared,
    report_of,
)
from fose.scene.tiles import Window, ordered_map, plan
from fose.scene.writer import OutputFile, check_target
from fose.sharpener import Sharpener
from fose.xr.graph import Method, Paths, Plan, Storage, sharpen_window
from fose.xr.pieces import Files
from fose.xr.replay import Setup

LOCAL = "local"
CHUNK = (1024, 1024)  # PAN pixels: whole blocks of writers and networks


def sharpen_files(
    address: str,
    pan: str | Path,
    ms: Sequence[str | Path],
    out: str | Path,
    method: str | Sharpener = api.DEFAULT_METHOD,
    *,
    weights: Sequence[float] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    resume: bool = False,
    shard: tuple[int, int] | None = None,
    **options: Any,
) -> Report:
    """Sharpen a scene into a new file on a Dask cluster: pixels, metadata and arguments as of `fose.sharpen`.

    address: of the scheduler, or "local" for `threads` workers on this machine. The inputs' paths must be the
    workers' too; the output is written by this process. Of the options, `memory` is this process's only: what workers
    hold is bounded by their own limits. resume and shard are refused. Raises a `fose.FoseError` and leaves no file
    when it cannot finish.
    """
    if method == gdal_brovey.NAME:
        raise InputError(f"--dask: expected a method that works tile by tile, found GDAL's, {method}")
    if resume or shard:
        raise InputError("--dask: expected neither --resume nor --shard, found one; leave it out")
    chosen = Method.of(method, weights, device)
    given = api.checked_options(options)
    check_target(Path(out), given.driver, given.overwrite, (pan, *ms))
    with prepared(given) as stack:
        opened = open_pair(pan, ms, given, stack)
        client = stack.enter_context(connected(address, given.threads))
        try:
            return _run(opened, Path(out), client, chosen, given, progress)
        except KilledWorker as error:
            raise FoseError(
                f"expected workers that survive, found several killed by one ({error}); give each more memory"
            ) from error


@contextmanager
def connected(address: str, threads: int | None) -> Iterator[Client]:
    """A client of the scheduler at an address, or of as many one-threaded local workers as asked, else cores."""
    with ExitStack() as stack:
        target: Any = address
        if address == LOCAL:
            target = LocalCluster(n_workers=threads or cores(), threads_per_worker=1, dashboard_address=":0")
            stack.enter_context(target)
        try:
            client = stack.enter_context(Client(target, set_as_default=False))
        except (OSError, ValueError) as error:
            raise InputError(
                f"--dask: expected the address of a Dask scheduler, such as tcp://host:8786, or local; {address!r} did "
                f"not answer ({error})"
            ) from error
        yield client


def _run(
    opened: Opened, out: Path, client: Client, method: Method, options: Options, progress: Progress | None
) -> Report:
    """Register and fit by the graph, then have chunks computed and write them."""
    clock = Clock()
    sharpener, dtype = method.sharpener, output_dtype(options.dtype, opened.ms.info.dtype)
    pixels = Paths(
        _files(opened.pan, None, options.nodata, None),
        _files(opened.ms, options.bands, options.nodata, opened.pair.crs if opened.ms.warped else None),
    )
    plain = replace(opened.pair, crs=None, transform=None)  # tasks know pixels only, and a CRS is long
    bands = opened.bands
    setup = Setup(plain, options.resampling, bands.gains, bands.pan_gain, bands.wavelengths)
    work = Plan.of(setup, method, pixels, (True, True), options.register, options.reference)
    futures = client.compute([work.registered, work.fit])
    registered = futures[0].result()
    clock.lap("register")
    fit = futures[1].result()
    clock.lap("fit")
    pair, registration = replace(registered[0], crs=opened.pair.crs, transform=opened.pair.transform), registered[1]
    spec = output_spec(out, opened, pair, registration, sharpener, options, dtype, cores())
    storage = Storage(dtype, spec.missing.nodata)

    def chunk(window: Window) -> tuple[Window, Any]:
        return window, sharpen_window(setup, method, registered, fit, pixels.pan, pixels.ms, window, storage)

    threads = sum(client.nthreads().values())
    with OutputFile(spec) as output:
        # An executor, but no pool of threads; enough chunks ahead that no worker waits for the writer.
        results = ordered_map(chunk, plan(pair.shape, CHUNK), cast(Any, client.get_executor()), 2 * threads + 2)
        for window, (image, valid) in results:
            output.write(window, image, valid)
            if progress:
                progress(prod(window.shape), prod(pair.shape))
    clock.lap("apply_and_write")
    scene = setup.on(pair).scene(opened.pan, opened.ms)
    return clock.timed(report_of(opened, sharpener, scene, registration, spec), prod(pair.shape))


def _files(raster: Raster, bands: Sequence[int] | None, nodata: float | None, crs: Any) -> Files:
    """A raster by what a worker needs to open it; local paths absolute, for workers run elsewhere."""
    paths = tuple(str(Path(path).absolute()) if Path(path).exists() else path for path in raster.paths)
    return Files(paths, None if bands is None else tuple(bands), nodata, crs)
