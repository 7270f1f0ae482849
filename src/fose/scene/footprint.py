"""What a catalogue says of a raster: its grid, where on Earth it lies, its bands, how it was made."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot
from typing import Any

import rasterio
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.warp import transform_geom

from fose import sensors
from fose.errors import ReadError
from fose.scene.reader import Raster


@dataclass(frozen=True)
class Footprint:
    """Facts about a raster, in plain values; those of its place are None without georeference.

    code: such as EPSG:32633, None where the CRS has none. geometry: GeoJSON in WGS84, cut at the antimeridian.
    bands: what they are, by their descriptions, where that is known. sampling: area or point.
    """

    shape: tuple[int, int]  # rows, columns
    transform: tuple[float, ...] | None  # six numbers, row by row
    code: str | None
    wkt: str | None
    geometry: dict[str, Any] | None
    resolution: float | None  # metres; None for degrees
    sampling: str
    driver: str
    dtypes: tuple[str, ...]
    nodata: float | None
    names: tuple[str | None, ...]  # descriptions
    bands: tuple[sensors.Band | None, ...]
    scales: tuple[tuple[float, float], ...]  # scale and offset
    tags: dict[str, str]


def read_footprint(path: str) -> Footprint:
    """Read the facts about a raster, no pixel; ReadError where it does not open."""
    try:
        with Raster([path]) as raster, rasterio.open(path) as dataset:
            info, grid = raster.info, raster.info.grid
            layout = dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT", "GTiff")
            geometry = _geometry(grid.shape, grid.transform, grid.crs)
    except RasterioError as error:
        raise ReadError(f"cannot read {path}: {error}") from error
    names = [band.description for band in info.bands]
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    known = sensors.resolve(
        info.tags.get("FOSE_SENSOR"),
        sensors.Metadata(
            count=len(names),
            descriptions=[
                band.description or (band.colorinterp.name if band.colorinterp in colours else None)
                for band in info.bands
            ],
            wavelengths=[sensors.wavelength_nm(band.tags) for band in info.bands],
        ),
    )
    return Footprint(
        shape=grid.shape,
        transform=tuple(grid.transform[:6]) if grid.transform else None,
        code=_code(grid.crs),
        wkt=grid.crs.to_wkt() if grid.crs else None,
        geometry=geometry,
        resolution=_resolution(grid.transform, grid.crs),
        sampling="point" if info.tags.get("AREA_OR_POINT") == "Point" else "area",
        driver=layout,
        dtypes=(str(info.dtype),) * len(names),
        nodata=info.nodata,
        names=tuple(names),
        bands=known.bands,
        scales=tuple((band.scale, band.offset) for band in info.bands),
        tags=info.domains.get("IMAGERY", {}) | info.tags,
    )


def _resolution(transform: Affine | None, crs: CRS | None) -> float | None:
    """Metres of a pixel's width."""
    if transform is None or crs is None or not crs.is_projected:
        return None
    return hypot(transform.a, transform.d) * float(crs.linear_units_factor[1])


def _code(crs: CRS | None) -> str | None:
    authority = crs.to_authority() if crs else None
    return ":".join(authority) if authority else None


def _geometry(shape: tuple[int, int], transform: Affine | None, crs: CRS | None) -> dict[str, Any] | None:
    """The outline, 16 points on each side, for the sides of a map may be bent on Earth."""
    if transform is None or crs is None:
        return None
    ring = [tuple(transform * corner) for corner in _outline(*shape)]
    found: dict[str, Any] = transform_geom(
        crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, antimeridian_cutting=True, precision=7
    )
    return found


def _outline(height: int, width: int, steps: int = 16) -> Iterator[tuple[float, float]]:
    """Pixel positions (column, row) around an image, counterclockwise on a north-up map, closed."""
    corners = [(0, 0), (0, height), (width, height), (width, 0)]
    for (x, y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        yield from ((x + (to_x - x) * i / steps, y + (to_y - y) * i / steps) for i in range(steps))
    yield 0, 0
