"""Pictures of a report: which bands are which colour, one stretch for all, the error map, WebP data URIs."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fose.evaluation.report.areas import Area, Place, layout, read
from fose.evaluation.report.layers import MS, PAN, TARGET, Layers, Pixels, Valid
from fose.scene.picture import MIME, encode
from fose.sharpener import Array

Bytes = NDArray[np.uint8]

PERCENTILES = (0.5, 99.5)
GAMMA = 0.7  # most scenes are dark with a few bright roofs or clouds: lift the middle
ERROR_PERCENTILE = 99.0
SAMPLES = 2**18  # pixels of an area, at most, that the stretch is taken from
BUDGET = 8_500_000  # bytes of all data URIs
LOSSLESS = 4e6  # pixels of all pictures together up to which they are kept without loss
QUALITIES = (92, 85, 75, 60, 40, 20)
# Black, violet, orange, pale yellow: rises in lightness, so it reads in grey and for colour-blind eyes.
RAMP = np.array([(0, 0, 4), (60, 15, 112), (148, 38, 103), (221, 81, 58), (251, 155, 6), (252, 255, 164)], np.float64)


@dataclass(frozen=True)
class Colours:
    """A rendering: its key and name, and the three (or, grey, one) bands behind red, green and blue."""

    key: str
    name: str
    bands: tuple[int, ...]


@dataclass(frozen=True)
class Gallery:
    """Everything to look at. `images[area][layer][colours]` is a data URI; PAN and errors have the colours "any"."""

    areas: list[Area]
    places: list[Place]
    colours: list[Colours]
    images: list[dict[str, dict[str, str]]]
    layers: list[tuple[str, str]]  # key, name
    limits: dict[str, tuple[float, float]]  # what is black and white: by band name and "PAN", DN
    error_limit: float | None  # DN
    quality: int | None  # of WebP, None: lossless


def colours(names: Sequence[str]) -> list[Colours]:
    """True and false colour from recognised band names; by usual order where names are not known."""
    index = {name: position for position, name in enumerate(names)}
    if {"red", "green", "blue"} <= index.keys():
        chosen = [Colours("true", "True colour", (index["red"], index["green"], index["blue"]))]
    elif len(names) < 3:
        return [Colours("true", f"Grey, {names[0]}", (0,))]
    else:
        bands = (0, 1, 2) if len(names) == 3 else (2, 1, 0)
        chosen = [Colours("true", f"Bands {', '.join(str(band + 1) for band in bands)}", bands)]
    if {"nir", "red", "green"} <= index.keys():
        chosen.append(Colours("false", "False colour", (index["nir"], index["red"], index["green"])))
    elif len(names) > 3 and not {"red", "green", "blue"} <= index.keys():
        chosen.append(Colours("false", "Bands 4, 3, 2", (3, 2, 1)))
    return chosen


def gallery(layers: Layers) -> Gallery:
    """Read every area and make its pictures, within the page's budget of bytes."""
    shown = colours([band["name"] for band in layers.facts.bands])
    coloured = [MS, *layers.sharps, *([TARGET] if layers.target else [])]
    errors = layers.sharps if layers.target else []
    areas, places = layout(layers, len(coloured) * len(shown) + 1 + len(errors))
    pixels = [read(layers, area) for area in areas]
    bands = sorted({band for colour in shown for band in colour.bands})
    limits = {str(band): _limits(pixels, coloured, band) for band in bands} | {PAN: _limits(pixels, [PAN], 0)}
    worst = _error_limit(pixels, errors) if errors else None
    pictures = [_render(image, valid, shown, coloured, errors, limits, worst) for image, valid in pixels]
    images, quality = _encode(pictures)
    names = [band["name"] for band in layers.facts.bands]
    return Gallery(
        areas,
        places,
        shown,
        images,
        [*layers.names.items(), *((f"error-{key}", f"Error of {layers.names[key]}") for key in errors)],
        {"PAN" if key == PAN else names[int(key)]: pair for key, pair in limits.items()},
        worst,
        quality,
    )


def _limits(areas: Sequence[tuple[Pixels, Valid]], keys: Sequence[str], band: int) -> tuple[float, float]:
    """Joint percentiles of a band over every layer and area, missing pixels left out."""
    samples = [_sample(pixels[key][band][valid]) for pixels, valid in areas for key in keys]
    return _range(np.concatenate(samples), PERCENTILES)


def _sample(values: Array) -> Array:
    return values[:: max(1, values.size // SAMPLES)]


def _range(values: Array, percentiles: Sequence[float]) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(values, percentiles))
    return (low, high) if high > low else (low, low + 1.0)


def _error(pixels: Pixels, key: str) -> Array:
    """Root mean square over bands of result minus target, DN."""
    return np.asarray(np.sqrt(np.mean(np.square(pixels[key] - pixels[TARGET]), axis=0)))


def _error_limit(areas: Sequence[tuple[Pixels, Valid]], keys: Sequence[str]) -> float:
    values = [_sample(_error(pixels, key)[valid]) for pixels, valid in areas for key in keys]
    return _range(np.concatenate(values), (0, ERROR_PERCENTILE))[1]


def _render(
    pixels: Pixels,
    valid: Valid,
    shown: Sequence[Colours],
    coloured: Sequence[str],
    errors: Sequence[str],
    limits: dict[str, tuple[float, float]],
    worst: float | None,
) -> dict[str, dict[str, Bytes]]:
    alpha = np.where(valid, np.uint8(255), np.uint8(0))

    def grey_or_colour(image: Array, bands: Sequence[int], names: Sequence[str]) -> Bytes:
        channels = [_stretch(image[band], *limits[name]) for band, name in zip(bands, names, strict=True)]
        return _blank(np.stack([*(channels if len(channels) == 3 else channels * 3), alpha]), valid)

    pictures = {
        key: {colour.key: grey_or_colour(pixels[key], colour.bands, list(map(str, colour.bands))) for colour in shown}
        for key in coloured
    }
    pictures[PAN] = {"any": grey_or_colour(pixels[PAN], [0], [PAN])}
    for key in errors:
        level = np.clip(_error(pixels, key) / (worst or 1.0), 0, 1)
        pictures[f"error-{key}"] = {"any": _blank(np.concatenate([ramp(level), alpha[None]]), valid)}
    return pictures


def _stretch(band: Array, low: float, high: float) -> Bytes:
    return np.rint(255 * np.clip((band - low) / (high - low), 0, 1) ** GAMMA).astype(np.uint8)


def _blank(picture: Bytes, valid: Valid) -> Bytes:
    """Missing pixels transparent, and black so that they compress."""
    picture[:, ~valid] = 0
    return picture


def ramp(level: Array) -> Bytes:
    """Colours (3, ...) of levels in 0..1."""
    stops = np.linspace(0, 1, len(RAMP))
    return np.stack([np.interp(level, stops, channel) for channel in RAMP.T]).round().astype(np.uint8)


def _encode(pictures: Sequence[dict[str, dict[str, Bytes]]]) -> tuple[list[dict[str, dict[str, str]]], int | None]:
    """Data URIs of the best quality that stays within the budget, and that quality."""
    total = sum(picture[0].size for area in pictures for layer in area.values() for picture in layer.values())
    ladder = [*([None] if total <= LOSSLESS else []), *QUALITIES]
    for quality in ladder:
        images = [
            {key: {name: _uri(picture, quality) for name, picture in layer.items()} for key, layer in area.items()}
            for area in pictures
        ]
        size = sum(len(uri) for area in images for layer in area.values() for uri in layer.values())
        if size <= BUDGET:
            break
    return images, quality


def _uri(picture: Bytes, quality: int | None) -> str:
    return f"data:{MIME};base64,{b64encode(encode(picture, quality)).decode()}"
