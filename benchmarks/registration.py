"""How well the remaining PAN to MS shift is found, and whether correcting it helps: prints the tables of its docs.

    PYTHONPATH=src python benchmarks/registration.py DATA [--eval]

DATA holds `scenes/`, `scenes.json` and `multiband/`. Without --eval only scenes that may be tuned on are read.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from fose.ops.shift import UNKNOWN, Shift, combine, estimate_shift, significant

Array = NDArray[np.float64]
WINDOW = 256
KNOWN = {  # rows/cols, PAN pixels, from the data's index; our sign; (PAN): how far PAN is off, the opposite sign
    "qb_decri": "+.25/-.50",
    "qb_psdata3": "+.50/+.50",
    "ik_vitale": "-.50/-.50",
    "dg_pancolorgan": ".00/+.25",
    "wv2_spacenet6_1": "+.50/.00",
    "wv2_spacenet6_2": ".00/-.25",
    "wv2_spacenet6_3": ".00/.00",
    "wv2_vitale": ".00/.00",
    "l8_landsatutil": "-.25/-.25",
    "rr_qb": "+.57/-.39 (PAN)",
    "rr_gf2": "+.60/-.09 (PAN)",
}


def resample(image: Array, rows: Array, cols: Array) -> Array:
    """Cubic spline values of (..., H, W) at pixel positions rows x cols."""
    grid = np.meshgrid(rows, cols, indexing="ij")
    flat = image.reshape(-1, *image.shape[-2:])
    result = np.stack([ndimage.map_coordinates(band, grid, order=3, mode="reflect") for band in flat])
    return result.reshape(*image.shape[:-2], len(rows), len(cols))


def move(pan: Array, rows: float, cols: float) -> Array:
    """pan(x - (rows, cols))."""
    return ndimage.shift(pan, (rows, cols), order=5, mode="reflect")


def fill(image: Array, valid: NDArray[np.bool_]) -> Array:
    """Missing pixels of (..., H, W) take the value of the nearest valid one."""
    near = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return image[..., near[0], near[1]]


@dataclass(frozen=True)
class Pair:
    """PAN, MS on its own grid, where PAN pixel centres lie on that grid, and which PAN pixels both images have."""

    pan: Array
    ms: Array
    rows: Array
    cols: Array
    valid: NDArray[np.bool_]
    ratio: float

    @property
    def ms_up(self) -> Array:
        """MS on the PAN grid."""
        return resample(self.ms, self.rows, self.cols)


def read_scene(folder: Path) -> Pair:
    """A scene with its missing pixels (PAN zero, or all bands zero) filled."""
    with rasterio.open(folder / "pan.tif") as pan_file, rasterio.open(folder / "ms.tif") as ms_file:
        p, m = pan_file.transform, ms_file.transform
        rows = ((np.arange(pan_file.height) + 0.5) * p.e + p.f - m.f) / m.e - 0.5
        cols = ((np.arange(pan_file.width) + 0.5) * p.a + p.c - m.c) / m.a - 0.5
        pan, ms = pan_file.read(1).astype(float), ms_file.read().astype(float)
    there = ms.any(axis=0)
    valid = (pan > 0) & (resample(there.astype(float), rows, cols) > 0.99)
    return Pair(fill(pan, pan > 0), fill(ms, there), rows, cols, valid, m.a / p.a)


def scene_shift(
    pan: Array, ms_up: Array, valid: NDArray[np.bool_], ratio: float, size: int = WINDOW
) -> tuple[Shift, list[Shift]]:
    """The scene's shift and those of its windows, which divide it evenly and are about `size` pixels a side."""
    edges = [np.linspace(0, n, max(1, round(n / size)) + 1).astype(int) for n in pan.shape]
    windows = [(slice(*r), slice(*c)) for r in pairwise(edges[0]) for c in pairwise(edges[1])]
    shifts = [estimate_shift(pan[w], ms_up[:, *w], ratio, valid[w]) for w in windows]
    return combine(shifts), shifts


def gaussian(image: Array, ratio: float, gain: float = 0.3) -> Array:
    """Low-pass (..., H, W) with a Gaussian MTF of `gain` at 1 / (2 ratio) cycles per pixel."""
    sigma = ratio / math.pi * math.sqrt(-2 * math.log(gain))
    return ndimage.gaussian_filter(image, [0] * (image.ndim - 2) + [sigma, sigma], mode="reflect")


def degrade(image: Array, ratio: int) -> Array:
    """Gaussian MTF, then samples at the centres of ratio x ratio blocks."""
    centres = [np.arange(n // ratio) * ratio + (ratio - 1) / 2 for n in image.shape[-2:]]
    return resample(gaussian(image, ratio), *centres)


def simulate(image: Array, ratio: int, shift: Array, noise: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """PAN and interpolated MS of a sharp 4-band image: PAN sees all bands, the MS lacks blue and lies off by shift."""
    rows, cols = np.fft.fftfreq(image.shape[1])[:, None], np.fft.fftfreq(image.shape[2])[None]
    spectrum, square = np.fft.fft2(image), rows**2 + cols**2
    pan = np.fft.ifft2(np.tensordot([0.1, 0.25, 0.3, 0.35], spectrum, 1) * 0.25 ** (4 * square)).real
    phase = rng.uniform(-0.5, 0.5, 2) * ratio
    ramp = np.exp(-2j * np.pi * (rows * (shift[0] - phase[0]) + cols * (shift[1] - phase[1])))
    ms = np.fft.ifft2(spectrum * 0.3 ** (4 * ratio**2 * square) * ramp).real[1:, ::ratio, ::ratio]
    pan += noise * pan.std() * rng.standard_normal(pan.shape)
    ms += noise * ms.std(axis=(1, 2), keepdims=True) * rng.standard_normal(ms.shape)
    up = resample(ms, *((np.arange(n) - p) / ratio for n, p in zip(pan.shape, phase, strict=True)))
    return pan[12:-12, 12:-12], up[:, 12:-12, 12:-12]


def sharp_images(data: Path) -> Iterator[Array]:
    """Up to three images of each 4-band file that has images of at least 256 pixels, cropped to 512."""
    for path in sorted((data / "multiband").glob("*.npz")):
        images = np.load(path)["ms"]
        images = images if images.ndim == 4 else images[None]
        if images.shape[-1] >= 256:
            yield from images[:: max(1, len(images) // 3)][:3, :, :512, :512].astype(float)


def table_simulated(data: Path) -> None:
    """Table 1: error against the truth on simulated sensors, one window each."""
    print("\n1. Simulated sensors, one window each, shifts in +-1.5 (errors in PAN pixels)")
    print("| ratio | noise | images | rms | median | max | beyond 3 se | unknown |\n|---|---|---|---|---|---|---|---|")
    images = list(sharp_images(data))
    for ratio in (2, 4, 6):
        for noise in (0.0, 0.02, 0.1):
            rng = np.random.default_rng(0)
            truth = rng.uniform(-1.5, 1.5, (len(images), 2))
            found = [
                estimate_shift(*simulate(a, ratio, s, noise, rng), ratio) for a, s in zip(images, truth, strict=True)
            ]
            known = [i for i, f in enumerate(found) if f.known]
            error = np.array([(found[i].rows, found[i].cols) for i in known]) - truth[known]
            far = np.abs(error) > 3 * np.array([(found[i].rows_se, found[i].cols_se) for i in known])
            print(
                f"| {ratio} | {noise:.0%} | {len(images)} | {math.sqrt((error**2).mean()):.3f} "
                f"| {np.median(np.abs(error)):.3f} | {np.abs(error).max():.3f} | {far.mean():.0%} "
                f"| {len(images) - len(known)} |"
            )


def table_hard(data: Path) -> None:
    """Table 1b: shifts up to beyond the search range, missing pixels, and an MS of another place."""
    images = list(sharp_images(data))
    print("\n1b. Hard cases, one window each, 2 % noise")
    print("| ratio | case | known | off by more than .2 | rms | slope on truth |\n|---|---|---|---|---|---|")
    for ratio in (2, 4):
        for name, length, missing in (
            *((f"shift of {n} px", n, 0.0) for n in (3, 7, 10, 14)),
            *((f"{m:.0%} missing", 1.0, m) for m in (0.1, 0.2, 0.3)),
            ("another place", 0.0, 0.0),
        ):
            rng = np.random.default_rng(0)
            truth, found = [], []
            for i, image in enumerate(images):
                angle = rng.uniform(0, 2 * math.pi)
                shift = length * np.array([math.cos(angle), math.sin(angle)])
                pan, ms_up = simulate(image, ratio, shift, 0.02, rng)
                valid = np.ones(pan.shape, bool)
                if missing:
                    cloud = ndimage.gaussian_filter(rng.standard_normal(pan.shape), 15)
                    valid = cloud > np.quantile(cloud, missing)
                if not length:
                    ms_up = simulate(images[i - 7], ratio, shift, 0.02, rng)[1]
                if ms_up.shape[1:] != pan.shape:
                    continue
                one = estimate_shift(fill(pan, valid), fill(ms_up, valid), ratio, valid)
                if one.known:
                    truth.append(shift)
                    found.append((one.rows, one.cols))
            x, y = np.array(truth).reshape(-1, 2), np.array(found).reshape(-1, 2)
            error = np.abs(y - x).max(axis=1)
            rms = math.sqrt(((y - x) ** 2).mean()) if found else math.nan
            slope = (x * y).sum() / (x * x).sum() if found and length else math.nan
            print(
                f"| {ratio} | {name} | {len(found)}/{len(images)} | {(error > 0.2).sum()} | {rms:.3f} | {slope:.3f} |"
            )


def table_moved(data: Path, names: list[str]) -> None:
    """Table 2: on real scenes, the change of the estimate when PAN is moved by a known amount."""
    print("\n2. Real scenes with PAN moved by s: est(s) - est(0) + s, over 8 moves up to 3.7 pixels")
    print("| scene | rms | max |\n|---|---|---|")
    rng = np.random.default_rng(0)
    moves = np.concatenate([rng.uniform(-1.5, 1.5, (6, 2)), rng.uniform(-3.7, 3.7, (2, 2))])
    for name in names:
        scene = read_scene(data / "scenes" / name)
        ms_up = scene.ms_up
        start, _ = scene_shift(scene.pan, ms_up, scene.valid, scene.ratio)
        error = []
        for s in moves:
            found, _ = scene_shift(move(scene.pan, *s), ms_up, scene.valid, scene.ratio)
            error.append((found.rows - start.rows + s[0], found.cols - start.cols + s[1]))
        print(f"| {name} | {math.sqrt(np.mean(np.square(error))):.3f} | {np.abs(error).max():.3f} |")


def table_real(data: Path, names: list[str]) -> None:
    """Table 3: estimates on real scenes beside the residuals that the data's index states."""
    print("\n3. Real scenes, rows/cols (se), PAN pixels; stated = data's index")
    print("| scene | stated | found | se | windows | worth correcting | ms per window |\n|---|---|---|---|---|---|---|")
    for name in names:
        scene = read_scene(data / "scenes" / name)
        ms_up = scene.ms_up
        start = time.perf_counter()
        found, windows = scene_shift(scene.pan, ms_up, scene.valid, scene.ratio)
        cost = 1e3 * (time.perf_counter() - start) / len(windows)
        print(
            f"| {name} | {KNOWN.get(name, '')} | {found.rows:+.2f}/{found.cols:+.2f} "
            f"| {found.rows_se:.2f}/{found.cols_se:.2f} | {sum(w.known for w in windows)}/{len(windows)} "
            f"| {'yes' if significant(found) else 'no'} | {cost:.0f} |"
        )


def sharpen(pan: Array, ms_up: Array, ratio: float) -> Array:
    """GSA (Aiazzi et al. 2007): regress low-pass PAN on the bands, inject what it lacks with covariance gains."""
    bands = ms_up.reshape(len(ms_up), -1)
    design = np.vstack([bands, np.ones(bands.shape[1])])
    weights = np.linalg.lstsq(design.T, gaussian(pan, ratio).ravel(), rcond=None)[0]
    intensity = weights @ design
    centred = intensity - intensity.mean()
    gains = (bands - bands.mean(axis=1, keepdims=True)) @ centred / (centred @ centred)
    return ms_up + gains[:, None, None] * (pan - intensity.reshape(pan.shape))


def scores(sharp: Array, target: Array, valid: NDArray[np.bool_], ratio: float) -> tuple[float, float]:
    """ERGAS and mean SAM in degrees over the valid pixels."""
    sharp, target = sharp[:, valid], target[:, valid]
    relative = ((sharp - target) ** 2).mean(axis=1) / target.mean(axis=1) ** 2
    norms = np.linalg.norm(sharp, axis=0) * np.linalg.norm(target, axis=0)
    cosine = (sharp * target).sum(axis=0)[norms > 0] / norms[norms > 0]
    return 100 / ratio * math.sqrt(relative.mean()), math.degrees(np.arccos(np.clip(cosine, -1, 1)).mean())


def reduced(folder: Path) -> tuple[Pair, Array]:
    """The pair one ratio down and its target (Wald), or as delivered for rr_* scenes."""
    scene = read_scene(folder)
    if (folder / "target.tif").exists():
        with rasterio.open(folder / "target.tif") as target:
            return scene, target.read().astype(float)
    step = round(scene.ratio)
    rows, cols = ((np.arange(n) - (step - 1) / 2) / step for n in scene.ms.shape[-2:])
    valid = degrade(scene.valid.astype(float), step) > 0.99
    return Pair(degrade(scene.pan, step), degrade(scene.ms, step), rows, cols, valid, scene.ratio), scene.ms


def table_benefit(data: Path, names: list[str]) -> None:
    """Table 4: GSA at reduced resolution with PAN moved by s, without and with the correction."""
    print("\n4. Reduced resolution, GSA, PAN moved by (s, -s/2): ERGAS / SAM without and with the correction")
    print("| scene | s | found | se | corrected | off | on |\n|---|---|---|---|---|---|---|")
    for name in names:
        pair, target = reduced(data / "scenes" / name)
        inner = np.zeros_like(pair.valid)
        inner[8:-8, 8:-8] = pair.valid[8:-8, 8:-8]
        ms_up, ratio = pair.ms_up, pair.ratio
        for s in (0.0, 0.1, 0.25, 0.5, 1.0, 2.0):
            moved = move(pair.pan, s, -s / 2)
            found, _ = scene_shift(moved, ms_up, pair.valid, ratio, 128 if min(moved.shape) < 512 else WINDOW)
            use = found if significant(found) else UNKNOWN
            off, on = (
                scores(sharpen(p, ms_up, ratio), target, inner, ratio) for p in (moved, move(moved, use.rows, use.cols))
            )
            print(
                f"| {name} | {s} | {found.rows:+.2f}/{found.cols:+.2f} | {found.rows_se:.2f}/{found.cols_se:.2f} "
                f"| {'yes' if use.known else 'no'} | {off[0]:.3f} / {off[1]:.3f} | {on[0]:.3f} / {on[1]:.3f} |"
            )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--eval", action="store_true", help="report on evaluation scenes instead")
    options = parser.parse_args()
    scenes = json.loads((options.data / "scenes.json").read_text())
    names = [s["name"] for s in scenes if s["use"] == ("eval" if options.eval else "train") and s["root"] == "scenes"]
    few = [n for n in names if not n.startswith("l7_") or n in ("l7_01", "l7_07", "l7_13", "l7_19")]
    if not options.eval:
        table_simulated(options.data)
        table_hard(options.data)
    table_moved(options.data, few)
    table_real(options.data, names)
    table_benefit(options.data, few)


if __name__ == "__main__":
    main()
