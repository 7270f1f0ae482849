"""Read PAN and MS windows from anything GDAL opens, with their missing pixels."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from fose.errors import InputError, ReadError
from fose.ops.radiometry import check_nodata
from fose.scene.grid import Grid, same_grid
from fose.scene.tiles import Window
from fose.sharpener import Array


@dataclass(frozen=True)
class BandInfo:
    """What a band carries besides pixels."""

    description: str | None
    colorinterp: ColorInterp
    scale: float
    offset: float
    unit: str | None
    tags: dict[str, str]


@dataclass(frozen=True)
class RasterInfo:
    """What a raster carries besides pixels."""

    path: str
    grid: Grid
    dtype: np.dtype[Any]
    bands: tuple[BandInfo, ...]
    tags: dict[str, str]
    domains: dict[str, dict[str, str]]
    nodata: float | None
    has_alpha: bool
    has_mask: bool


# Metadata domains that describe the file's storage or this dataset object, not the image.
# RPC and geolocation arrays belong to the MS's own pixel grid and would be wrong on PAN's.
_PRIVATE_DOMAINS = {
    "",
    "IMAGE_STRUCTURE",
    "DERIVED_SUBDATASETS",
    "SUBDATASETS",
    "COLOR_PROFILE",
    "RPC",
    "GEOLOCATION",
    "xml:VRT",
}


class Raster:
    """Bands of one or several files on one grid, readable from any thread (each opens its own handle).

    paths: files of equal grid whose bands are stacked in order, alpha bands left out. bands: 1-based choice
    from that stack. nodata: overrides what the files declare, as `notes` say. crs: warp to this CRS while reading.
    names: what to call the files in reports, where they are not the paths.
    Errors: ReadError where a file does not open or a block does not read; InputError for impossible bands,
    types or stacks.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        bands: Sequence[int] | None = None,
        nodata: float | None = None,
        crs: CRS | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.paths = [str(path) for path in paths]
        self.names = list(names or self.paths)
        self._nodata = nodata
        self._crs = crs
        self._local = threading.local()
        self._handles: list[Any] = []
        self._lock = threading.Lock()
        # An alpha band is validity, not image: the bands of a file are numbered past it.
        self._numbers = [_image_bands(handle) for handle in self._open()]
        files = [_describe(handle, path) for handle, path in zip(self._open(), self.paths, strict=True)]
        _check_stack(files)
        self.notes = _overridden(files, nodata)
        stacked = [(file, band) for file, info in enumerate(files) for band in range(len(info.bands))]
        self._chosen = [stacked[index - 1] for index in _check_bands(bands, len(stacked), self.paths)]
        self.info = _merge(files, self._chosen, nodata)
        self._masked = [self._mask_kind(file, band) for file, band in self._chosen]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.info.grid.shape

    @property
    def warped(self) -> bool:
        """Whether it is warped to another CRS while it is read."""
        return self._crs is not None

    @property
    def sources(self) -> list[tuple[str, int]]:
        """The file and its 1-based band behind each band."""
        return [(self.paths[file], self._numbers[file][band]) for file, band in self._chosen]

    @property
    def files(self) -> list[str]:
        """Every file that the raster is read from: itself, a VRT's sources, georeference beside it.

        Not the .aux.xml beside it, into which any viewer may write.
        """
        found = [file for handle in self._open() for file in handle.files]
        return [file for file in dict.fromkeys((*self.paths, *found)) if not file.endswith(".aux.xml")]

    def __len__(self) -> int:
        return len(self._chosen)

    def _open(self) -> list[Any]:
        """This thread's handles."""
        if not hasattr(self._local, "handles"):
            handles = []
            for path in self.paths:
                try:
                    handle = self._keep(rasterio.open(path))
                    if self._crs is not None:
                        handle = self._keep(self._warp(handle))
                except RasterioError as error:
                    raise ReadError(f"cannot open {path}: {_reason(error)}") from error
                except UnicodeError as error:
                    raise ReadError(f"cannot open {path!a}: expected a name in UTF-8; rename the file") from error
                handles.append(handle)
            self._local.handles = handles
        handles = self._local.handles
        return list(handles)

    def _keep(self, handle: Any) -> Any:
        """Remember a handle for `close`."""
        with self._lock:
            self._handles.append(handle)
        return handle

    def _warp(self, handle: Any) -> WarpedVRT:
        """The raster in the CRS asked for; pixels beyond it and in holes are missing as nodata or alpha."""
        declared = handle.nodata if self._nodata is None else self._nodata
        nodata = held(declared, handle.dtypes[0])
        if nodata is None and handle.dtypes[0].startswith("float") and _alpha_band(handle) is None:
            nodata = None if _has_mask(handle) else float("nan")
        add_alpha = nodata is None and _alpha_band(handle) is None
        return WarpedVRT(
            handle, crs=self._crs, resampling=Resampling.cubic, src_nodata=nodata, nodata=nodata, add_alpha=add_alpha
        )

    def _mask_kind(self, file: int, band: int) -> str | float | None:
        """How band pixels are marked missing: by a nodata value, by "alpha" or "mask", or not at all (None)."""
        handle, index = self._open()[file], self._numbers[file][band] - 1
        flags = handle.mask_flag_enums[index]
        if self._nodata is not None and not self.warped:
            return held(self._nodata, handle.dtypes[index])
        if MaskFlags.nodata in flags:
            return held(handle.nodatavals[index], handle.dtypes[index])
        if _alpha_band(handle) is not None:
            return "alpha"
        return None if MaskFlags.all_valid in flags else "mask"

    def read(self, window: Window) -> tuple[Array, NDArray[np.bool_] | None]:
        """Pixels of a window, float32 (C, H, W), and which are valid (None: all).

        Beyond the raster's edge its last pixels are repeated, with their validity. NaN and infinities are missing.
        """
        rows, cols = (_clip(span, size) for span, size in zip((window.rows, window.cols), self.shape, strict=True))
        inner = RasterioWindow(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        image = np.empty((len(self), int(inner.height), int(inner.width)), np.float32)
        valid: NDArray[np.bool_] | None = None
        for index, ((file, band), kind) in enumerate(zip(self._chosen, self._masked, strict=True)):
            ok = self._read_band(file, band, kind, inner, image[index])
            if ok is not None and not ok.all():
                valid = np.ones(image.shape, bool) if valid is None else valid
                valid[index] = ok
        if (rows, cols) != (window.rows, window.cols):
            image = _spread(image, window, rows, cols)
            valid = None if valid is None else _spread(valid, window, rows, cols)
        return image, valid

    def _read_band(
        self, file: int, band: int, kind: str | float | None, inner: RasterioWindow, out: Array
    ) -> NDArray[np.bool_] | None:
        handle, number = self._open()[file], self._numbers[file][band]
        try:
            raw = handle.read(number, window=inner)
            mask = None
            if kind == "alpha":  # as a band: GDAL's mask knows no alpha but that of 8 and unsigned 16 bit
                mask = handle.read(_alpha_band(handle), window=inner)
            elif kind == "mask":
                mask = handle.read_masks(number, window=inner)
        except RasterioError as error:
            raise ReadError(f"cannot read {self.paths[file]}, band {number}: {_reason(error)}") from error
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, hence missing
            out[...] = raw
        ok = None if mask is None else mask > 0
        if isinstance(kind, float) and not np.isnan(kind):
            ok = raw != raw.dtype.type(kind)
        if raw.dtype.kind == "f":
            finite = np.isfinite(out)
            ok = finite if ok is None else ok & finite
        if ok is not None:
            out[~ok] = 0
        return ok

    def reduced(self, window: Window, factor: int) -> tuple[Array, NDArray[np.bool_] | None]:
        """A window inside the raster, whose sides are multiples of `factor`, as means of factor x factor pixels.

        As `read` otherwise. GDAL averages, from overviews where the file has them, so that memory stays small;
        a nodata value that the file does not declare itself takes the nearest pixel instead of the mean.
        """
        place = RasterioWindow(*reversed(window.origin), *reversed(window.shape))
        shape = window.shape[0] // factor, window.shape[1] // factor
        image = np.empty((len(self), *shape), np.float32)
        valid = np.ones(image.shape, bool)
        for index, ((file, band), kind) in enumerate(zip(self._chosen, self._masked, strict=True)):
            handle, number = self._open()[file], self._numbers[file][band]
            exact = isinstance(kind, str | None) or handle.nodatavals[number - 1] == kind
            try:
                method = Resampling.average if exact else Resampling.nearest
                raw = handle.read(number, window=place, out_shape=shape, resampling=method)
                if kind == "mask":
                    valid[index] = handle.read_masks(number, window=place, out_shape=shape) > 0
            except RasterioError as error:
                raise ReadError(f"cannot read {self.paths[file]}, band {number}: {_reason(error)}") from error
            if isinstance(kind, float) and not np.isnan(kind):
                valid[index] = raw != raw.dtype.type(kind)
            valid[index] &= np.isfinite(raw)
            image[index] = np.where(valid[index], raw, 0)
        return image, None if valid.all() else valid

    def close(self) -> None:
        """Close every thread's handles."""
        with self._lock:
            for handle in reversed(self._handles):  # a warped view before what it reads
                handle.close()
            self._handles.clear()
            self._local = threading.local()

    def __enter__(self) -> "Raster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _clip(span: slice, size: int) -> slice:
    """The part of a span that lies on the raster, at least one pixel (the edge pixel) wide."""
    start = min(max(span.start, 0), size - 1)
    return slice(start, max(start + 1, min(span.stop, size)))


def _spread(image: NDArray[Any], window: Window, rows: slice, cols: slice) -> NDArray[Any]:
    """Grow what was read of `rows` and `cols` to the whole window, repeating the last pixels."""
    row_index = np.clip(np.arange(window.rows.start, window.rows.stop), rows.start, rows.stop - 1) - rows.start
    col_index = np.clip(np.arange(window.cols.start, window.cols.stop), cols.start, cols.stop - 1) - cols.start
    return image[:, row_index][:, :, col_index]


def _reason(error: Exception) -> str:
    """GDAL's own first line of an error: rasterio wraps it as the cause."""
    cause = error.__cause__ or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _image_bands(handle: Any) -> list[int]:
    """1-based numbers of the bands that are not alpha."""
    return [number for number, kind in enumerate(handle.colorinterp, start=1) if kind != ColorInterp.alpha]


def _alpha_band(handle: Any) -> int | None:
    """1-based number of the first alpha band."""
    kinds = list(handle.colorinterp)
    return kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds else None


def _has_mask(handle: Any) -> bool:
    return any(MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags for flags in handle.mask_flag_enums)


def held(nodata: float | None, dtype: str | np.dtype[Any]) -> float | None:
    """A nodata value that pixels of a type can have; None where none can (-9999 in unsigned bytes marks nothing)."""
    if nodata is None:
        return None
    try:
        check_nodata(nodata, np.dtype(dtype))
    except InputError:
        return None
    return float(nodata)


def _describe(handle: Any, path: str) -> RasterInfo:
    keep = [number - 1 for number in _image_bands(handle)]
    if not keep:
        raise InputError(f"expected at least one image band in {path}, found only an alpha band")
    dtypes = {handle.dtypes[index] for index in keep}
    if any(np.dtype(name).kind == "c" for name in dtypes):
        raise InputError(f"expected real pixel values in {path}, found {', '.join(dtypes)}")
    if any(handle.colorinterp[index] == ColorInterp.palette for index in keep):
        raise InputError(
            f"expected measured values in {path}, found indices of a colour table; "
            "expand them first, e.g. with gdal_translate -expand rgb"
        )
    georeferenced = not handle.transform.is_identity
    domains = [name for name in handle.tag_namespaces() if name not in _PRIVATE_DOMAINS]
    return RasterInfo(
        path=path,
        grid=Grid(handle.shape, handle.transform if georeferenced else None, handle.crs),
        dtype=np.result_type(*dtypes),
        bands=tuple(_band(handle, index) for index in keep),
        tags=handle.tags(),
        domains={name: handle.tags(ns=name) for name in domains},
        nodata=handle.nodata,
        has_alpha=len(keep) < handle.count,
        has_mask=any(
            MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags for flags in handle.mask_flag_enums
        ),
    )


def _band(handle: Any, index: int) -> BandInfo:
    return BandInfo(
        description=handle.descriptions[index],
        colorinterp=handle.colorinterp[index],
        scale=handle.scales[index],
        offset=handle.offsets[index],
        unit=handle.units[index],
        tags={key: value for key, value in handle.tags(index + 1).items() if not key.startswith("STATISTICS_")},
    )


def _check_stack(files: Sequence[RasterInfo]) -> None:
    first = files[0]
    for other in files[1:]:
        if same_grid(first.grid, other.grid):
            continue
        raise InputError(
            f"expected MS files of one grid, found {first.path} with {first.grid} and {other.path} with {other.grid}; "
            "resample them to one grid first"
        )


def _overridden(files: Sequence[RasterInfo], nodata: float | None) -> list[str]:
    """Say whose declared missing pixels `nodata` turns into valid ones. (NaN stays missing.)"""
    return [
        f"--nodata {nodata:g} replaces {info.nodata:g} in {info.path}: pixels of {info.nodata:g} count as valid"
        for info in files
        if nodata is not None and info.nodata not in (None, nodata) and not np.isnan(info.nodata)
    ]


def _check_bands(bands: Sequence[int] | None, count: int, paths: Sequence[str]) -> Sequence[int]:
    if bands is None:
        return range(1, count + 1)
    wrong = [band for band in bands if not 1 <= band <= count]
    if wrong or not bands:
        raise InputError(f"--bands: expected numbers in 1..{count} ({', '.join(paths)}), found {list(bands)}")
    return bands


def _merge(files: Sequence[RasterInfo], chosen: Sequence[tuple[int, int]], nodata: float | None) -> RasterInfo:
    first = files[0]
    # Where the files differ, the output needs one value: `store` keeps valid pixels away from it.
    declared = next((info.nodata for info in files if info.nodata is not None), None)
    return RasterInfo(
        path=", ".join(info.path for info in files),
        grid=first.grid,
        dtype=np.result_type(*(info.dtype for info in files)),
        bands=tuple(_named(files, file, band) for file, band in chosen),
        tags={key: value for info in reversed(files) for key, value in info.tags.items()},
        domains=first.domains,
        nodata=declared if nodata is None else nodata,
        has_alpha=any(info.has_alpha for info in files),
        has_mask=any(info.has_mask for info in files),
    )


def _named(files: Sequence[RasterInfo], file: int, band: int) -> BandInfo:
    """The band, named after its file where it has no description and comes from a stack of files."""
    info = files[file].bands[band]
    if info.description is None and len(files) > 1:
        return BandInfo(Path(files[file].path).stem, info.colorinterp, info.scale, info.offset, info.unit, info.tags)
    return info
