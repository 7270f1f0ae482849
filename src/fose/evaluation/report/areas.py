"""Which parts of a scene a report shows and measures: all of a small one; windows of a large one."""

from dataclasses import dataclass
from math import ceil, hypot, sqrt

import numpy as np

from fose.evaluation.report.layers import PAN, Layers, Pixels, Valid
from fose.scene.tiles import Window

WHOLE = 2**21  # PAN pixels up to which a scene is shown and measured whole
OVERVIEW = 1024  # pixels on the longer side of a large scene's overview
CROP = 512  # PAN pixels a side of a large scene's details and measuring windows
PLACES = 3
PIXELS = 24e6  # of all pictures of a page together: more results, smaller details
CANDIDATES = 8  # on each axis, for details
MEASURED = 3  # windows on each axis, for a large scene's figures
PROBE = 128  # PAN pixels a side that tell how much detail there is


@dataclass(frozen=True)
class Area:
    """What is read at once and shown: a window of the grid, `factor` PAN pixels to a picture pixel."""

    window: Window
    factor: int


@dataclass(frozen=True)
class Place:
    """Where the page can take its reader: a name and a window of PAN pixels in the area of that number."""

    name: str
    area: int
    window: Window


def layout(layers: Layers, pictures: int) -> tuple[list[Area], list[Place]]:
    """Areas to read and places to visit. pictures: how many there are of each area."""
    shape = layers.shape
    everything = Window.of(0, 0, *shape)
    if shape[0] * shape[1] <= min(WHOLE, PIXELS / pictures):
        side = min(max(64, min(shape) // 2), 256, *shape)
        places = [Place(f"Detail {number}", 0, window) for number, window in enumerate(textured(layers, side), start=1)]
        return [Area(everything, 1)], [Place("Whole scene", 0, everything), *places]
    shrink = sqrt(min(1.0, PIXELS / (pictures * (OVERVIEW**2 + PLACES * CROP**2))))
    factor = ceil(max(shape) / (OVERVIEW * shrink))
    overview = Window.of(0, 0, *(size // factor * factor for size in shape))
    crops = textured(layers, min(int(CROP * shrink), *shape))
    places = [Place(f"Detail {number}", number, window) for number, window in enumerate(crops, start=1)]
    return [Area(overview, factor), *(Area(crop, 1) for crop in crops)], [Place("Whole scene", 0, overview), *places]


def textured(layers: Layers, side: int) -> list[Window]:
    """Up to PLACES square windows with much detail in PAN and few missing pixels, spread out, best first.

    Deterministic. Each further window is the candidate with the most detail that lies far from the ones chosen.
    """
    scored = [(_detail(layers, window), window) for window in _candidates(layers.shape, side)]
    ranked = [window for score, window in sorted(scored, key=lambda pair: (-pair[0], pair[1].origin)) if score > 0]
    apart = hypot(*layers.shape) / 4
    chosen: list[Window] = []
    for window in ranked:
        if len(chosen) < PLACES and all(_distance(window, other) >= max(apart, side) for other in chosen):
            chosen.append(window)
    row, col = ((size - side) // 2 for size in layers.shape)
    return chosen or [Window.of(row, col, side, side)]


def _candidates(shape: tuple[int, int], side: int) -> list[Window]:
    rows, cols = (_spread(size - side, CANDIDATES) for size in shape)
    return [Window.of(row, col, side, side) for row in rows for col in cols]


def _spread(room: int, count: int) -> list[int]:
    """Up to `count` different starts, from 0 to `room`."""
    return sorted({round(room * index / max(count - 1, 1)) for index in range(count)})


def _distance(one: Window, other: Window) -> float:
    return hypot(*(a - b for a, b in zip(one.origin, other.origin, strict=True)))


def _detail(layers: Layers, window: Window) -> float:
    """Mean step between PAN neighbours at a window's centre, less in proportion to missing pixels."""
    side = min(PROBE, *window.shape)
    (row, col), (height, width) = window.origin, window.shape
    pixels, valid = layers.read(Window.of(row + (height - side) // 2, col + (width - side) // 2, side, side))
    pan = np.where(valid, pixels[PAN][0], np.nan)
    steps = [np.abs(np.diff(pan, axis=axis)) for axis in (0, 1)]
    total = sum(float(np.nansum(step)) for step in steps)
    return total / sum(step.size for step in steps)


def measured(shape: tuple[int, int]) -> list[Window]:
    """Where figures are taken: the whole of a small scene, evenly spread windows of a large one.

    Sides are whole blocks of 32 pixels, as the block metrics ask for, where there are that many pixels.
    """
    if shape[0] * shape[1] <= WHOLE:
        return [Window.of(0, 0, *(size // 32 * 32 or size for size in shape))]
    height, width = (min(CROP, size // 32 * 32 or size) for size in shape)
    return [
        Window.of(row, col, height, width)
        for row in _spread(shape[0] - height, MEASURED)
        for col in _spread(shape[1] - width, MEASURED)
    ]


def read(layers: Layers, area: Area) -> tuple[Pixels, Valid]:
    """An area's pixels at its own scale, and which every layer has."""
    return layers.read(area.window) if area.factor == 1 else layers.reduced(area.factor)
