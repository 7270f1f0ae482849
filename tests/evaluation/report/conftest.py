"""Small georeferenced pairs with results, built from coordinates so that a misplaced pixel shows."""

import json
import re
from base64 import b64decode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.io import MemoryFile

from fose import api

RATIO = 4


def write(path: Path, image: NDArray[Any], pixel: float = 1.0, **profile: Any) -> Path:
    """A GeoTIFF of (C, H, W) in EPSG:32631, corner at (500000, 4600000); `names` and `tags` beside the profile."""
    names, tags = profile.pop("names", ()), profile.pop("tags", {})
    profile = {"crs": "EPSG:32631", "transform": Affine(pixel, 0, 500000, 0, -pixel, 4600000)} | profile
    count, height, width = image.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=image.dtype, **profile
    ) as file:
        file.write(image)
        for index, name in enumerate(names, start=1):
            file.set_band_description(index, name)
        file.update_tags(**tags)
    return path


def truth(bands: int, height: int, width: int) -> NDArray[np.uint16]:
    """A scene without symmetry: stripes and blocks over slopes, every band another mixture of them."""
    row, col = np.mgrid[0:height, 0:width].astype(np.float64)
    detail = 90 * np.sin(row * 0.9 + col * 0.35) + 70 * ((row // 7 + col // 11) % 2) + 60 * np.cos(col * 0.05)
    return np.stack([400 + 25 * b + row * 0.4 + col * 0.2 + detail * (0.6 + 0.15 * b) for b in range(bands)]).astype(
        np.uint16
    )


@dataclass
class Pair:
    """Paths of a PAN and MS pair, and of its true image."""

    pan: Path
    ms: Path
    target: Path
    folder: Path
    sharps: list[Path] = field(default_factory=list)

    def sharpen(self, method: str, name: str | None = None) -> Path:
        """A result of fose itself."""
        out = self.folder / (name or f"{method}.tif")
        api.sharpen(self.pan, self.ms, out, method)
        self.sharps.append(out)
        return out


def make_pair(folder: Path, bands: int = 4, height: int = 192, width: int = 256, names: Any = None, **ms: Any) -> Pair:
    """A pair of ratio 4 whose bands are named blue, green, red, nir as far as there are that many."""
    image = truth(bands, height, width)
    low = image.reshape(bands, height // RATIO, RATIO, width // RATIO, RATIO).mean(axis=(2, 4)).astype(np.uint16)
    called = ("blue", "green", "red", "nir")[:bands] if names is None else names
    pan = write(folder / "pan.tif", image.mean(axis=0, keepdims=True).astype(np.uint16))
    coarse = write(folder / "ms.tif", low, RATIO, names=called, **ms)
    return Pair(pan, coarse, write(folder / "target.tif", image), folder)


VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """What a page holds: elements with attributes, its text, and whether every element is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def data(self) -> dict[str, Any]:
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', self.source, re.DOTALL)
        assert found
        data: dict[str, Any] = json.loads(found[1])
        return data

    def picture(self, layer: str, colour: str, area: int = 0) -> np.ndarray:
        uri = self.data["images"][area][layer][colour]
        with MemoryFile(b64decode(uri.partition(",")[2])) as memory, memory.open() as file:
            image: np.ndarray = file.read()
        return image


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A four-band pair with one result."""
    made = make_pair(tmp_path)
    made.sharpen("brovey")
    return made
