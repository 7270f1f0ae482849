"""Synthetic scenes without symmetry, the smallest sharpeners, and files made of them (the `synth` fixture)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine
from threadpoolctl import threadpool_limits

from fose.ops.resample import KERNELS
from fose.scene.grid import GridPair, array_pair
from fose.scene.scene import ArraySource, JoinedScene
from fose.scene.tiles import Window, plan

UTM = "EPSG:32633"
EAST, NORTH, PIXEL = 300_000.0, 5_000_000.0, 0.5  # corner and PAN pixel of the scenes, metres

# A PAN-grid image is a function of position: PAN pixels right of and below the scene's corner.


def texture(rows, cols, seed=1):
    """Edges, fine and coarse structure at continuous positions, without symmetry; about 200..1800."""
    rng = np.random.default_rng(seed)
    image = np.full(np.broadcast(rows, cols).shape, 1000.0)
    for _ in range(60):
        period = np.exp(rng.uniform(np.log(6), np.log(90)))
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        image += 1.1 * period**0.7 * np.sin(2 * np.pi * (np.sin(angle) * rows + np.cos(angle) * cols) / period + phase)
    image += 120 * np.tanh((rows - 0.7 * cols - 20) / 3) - 150 * np.tanh((cols + 0.3 * rows - 70) / 4)
    return image


def ramp(rows, cols):
    """Where a pixel is: x + 1000 y, so that a shift, a swap or a flip shows as a wrong value."""
    return cols + 1000.0 * rows


def centres(shape, step=1.0, corner=(0.0, 0.0)):
    """Row and column positions, PAN pixels from the scene's corner, of a grid's pixel centres."""
    rows = corner[0] + step * (np.arange(shape[0]) + 0.5)
    cols = corner[1] + step * (np.arange(shape[1]) + 0.5)
    return rows[:, None], cols[None, :]


def arrays(ms_shape=(30, 37), ratio=4.0, phase=(0.0, 0.0), bands=3, pan_shape=None):
    """PAN (H, W) and MS (bands, h, w), float32, of one textured scene; MS pixels are area means of 5 x 5 samples."""
    pan_shape = pan_shape or (round(ms_shape[0] * ratio), round(ms_shape[1] * ratio))
    pan = texture(*centres(pan_shape))
    offsets = (np.arange(5) - 2) / 5 * ratio
    rows, cols = centres(ms_shape, ratio, phase)
    mean = np.mean([texture(rows + dy, cols + dx) for dy in offsets for dx in offsets], axis=0)
    ms = np.stack([mean * (0.6 + 0.2 * band) + 40 * band + 0.05 * cols for band in range(bands)])
    return pan.astype(np.float32), ms.astype(np.float32)


class Exp:
    """The MS resampled."""

    name, halo, reach, working = "test-exp", 0, 0, 2.5

    def fit(self, scene):
        return None

    def apply(self, tile, fit):
        return tile.ms_up.copy()


class Ratio:
    """Brovey with a fitted gain: a statistic of the scene and a ratio per pixel."""

    name, halo, reach, working = "test-ratio", 0, 0, 2.5

    def fit(self, scene):
        sums = sum(scene.map(lambda tile: tile.samples(tile.pan, tile.ms_up).sum(axis=1)))
        return np.float32(sums[1:].mean() / sums[0])

    def apply(self, tile, fit):
        return tile.ms_up * (tile.pan * fit / np.maximum(tile.ms_up.mean(axis=0), 1))


class Detail:
    """PAN less its low-pass at MS resolution, added: needs a halo."""

    name, halo, reach, working = "test-detail", 12, 0, 2.5

    def fit(self, scene):
        return None

    def apply(self, tile, fit):
        gains = [0.2 + 0.05 * band for band in range(len(tile.ms))]
        low = tile.upsample(tile.degrade(tile.pan, gains))
        return tile.ms_up + (tile.pan - low)


SHARPENERS = {sharpener.name: sharpener for sharpener in (Exp(), Ratio(), Detail())}


@contextmanager
def joined(
    pan, ms, ratio=4.0, phase=(0.0, 0.0), kernel="lanczos6", nodata=None, threads=2, pair: GridPair | None = None
) -> Iterator[JoinedScene]:
    """A scene of arrays: pan (H, W), ms (C, h, w)."""
    pair = pair or array_pair(pan.shape, ms.shape[1:], ratio, phase)
    gains = np.full(len(ms), 0.3)
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1, user_api="blas"):
        sources = ArraySource.of(pan[None], nodata), ArraySource.of(ms, nodata)
        yield JoinedScene(*sources, pair, KERNELS[kernel], gains, 0.15, (None,) * len(ms), pool)


def sharpen_tiles(scene, sharpener, tile=None):
    """Sharpen in tiles of a shape (rows, columns), or whole; missing pixels NaN. Returns (C, H, W)."""
    fit = sharpener.fit(scene)
    out = np.full((scene.bands, *scene.pair.shape), -1, np.float32)
    for window in plan(scene.pair.shape, tile or scene.pair.shape):
        read = scene.tile(window, sharpener.halo)
        image = read.core(sharpener.apply(read, fit))
        valid = read.valid_core()
        out[:, window.rows, window.cols] = image if valid is None else np.where(valid, image, np.nan)
    return out


def whole_window(shape):
    return Window.of(0, 0, *shape)


def utm(step=1.0, corner=(0.0, 0.0)):
    """The transform of a grid of `step` PAN pixels whose corner lies at (row, column) PAN pixels."""
    size = step * PIXEL
    return Affine(size, 0, EAST + corner[1] * PIXEL, 0, -size, NORTH - corner[0] * PIXEL)


def save(path: Path, image, transform=None, crs=UTM, mask=None, alpha=None, prepare=None, **profile) -> Path:
    """Write (C, h, w) or (h, w) as a small tiled GeoTIFF; `prepare(dataset)` sets what else it carries."""
    image = image if image.ndim == 3 else image[None]
    count = len(image) + (alpha is not None)
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 64, "blockysize": 64} | profile
    profile |= {"count": count, "height": image.shape[1], "width": image.shape[2], "dtype": image.dtype}
    if transform is not None:
        profile |= {"transform": transform, "crs": crs}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as dataset:
        if prepare:
            prepare(dataset)
        dataset.write(image, list(range(1, len(image) + 1)))
        if alpha is not None:
            dataset.colorinterp = [*dataset.colorinterp[:-1], rasterio.enums.ColorInterp.alpha]
            dataset.write(alpha, count)
        if mask is not None:
            dataset.write_mask(mask)
    return path


def save_pair(folder: Path, pan, ms, ratio=4.0, phase=(0.0, 0.0), **profile) -> tuple[Path, Path]:
    """Write PAN and MS arrays as pan.tif and ms.tif in UTM, the MS corner `phase` PAN pixels from PAN's."""
    pan_path = save(folder / "pan.tif", pan, utm(), **profile)
    return pan_path, save(folder / "ms.tif", ms, utm(ratio, phase), **profile)


def textured_pair(folder: Path, dtype="uint16", **options) -> tuple[Path, Path]:
    """`arrays` as files of a type."""
    pan, ms = arrays(**options)
    if np.dtype(dtype).kind in "iu":
        pan, ms = np.rint(pan), np.rint(ms)
    scale = 1 / 12 if dtype == "uint8" else 1
    pan, ms = ((image * scale).astype(dtype) for image in (pan, ms))
    return save_pair(folder, pan, ms, options.get("ratio", 4.0), options.get("phase", (0.0, 0.0)))


def load(path):
    """(C, H, W) pixels of a file."""
    with rasterio.open(path) as dataset:
        return dataset.read()


def left_over(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
