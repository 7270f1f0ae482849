"""DataArrays in rioxarray's conventions: their grid, bands and missing pixels, and what a result carries."""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import rioxarray  # noqa: F401  # registers the .rio accessor
import xarray
from rioxarray.exceptions import RioXarrayError
from rioxarray.rioxarray import affine_to_coords

from fose import sensors
from fose._version import __version__
from fose.errors import GridError, InputError
from fose.ops.radiometry import check_nodata
from fose.scene.grid import Grid, GridPair, Shape, gdal_transform
from fose.scene.reader import held
from fose.xr.graph import Storage

# Output chunks, largest first. Networks evaluate blocks of 512 x 1024 pixels, writers store blocks of 512: whole ones.
CHUNKS: tuple[Shape, ...] = ((2048, 2048), (1024, 1024), (512, 1024))
ALIGNED = 1024
NODATA_ATTRS = ("_FillValue", "missing_value", "fill_value", "nodata", "nodatavals")


@dataclass(frozen=True)
class Image:
    """A PAN or MS DataArray, bands first."""

    array: xarray.DataArray  # (band, y, x)
    nodata: float | None  # None: only NaN is missing
    label: str

    @classmethod
    def of(cls, array: Any, label: str, nodata: float | None) -> "Image":
        """Check an argument; InputError says what it should be. nodata: overrides what the array declares."""
        if not isinstance(array, xarray.DataArray):
            raise InputError(f"{label}: expected an xarray.DataArray, found {type(array).__name__}")
        try:
            y, x = array.rio.y_dim, array.rio.x_dim
        except RioXarrayError as error:
            raise InputError(
                f"{label}: expected dimensions y and x, found {array.dims}; name them with rio.set_spatial_dims"
            ) from error
        others = [dim for dim in array.dims if dim not in (y, x)]
        if label == "pan" and not others:
            array, others = array.expand_dims("band"), ["band"]
        if len(others) != 1 or (label == "pan" and array.sizes[others[0]] != 1):
            wanted = "(y, x) or (1, y, x)" if label == "pan" else "(band, y, x)"
            raise InputError(f"{label}: expected {wanted}, found {dict(array.sizes)}; select one with isel or squeeze")
        if array.dtype.kind not in "uif":
            raise InputError(f"{label}: expected real numbers, found {array.dtype}")
        if 0 in array.shape:
            raise InputError(f"{label}: expected pixels, found none in {dict(array.sizes)}")
        value = held(_declared(array) if nodata is None else nodata, array.dtype)
        return cls(array.transpose(others[0], y, x), None if value is None or np.isnan(value) else value, label)

    @property
    def dims(self) -> tuple[Hashable, Hashable, Hashable]:
        """Names of the band, row and column dimensions."""
        band, y, x = self.array.dims
        return band, y, x

    @property
    def grid(self) -> Grid:
        """Shape, transform and CRS. GridError where the coordinates are not evenly spaced."""
        height, width = self.array.shape[1:]
        return Grid((height, width), _transform(self), self.array.rio.crs)

    @property
    def may_miss(self) -> bool:
        """Whether pixels can be missing."""
        return self.nodata is not None or self.array.dtype.kind == "f"

    def blocks(self) -> "da.Array":
        """(C, H, W) Dask array with all bands in one chunk."""
        data = self.array.data
        if isinstance(data, da.Array):
            return data if data.numblocks[0] == 1 else data.rechunk({0: -1})
        return da.from_array(np.asarray(data), chunks=(-1, ALIGNED, ALIGNED))


def _declared(array: xarray.DataArray) -> float | None:
    """The nodata value; None where the array's type cannot hold it, so that it marks nothing."""
    try:
        value = array.rio.nodata
    except OverflowError:
        return None
    return None if value is None else float(value)


def _transform(image: Image) -> Any:
    """The affine transform: the one of the grid mapping where it agrees with the coordinates, else theirs.

    rioxarray trusts the grid mapping for the pixel size even after every second pixel has been selected.
    """
    _, y, x = image.dims
    rio = image.array.rio
    if y not in image.array.coords or x not in image.array.coords or image.array[x].ndim != 1:
        transform = rio.transform()
        return None if transform.is_identity else transform
    ys, xs = (np.asarray(image.array[dim].values, float) for dim in (y, x))
    for transform in _candidates(image):
        rows, cols = np.arange(len(ys)) + 0.5, np.arange(len(xs)) + 0.5
        error = max(
            np.abs(transform.f + transform.e * rows - ys).max() / abs(transform.e or 1),
            np.abs(transform.c + transform.a * cols - xs).max() / abs(transform.a or 1),
        )
        if error < 1e-3:
            return None if transform.is_identity else transform
    raise GridError(
        f"{image.label}: expected evenly spaced coordinates {y} and {x} that agree with the transform, found others; "
        "resample it to a regular grid first, e.g. with rio.reproject"
    )


def _candidates(image: Image) -> Iterator[Any]:
    """Transforms that may hold, exact ones first."""
    rio = image.array.rio
    mapping = image.array.coords.get(rio.grid_mapping)
    if mapping is not None and "GeoTransform" in mapping.attrs:
        yield gdal_transform(mapping.attrs["GeoTransform"])
    for recalc in (False, True):
        with suppress(RioXarrayError):  # one row or column has no spacing
            yield rio.transform(recalc=recalc)


def check_crs(pan: Image, ms: Image) -> None:
    """GridError where both name a CRS and these differ."""
    ours, theirs = pan.array.rio.crs, ms.array.rio.crs
    if ours and theirs and ours != theirs:
        raise GridError(
            f"expected PAN and MS in one CRS, found {ours.to_string()} and {theirs.to_string()}; "
            "use ms.rio.reproject(pan.rio.crs), or fose.sharpen on the files"
        )


def recognise(pan: Image, ms: Image, ratio: float, sensor: str | None) -> sensors.Guess:
    """The sensor and bands, from attributes, band names, wavelengths and the names of the files read."""
    files = [str(image.array.encoding.get("source", "")) for image in (ms, pan)]
    return sensors.resolve(
        sensor,
        sensors.Metadata(
            count=len(ms.array),
            tags=_text(ms.array.attrs),
            filenames=[files[0]] if files[0] else [],
            descriptions=_descriptions(ms),
            wavelengths=_wavelengths(ms),
            pan_tags=_text(pan.array.attrs),
            pan_filename=files[1],
            ratio=ratio,
        ),
    )


def _text(attrs: Mapping[Any, Any]) -> dict[str, str]:
    return {str(key): value for key, value in attrs.items() if isinstance(value, str) and key != "long_name"}


def _descriptions(ms: Image) -> list[str | None]:
    """Band names: `long_name` of each band, as rioxarray has it, else a band coordinate of words."""
    names = ms.array.attrs.get("long_name")
    if isinstance(names, str):
        names = (names,)
    if names is not None and len(names) == len(ms.array):
        return [str(name) for name in names]
    labels = ms.array.coords.get(ms.dims[0])
    if labels is not None and labels.dtype.kind in "UOT":
        return [str(label) for label in labels.values]
    return []


def _wavelengths(ms: Image) -> list[float | None]:
    """Centre wavelengths, nm, from the coordinate that rioxarray makes of ENVI's tags."""
    values = ms.array.coords.get("wavelength")
    if values is None or values.shape != (len(ms.array),):
        return []
    return [sensors.wavelength_nm({"wavelength": str(value)}) for value in values.values]


def choose_storage(pan: Image, ms: Image, dtype: np.dtype[Any] | None, nodata: float | None, extent: str) -> Storage:
    """Type and nodata as asked, else as the MS has them; nodata else as PAN; integers that may miss else get 0.

    An MS that was masked while read comes out masked, with the values that its own integer type would store.
    """
    own = ms.array.dtype
    packed = _packed(ms) if dtype is None else None
    stored = dtype or packed or own
    if nodata is not None:
        check_nodata(nodata, stored)
    known = (held(value, stored) for value in (nodata, ms.nodata, _encoded(ms), pan.nodata, _encoded(pan)))
    value = next((value for value in known if value is not None), None)
    if value is None and stored.kind in "iu" and (pan.may_miss or ms.may_miss or extent != "intersection"):
        value = 0.0
    if stored.kind == "f" and (value is None or (nodata is None and ms.nodata is None and _masked(ms))):
        value = float("nan")
    return Storage(stored, value, own if packed else None)


def _masked(image: Image) -> bool:
    """Whether rioxarray or xarray turned nodata into NaN as it was read."""
    return bool(image.array.dtype.kind == "f" and "dtype" in image.array.encoding)


def _scaled(image: Image) -> bool:
    encoding = image.array.encoding
    return bool(encoding.get("scale_factor", 1) != 1 or encoding.get("add_offset", 0) != 0)


def _packed(image: Image) -> np.dtype[Any] | None:
    """The integer type that a masked image's values have in its file; None where they are no whole numbers there."""
    if not _masked(image) or _scaled(image):
        return None
    dtype = np.dtype(image.array.encoding["dtype"])
    return dtype if dtype.kind in "iu" else None


def _encoded(image: Image) -> float | None:
    """The nodata value that a masked image has in its file; one of scaled values means nothing here."""
    value = image.array.encoding.get("_FillValue")
    return None if value is None or _scaled(image) else float(value)


def result(
    pan: Image,
    ms: Image,
    pair: GridPair,
    data: "da.Array",
    storage: Storage,
    provenance: Mapping[str, str],
) -> xarray.DataArray:
    """(band, y, x) pixels with PAN's coordinates and CRS and the MS's bands, attributes and encoding."""
    band, _, _ = ms.dims
    _, y, x = pan.dims
    attrs = {key: value for key, value in ms.array.attrs.items() if not _of_pixels(key)}
    if "AREA_OR_POINT" in pan.array.attrs:
        attrs["AREA_OR_POINT"] = pan.array.attrs["AREA_OR_POINT"]
    named = xarray.DataArray(
        data,
        dims=(band, y, x),
        coords=_band_coords(ms) | _pixel_coords(pan, pair),
        attrs=attrs | {"FOSE_VERSION": __version__, **provenance},
    )
    named = named.rio.set_spatial_dims(x, y)
    crs = pair.crs or ms.array.rio.crs
    if crs is not None:
        named = named.rio.write_crs(crs)
    if pair.transform is not None:
        named = named.rio.write_transform(pair.transform)
    if storage.decoded is not None:
        named.encoding["dtype"] = storage.dtype
        if storage.nodata is not None:
            named.encoding["_FillValue"] = storage.dtype.type(storage.nodata)
    elif storage.nodata is not None:
        named = named.rio.write_nodata(storage.nodata)
    return named.rename(ms.array.name)  # or Dask's own, which writers take for a band's name


def _of_pixels(key: Any) -> bool:
    """Attributes that describe the MS's own pixels or file, not the image."""
    return key in NODATA_ATTRS or str(key).startswith("STATISTICS_") or key in ("transform", "res", "crs")


def _band_coords(ms: Image) -> dict[Hashable, Any]:
    """Coordinates of the bands, and those of the whole image such as its time."""
    band = ms.dims[0]
    grid_mapping = ms.array.rio.grid_mapping
    coords = {name: ms.array[name] for name in ms.array.coords if name != grid_mapping}
    return {name: coord.variable for name, coord in coords.items() if set(coord.dims) <= {band}}


def _pixel_coords(pan: Image, pair: GridPair) -> dict[Hashable, Any]:
    """PAN's coordinates along its rows and columns, cropped; made from the transform where the extent is larger."""
    _, y, x = pan.dims
    row, col = (-start for start in pair.pan_origin)
    rows, cols = slice(row, row + pair.shape[0]), slice(col, col + pair.shape[1])
    if min(row, col) < 0 or rows.stop > pair.pan_shape[0] or cols.stop > pair.pan_shape[1]:
        if pair.transform is None or y not in pan.array.coords:
            return {}
        made = affine_to_coords(pair.transform, pair.shape[1], pair.shape[0], x_dim=str(x), y_dim=str(y))
        return {dim: (dim, made[str(dim)], pan.array[dim].attrs) for dim in (y, x)}
    cropped = pan.array.isel({y: rows, x: cols})
    return {name: coord.variable for name, coord in cropped.coords.items() if coord.dims and set(coord.dims) <= {y, x}}


def chunk_edges(own: tuple[int, ...], origin: int, size: int, edge: int) -> list[int]:
    """Edges of the output's chunks along an axis: PAN's where they suit, else every `edge` pixels.

    own: PAN's chunk sizes; origin: the output pixel of PAN's first. They suit where none is longer than `edge` and all
    lie at multiples of `ALIGNED`.
    """
    edges = sorted({0, *np.clip(np.cumsum(own) + origin, 0, size).tolist(), size})
    suits = all(place % ALIGNED == 0 for place in edges[:-1]) and max(np.diff(edges)) <= edge
    return edges if suits else [*range(0, size, edge), size]


def largest_chunk(bands: int, itemsize: int) -> Shape:
    """Largest output chunk, PAN pixels, of at most 128 MiB where the smallest one is."""
    fitting = (shape for shape in CHUNKS if bands * itemsize * shape[0] * shape[1] <= 2**27)
    return next(fitting, CHUNKS[-1])
