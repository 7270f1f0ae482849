"""The openly licensed images that samples are made from, and what each of them is.

The shared data folder marks what may be learned from (``use`` is "train" in scenes.json, and everything under
multiband/). Scenes for evaluation are refused here, so that no recipe can reach them by mistake.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from fose.data.valid import Rectangle, largest_rectangle
from fose.errors import InputError, ReadError

Pixels = NDArray[Any]

LEAST_SIDE = 48  # MS pixels: a smaller image makes no sample
MOST_ZEROS = 0.02  # share of pixels with a zero band, above which a multi-band image is dropped
HLS_BLOCK = 30  # consecutive HLS chips that form one group, since neighbours may come from one scene

# Where scenes.json and the npz files leave groups to names: Landsat 7 scenes 1-6, 7-12, 13-18, 19-24 by path/row.
_LANDSAT7_GROUPS = ("P034R032", "P090R083", "P091R083", "P092R086")

# Where the geotransforms are off: minus the shift that fose.scene.register measures (standard error .04 PAN pixel).
# Landsat 7 is within .1 PAN pixel of its geotransforms; the clouds of the Landsat 8 scene leave its shift unknown.
_PHASES = {"wv2_spacenet6_1": (-0.45, -0.14), "wv2_spacenet6_2": (0.04, 0.42), "wv2_spacenet6_3": (-0.13, -0.04)}


@dataclass(frozen=True, eq=False)
class Source:
    """One image, whole and valid everywhere: a PAN and MS pair, or (pan is None) a sharp multi-band image."""

    name: str
    family: str  # "naip", "landsat", "spacenet6", "s2" or "hls"
    group: str  # images of one group never lie on both sides of a split
    sensor: str
    licence: str
    wavelengths: tuple[float | None, ...]  # nm, one per band
    ms: Pixels  # (C, h, w), DN as stored
    pan: Pixels | None = None  # (H, W), DN as stored
    ratio: float = 1.0  # PAN pixels per MS pixel
    phase: tuple[float, float] = (0.0, 0.0)  # MS corner on the PAN grid, PAN pixels (row, column)

    @property
    def kind(self) -> str:
        """The string "pair" where there is a real PAN, else "bands"."""
        return "bands" if self.pan is None else "pair"

    @property
    def sha256(self) -> str:
        """Hash of the pixels, type and shape of both images, in hexadecimal."""
        digest = hashlib.sha256()
        for image in (self.ms, self.pan):
            if image is not None:
                digest.update(f"{image.dtype.str}{image.shape}".encode())
                digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()


def sources(root: Path | str) -> list[Source]:
    """Every image under `root` (the shared data folder) that may be learned from, in a fixed order, without duplicates.

    Raises ReadError where `root` holds no scenes.json.
    """
    root = Path(root)
    names = [scene["name"] for scene in _catalogue(root) if scene["use"] == "train"]
    found = [scene_source(root, name) for name in names]
    for path in sorted((root / "multiband").glob("*.npz")):
        found += _multiband(path)
    return list({source.sha256: source for source in reversed(found)}.values())[::-1]


def scene_source(root: Path | str, name: str) -> Source:
    """The pair of that name, cut to its largest rectangle without missing pixels.

    Raises InputError where scenes.json or the files' own USE tag does not mark it for training, or where nothing
    usable is left; ReadError where it cannot be read.
    """
    entry = next((scene for scene in _catalogue(Path(root)) if scene["name"] == name), None)
    if entry is None:
        raise InputError(f"expected a scene of {root}/scenes.json, found {name!r}")
    if entry["use"] != "train":
        raise InputError(f"{name} is for {entry['use']} only: expected a scene marked train; nothing may learn from it")
    folder = Path(root) / entry["root"] / name
    pan, _ = _read(folder / "pan.tif")
    ms, wavelengths = _read(folder / "ms.tif")
    ms, fine = _cut_pair(pan[0], ms, int(entry["ratio"]))
    if min(ms.shape[1:]) < LEAST_SIDE:
        raise InputError(f"{name}: expected at least {LEAST_SIDE}x{LEAST_SIDE} MS pixels, found {ms.shape[1:]}")
    family, group = _scene_group(name)
    return Source(
        name=name,
        family=family,
        group=group,
        sensor=entry["sensor"],
        licence=entry["licence"],
        wavelengths=wavelengths,
        ms=ms,
        pan=fine,
        ratio=float(entry["ratio"]),
        phase=_PHASES.get(name, (0.0, 0.0)),
    )


def _catalogue(root: Path) -> list[dict[str, Any]]:
    path = root / "scenes.json"
    if not path.is_file():
        raise ReadError(f"expected the list of scenes at {path}, found none; give the folder that INDEX.md describes")
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def _read(path: Path) -> tuple[Pixels, tuple[float | None, ...]]:
    """Pixels (C, H, W) and wavelengths of a raster marked for training."""
    try:
        with rasterio.open(path) as raster:
            use = raster.tags().get("USE")
            tags = [raster.tags(band).get("WAVELENGTH") for band in raster.indexes]
            pixels: Pixels = raster.read()
    except rasterio.errors.RasterioIOError as error:
        raise ReadError(f"cannot read {path}: {error}") from error
    if use != "train":
        raise InputError(f"{path} has the tag USE={use}: expected train; nothing may learn from it")
    return pixels, tuple(float(tag) if tag else None for tag in tags)


def _scene_group(name: str) -> tuple[str, str]:
    if match := re.fullmatch(r"l7_(\d+)", name):
        return "landsat", f"l7_{_LANDSAT7_GROUPS[(int(match[1]) - 1) // 6]}"
    if name.startswith("wv2_spacenet6"):
        return "spacenet6", name
    return "landsat", name


def _cut_pair(pan: Pixels, ms: Pixels, ratio: int) -> tuple[Pixels, Pixels]:
    """MS and PAN cut to the largest rectangle of MS pixels that both images cover."""
    height, width = (min(m, p // ratio) for m, p in zip(ms.shape[1:], pan.shape, strict=True))
    covered = ~_missing(ms[:, :height, :width])
    blocks = pan[: height * ratio, : width * ratio].reshape(height, ratio, width, ratio)
    covered &= ~_missing(blocks.transpose(1, 3, 0, 2).reshape(-1, height, width), any_band=True)
    area = largest_rectangle(covered)
    fine = Rectangle(*(edge * ratio for edge in area))
    return ms[:, area.top : area.bottom, area.left : area.right], pan[fine.top : fine.bottom, fine.left : fine.right]


def _missing(image: Pixels, any_band: bool = False) -> NDArray[np.bool_]:
    """(h, w) pixels of a (C, h, w) image that are zero in all bands (or in any)."""
    zero = image == 0
    return np.asarray(zero.any(axis=0) if any_band else zero.all(axis=0))


def _multiband(path: Path) -> Iterator[Source]:
    """The images of one npz file; those with too many zeros are left out."""
    with np.load(path, allow_pickle=False) as stored:
        images: Pixels = stored["ms"]
        ids = [str(label) for label in np.atleast_1d(stored["ids"])]
        sensor, licence = str(stored["sensor"]), str(stored["licence"])
        wavelengths = tuple(float(nm) for nm in stored["wavelengths_nm"])
    images = images if images.ndim == 4 else images[None]
    for image, label in zip(images, ids, strict=True):
        if _missing(image, any_band=True).mean() <= MOST_ZEROS:
            family, group = _multiband_group(path.stem, label)
            yield Source(f"{path.stem}/{Path(label).stem}", family, group, sensor, licence, wavelengths, image)


def _multiband_group(stem: str, label: str) -> tuple[str, str]:
    if stem.startswith("naip"):
        city = re.sub(r"_\d{4}_\d+$", "", Path(label).stem)
        return "naip", f"naip_{city}"
    if stem.startswith("hls"):
        return "hls", f"hls30_{int(Path(label).stem) // HLS_BLOCK}"
    return "s2", stem
