"""`sharpen` for DataArrays and the ``.fose`` accessor."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray

from fose import api, sensors
from fose.ops.resample import kernel
from fose.scene.grid import GridPair, join
from fose.scene.sharpen import Options, output_dtype
from fose.scene.tiles import Window
from fose.sharpener import Sharpener
from fose.xr.arrays import Image, check_crs, choose_storage, chunk_edges, largest_chunk, recognise, result
from fose.xr.graph import Arrays, Method, Plan, Storage
from fose.xr.pieces import Cuts
from fose.xr.replay import Setup


def sharpen(
    pan: xarray.DataArray,
    ms: xarray.DataArray,
    method: str | Sharpener = api.DEFAULT_METHOD,
    *,
    weights: Sequence[float] | None = None,
    device: str = "auto",
    sensor: str | None = None,
    register: str = Options.register,
    reference: str = Options.reference,
    extent: str = Options.extent,
    resampling: str = Options.resampling,
    nodata: float | None = None,
    dtype: str | None = None,
) -> xarray.DataArray:
    """Sharpen MS with PAN: lazily where either is a Dask array, at once where both are in memory.

    pan: (y, x) or (1, y, x); ms: (band, y, x), in PAN's CRS. The grids follow from the coordinates or the transform,
    missing pixels are NaN and the nodata value, as rioxarray has them. Returns (band, y, x) on PAN's grid, cropped to
    `extent`: PAN's coordinates and CRS, the MS's band coordinates, attributes (`long_name`) and nodata; dtype as the
    MS or as asked. An integer result that may miss pixels and has no nodata from MS, PAN or caller gets 0. Pixels are
    those of `fose.sharpen` bit for bit, whatever the chunks and the scheduler.

    method, weights, device and the other options are those of `fose.sharpen`; a sharpener of your own is pickled.
    Every pass over the scene (registration, one or two for the fit, the result) computes PAN and MS anew, so that
    none of them stays in memory: persist them where that is dear.

    Raises InputError or GridError while the graph is built, before any pixel is computed.
    """
    pan_image, ms_image = Image.of(pan, "pan", nodata), Image.of(ms, "ms", nodata)
    check_crs(pan_image, ms_image)
    kernel(resampling)
    asked = None if dtype is None else output_dtype(dtype, ms_image.array.dtype)
    storage = choose_storage(pan_image, ms_image, asked, nodata, extent)
    chosen = Method.of(method, weights, device)
    pair = join(pan_image.grid, ms_image.grid, extent)
    guess = recognise(pan_image, ms_image, pair.ratio, sensor)
    data = _lazy(pan_image, ms_image, chosen, pair, guess, (register, reference, resampling), storage)
    provenance = {"FOSE_METHOD": chosen.sharpener.name, "FOSE_SENSOR": guess.sensor.name}
    sharp = result(pan_image, ms_image, pair, data, storage, provenance)
    if dask.is_dask_collection(pan) or dask.is_dask_collection(ms):
        return sharp
    return sharp.compute(scheduler="threads")


def _lazy(
    pan: Image,
    ms: Image,
    method: Method,
    pair: GridPair,
    guess: sensors.Guess,
    choices: tuple[str, str, str],
    storage: Storage,
) -> "da.Array":
    """The result's pixels, (C, H, W)."""
    register, reference, resampling = choices
    plain = replace(pair, crs=None, transform=None)  # tasks know pixels only, and a CRS is long
    setup = Setup(plain, resampling, guess.gains, guess.pan_gain, guess.wavelengths)
    largest = largest_chunk(setup.bands, storage.in_memory.itemsize)
    pan_cuts, ms_cuts = (Cuts(image.blocks(), image.nodata, image.label) for image in (pan, ms))
    holes = (pan.may_miss or _uncovered(pair), ms.may_miss)
    plan = Plan.of(setup, method, Arrays(pan_cuts, ms_cuts), holes, register, reference)
    rows, cols = (
        chunk_edges(own, origin, size, edge)
        for own, origin, size, edge in zip(pan_cuts.array.chunks[1:], pair.pan_origin, pair.shape, largest, strict=True)
    )
    name = f"fose-sharpen-{dask.base.tokenize(plan.token, storage)}"
    places: dict[Hashable, Window] = {
        (name, 0, row, col): Window.of(top, left, bottom - top, right - left)
        for row, (top, bottom) in enumerate(pairwise(rows))
        for col, (left, right) in enumerate(pairwise(cols))
    }
    graph = plan.chunks(name, places, storage)
    chunks = ((setup.bands,), tuple(np.diff(rows).tolist()), tuple(np.diff(cols).tolist()))
    return da.Array(graph, name, chunks, dtype=storage.in_memory)


def _uncovered(pair: GridPair) -> bool:
    """Whether the output reaches beyond PAN."""
    ends = (start + size for start, size in zip(pair.pan_origin, pair.pan_shape, strict=True))
    return max(pair.pan_origin) > 0 or any(end < size for end, size in zip(ends, pair.shape, strict=True))


@xarray.register_dataarray_accessor("fose")
class FoseAccessor:
    """``ms.fose``: the MS knows how to be sharpened."""

    def __init__(self, array: xarray.DataArray) -> None:
        self._array = array

    def sharpen(
        self, pan: xarray.DataArray, method: str | Sharpener = api.DEFAULT_METHOD, **options: Any
    ) -> xarray.DataArray:
        """This MS sharpened with a PAN: `fose.xr.sharpen(pan, ms, method, **options)`."""
        return sharpen(pan, self._array, method, **options)
