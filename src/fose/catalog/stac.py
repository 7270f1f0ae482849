"""PAN and MS of STAC items, version 1.0 and 1.1: plain JSON, read without any library."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from fose.errors import InputError
from fose.scene.remote import is_remote

COMMON_NAMES = ("blue", "green", "red", "nir")
# Landsat's and Sentinel-2's near infrared is nir08 to STAC.
_SAME = {"nir": ("nir", "nir08")}
_PICTURES = {"thumbnail", "overview", "visual", "metadata"}
_INHERITED = ("datetime", "start_datetime", "end_datetime", "platform", "instruments", "constellation", "mission")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """What an item offers. common_names: of the MS bands in order; properties: what a result inherits."""

    name: str
    pan: str
    ms: tuple[str, ...]
    common_names: tuple[str, ...] | None
    properties: dict[str, Any]
    source: str | None


def pairs(path: Path, told: Any, common_names: Sequence[str] | None = None) -> list[Pair]:
    """The pairs of an Item or ItemCollection; common_names: the MS bands in output order.

    By default an MS asset of several bands as it is, or else the assets of blue, green, red and nir that there are.
    InputError where it is neither, or an item lacks what is needed.
    """
    kind = told.get("type") if isinstance(told, dict) else None
    items = told.get("features") if kind == "FeatureCollection" else [told] if kind == "Feature" else None
    if not isinstance(items, list) or not items or not all(_is_item(item) for item in items):
        raise InputError(f"{path}: expected a STAC Item or ItemCollection with assets, found another JSON")
    return [_pair(path, item, common_names) for item in items]


def _is_item(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("id"), str)
        and isinstance(item.get("properties"), dict)
        and isinstance(item.get("assets"), dict)
        and all(isinstance(a, dict) and isinstance(a.get("href"), str) for a in item["assets"].values())
    )


def _pair(path: Path, item: Json, common_names: Sequence[str] | None) -> Pair:
    where = f"{path}, item {item['id']}"
    properties, assets = item["properties"], item["assets"]
    links = [link for link in item.get("links", []) if isinstance(link, dict)]
    source = next((str(link.get("href")) for link in links if link.get("rel") == "self"), None)
    names = {
        key: _common_names(asset) for key, asset in assets.items() if not _PICTURES & set(asset.get("roles") or ())
    }
    pan = "pan" if "pan" in assets else next((key for key, bands in names.items() if bands == ["pan"]), None)
    if pan is None:
        raise InputError(f"{where}: expected an asset pan, found {', '.join(assets) or 'none'}")
    keys, bands = _ms(where, {key: found for key, found in names.items() if key != pan}, common_names)
    return Pair(
        name=re.sub(r"[^\w.-]", "_", item["id"]),
        pan=_href(path, source, assets[pan]),
        ms=tuple(_href(path, source, assets[key]) for key in keys),
        common_names=bands,
        properties={key: properties[key] for key in (*_INHERITED, "eo:cloud_cover") if key in properties},
        source=source,
    )


def _ms(
    where: str, names: Mapping[str, list[str | None]], wanted: Sequence[str] | None
) -> tuple[list[str], tuple[str, ...] | None]:
    """The MS assets, and the common names of all their bands where each is known."""
    whole = next((key for key, bands in names.items() if len(bands) > 1), None)
    if wanted is None and whole:
        bands = [name for name in names[whole] if name]
        return [whole], tuple(bands) if len(bands) == len(names[whole]) else None
    single = {bands[0]: key for key, bands in reversed(list(names.items())) if len(bands) == 1 and bands[0]}
    found = [next((n for n in _SAME.get(name, (name,)) if n in single), None) for name in wanted or COMMON_NAMES]
    chosen = [name for name in found if name]
    if not chosen or (wanted and None in found):
        raise InputError(
            f"{where}: expected assets of one band each with eo:common_name {', '.join(wanted or COMMON_NAMES)}; "
            f"found {', '.join(filter(None, single)) or 'none'}"
        )
    return [single[name] for name in chosen], tuple(chosen)


def _common_names(asset: Json) -> list[str | None]:
    """The common names of an asset's bands, by STAC 1.1 or by the eo extension of 1.0; of none if it says nothing."""
    bands = asset.get("bands") or asset.get("eo:bands") or [asset]
    names = [b.get("eo:common_name") or b.get("common_name") if isinstance(b, dict) else None for b in bands]
    return names if any(names) else []


def _href(path: Path, source: str | None, asset: Json) -> str:
    """Where an asset lies: relative to the item's own URL, else to the file that was read."""
    href = str(asset["href"])
    return urljoin(source, href) if source and source.startswith(("http://", "https://")) else beside(path, href)


def beside(path: Path, href: str) -> str:
    """A URL or GDAL path as it is, another path relative to a file."""
    return href if is_remote(href) else str(path.parent / href)


def moment(text: str, where: str) -> str:
    """A date, or date and time (UTC where no zone is given), as RFC 3339. InputError where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{where}: expected a datetime such as 2024-05-01T10:30:00Z, found {text!r}") from error
    return rfc3339(found if found.tzinfo else found.replace(tzinfo=UTC))


def rfc3339(when: datetime) -> str:
    """A moment as STAC writes it."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def positions(geometry: Json) -> Iterator[tuple[float, float]]:
    """Every longitude and latitude of a Polygon or MultiPolygon."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return ((x, y) for polygon in polygons for ring in polygon for x, y in ring)
