"""The STAC item of a result: a function of the file and of what its source was, in plain JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from pathlib import PurePosixPath
from typing import Any

from fose.catalog.scenes import Scene
from fose.catalog.stac import positions, rfc3339
from fose.scene.footprint import Footprint
from fose.sensors import Band

STAC_VERSION = "1.1.0"
SCHEMA = "https://stac-extensions.github.io/{}/schema.json"
PROJECTION, RASTER, EO, PROCESSING = (
    SCHEMA.format(name) for name in ("projection/v2.0.0", "raster/v2.0.0", "eo/v2.0.0", "processing/v1.2.0")
)
TIFF = "image/tiff; application=geotiff"
# Names that fose has and the eo extension has not.
_COMMON = {"green1": "green05", "nir2": "nir09", "swir1": "swir16", "swir2": "swir22"}
_KNOWN = {*("coastal", "blue", "green", "green05", "yellow", "red", "rededge", "nir", "nir09", "cirrus")} | {
    "swir16",
    "swir22",
}


def describe(scene: Scene, found: Footprint, processed: datetime) -> dict[str, Any]:
    """The item of a scene's result, which lies beside it. processed: its time where the source tells no other."""
    times = dict(scene.properties)
    if not times.get("datetime") and not (times.get("start_datetime") and times.get("end_datetime")):
        times["datetime"] = _acquired(found.tags) or rfc3339(processed)
    asset = _asset(scene, found)
    measures_light = "eo:cloud_cover" in times or any("eo:" in key for band in asset["bands"] for key in band)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [PROJECTION, RASTER, *([EO] if measures_light else []), PROCESSING],
        "id": scene.name,
        "geometry": found.geometry,
        "properties": {
            "datetime": None,
            **times,
            **({"gsd": found.resolution} if found.resolution else {}),
            **_projection(found),
            **_processing(found.tags),
        },
        "links": [{"rel": "derived_from", "href": scene.source}] if scene.source else [],
        "assets": {"sharp": asset},
    }
    return item | ({"bbox": _bbox(found.geometry)} if found.geometry else {})


def is_own(told: Any) -> bool:
    """Whether JSON is an item that fose wrote, which it may replace."""
    properties = told.get("properties") if isinstance(told, dict) else None
    software = properties.get("processing:software") if isinstance(properties, dict) else None
    return isinstance(software, dict) and "fose" in software


def _acquired(tags: Mapping[str, str]) -> str | None:
    """When the image was taken, by GDAL's tag for it."""
    try:
        return rfc3339(datetime.fromisoformat(tags.get("ACQUISITIONDATETIME", "")).replace(tzinfo=UTC))
    except ValueError:
        return None


def _projection(found: Footprint) -> dict[str, Any]:
    told: dict[str, Any] = {"proj:code": found.code, "proj:shape": list(found.shape)}
    if found.transform:
        told["proj:transform"] = list(found.transform)
    if found.wkt and not found.code:
        told["proj:wkt2"] = found.wkt
    return told


def _processing(tags: Mapping[str, str]) -> dict[str, Any]:
    """How the file says that it was made."""
    told = {key: tags.get(f"FOSE_{key.upper()}", "unknown") for key in ("version", "method", "pan", "ms", "sensor")}
    return {
        "processing:software": {"fose": told["version"]},
        "processing:lineage": (
            f"pansharpened by {told['method']} from {told['ms']} with {told['pan']}, sensor {told['sensor']}, "
            f"registration: {tags.get('FOSE_REGISTRATION', 'unknown')}"
        ),
    }


def _asset(scene: Scene, found: Footprint) -> dict[str, Any]:
    names = scene.common_names if len(scene.common_names or ()) == len(found.names) else None
    resolution = {"raster:spatial_resolution": found.resolution} if found.resolution else {}
    nodata = {} if found.nodata is None else {"nodata": found.nodata if isfinite(found.nodata) else str(found.nodata)}
    return {
        "href": f"./{PurePosixPath(scene.out).name}",
        "title": f"{scene.name}, pansharpened",
        "type": f"{TIFF}; profile=cloud-optimized" if found.driver == "COG" else TIFF,
        "roles": ["data"],
        "data_type": found.dtypes[0],
        **nodata,
        "raster:sampling": found.sampling,
        **resolution,
        "bands": [_band(found, index, names[index] if names else None) for index in range(len(found.names))],
    }


def _band(found: Footprint, index: int, common: str | None) -> dict[str, Any]:
    band, (scale, offset) = found.bands[index], found.scales[index]
    scaled = {"raster:scale": scale, "raster:offset": offset} if (scale, offset) != (1, 0) else {}
    return {"name": found.names[index] or common or f"band{index + 1}", **_light(band, common), **scaled}


def _light(band: Band | None, common: str | None) -> dict[str, Any]:
    """The eo fields of a band; wavelengths in micrometres."""
    name = common or (_COMMON.get(band.name, band.name) if band else None)
    told: dict[str, Any] = {"eo:common_name": name} if common or name in _KNOWN else {}
    if band:
        told |= {"eo:center_wavelength": band.wavelength / 1000, "eo:full_width_half_max": band.width / 1000}
    return told


def _bbox(geometry: Mapping[str, Any]) -> list[float]:
    """West, south, east, north; of a scene cut at the antimeridian west > east, as GeoJSON has it."""
    lons, lats = zip(*positions(geometry), strict=True)
    west, east = min(lons), max(lons)
    if geometry["type"] == "MultiPolygon":
        west, east = min(lon for lon in lons if lon > 0), max(lon for lon in lons if lon < 0)
    return [west, min(lats), east, max(lats)]
