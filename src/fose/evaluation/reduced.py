"""The reduced-resolution protocol (Wald): degrade both images by the ratio, sharpen, compare with the real MS.

Wald, Ranchin and Mangolini (1997), "Fusion of satellite images of different spatial resolutions", PE&RS 63(6).
The result keeps the MS's geometry, so a method's registration is tested and not punished.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fose import metrics
from fose.classical.reference import ReferenceScene
from fose.errors import InputError
from fose.evaluation.scores import Scores, array_strips, with_reference
from fose.ops import reference as toolbox
from fose.ops.mtf import gaussian_sigma
from fose.ops.resample import KERNELS, AxisMap, gaussian, resample
from fose.scene.grid import array_pair
from fose.scene.register import Registration, register
from fose.scene.scene import ArraySource, JoinedScene
from fose.scene.sharpen import sharpen_to_array
from fose.scene.tiles import SceneTile, Window, own_ms
from fose.sharpener import Sharpener

Array = NDArray[np.floating[Any]]
Valid = NDArray[np.bool_]

# A degraded pixel counts as missing when missing pixels hold more than this share of its filter's weight.
MISSING_WEIGHT = 1e-3


@dataclass(frozen=True)
class ReducedPair:
    """A degraded pair and the real MS that its sharpening should restore; PAN and target share one grid."""

    pan: Array  # (h, w)
    ms: Array  # (C, h / r, w / r), corner on PAN's corner
    target: Array  # (C, h, w)
    ratio: int
    valid: Valid | None = None  # (h, w) pixels of pan and target; None: all
    ms_valid: Valid | None = None  # (h / r, w / r)


def degrade_scene(scene: JoinedScene) -> ReducedPair:
    """Degrade a scene by its ratio with Gaussian MTFs, sampled at true pixel centres.

    PAN is brought to the MS grid by the true ratio; the MS is degraded by the nearest whole ratio, and cut at the
    bottom and the right to whole coarse pixels. PAN is read tile by tile; the result is held in memory, as large as
    the MS. Missing pixels are filled from their neighbours and marked. InputError where the ratio is below 1.5 or
    nothing is left.
    """
    step = round(scene.ratio)
    if step < 2:
        raise InputError(
            f"reduced resolution: expected a ratio of at least 1.5 PAN pixels per MS pixel, found {scene.ratio:g}; "
            "use --protocol full"
        )
    area = own_ms(Window.of(0, 0, *scene.pair.shape), scene.pair)
    height, width = (size // step * step for size in area.shape)
    if not height or not width:
        raise InputError(
            f"reduced resolution: expected an MS of at least {step}x{step} pixels under PAN, found {area.shape}"
        )
    area = Window.of(*area.origin, height, width)
    pan, target, valid = _on_ms_grid(scene, area)
    known = None if valid.all() else valid
    low, low_valid = _degrade_ms(target, known, scene.gains, step)
    return ReducedPair(pan, low, target, step, known, low_valid)


def _on_ms_grid(scene: JoinedScene, area: Window) -> tuple[Array, Array, Valid]:
    """PAN degraded to the MS grid, the MS itself, holes filled, and the pixels that both have; all of an MS window."""
    pan = np.empty(area.shape, np.float32)
    target = np.empty((scene.bands, *area.shape), np.float32)
    valid = np.empty(area.shape, bool)

    def one_tile(tile: SceneTile) -> tuple[Window, Array, Array, Valid | None]:
        own = own_ms(tile.core_window, tile.pair)
        part = own.within(tile.ms_window)
        return own, tile.degrade(tile.pan, [scene.pan_gain])[0][part], tile.ms[(..., *part)], tile.valid_own_ms()

    reach = ceil(gaussian(gaussian_sigma(scene.pan_gain, 1)).radius) + 1  # MS pixels
    for own, low, ms, known in scene.map(one_tile, reach):
        rows, cols = own.within(area)
        into = slice(rows.start, min(rows.stop, area.shape[0])), slice(cols.start, min(cols.stop, area.shape[1]))
        part = slice(0, max(into[0].stop - into[0].start, 0)), slice(0, max(into[1].stop - into[1].start, 0))
        pan[into], target[(..., *into)] = low[part], ms[(..., *part)]
        valid[into] = True if known is None else known[part]
    return pan, target, valid


def _degrade_ms(ms: Array, valid: Valid | None, gains: Array, step: int) -> tuple[Array, Valid | None]:
    """MS (C, h, w) degraded by a whole ratio, and which coarse pixels saw no missing one."""
    coarse = AxisMap((step - 1) / 2, step)
    window = slice(0, ms.shape[1] // step), slice(0, ms.shape[2] // step)

    def low(image: Array, gain: float) -> Array:
        return resample(image, (0, 0), window, (coarse, coarse), gaussian(gaussian_sigma(gain, step)))

    image = np.stack([low(band, float(gain)) for band, gain in zip(ms, gains, strict=True)])
    if valid is None:
        return image, None
    return image, low(valid.astype(np.float32), float(min(gains))) > 1 - MISSING_WEIGHT


def degrade_pair(
    pan: NDArray[Any],
    ms: NDArray[Any],
    gains: Sequence[float] | Array,
    pan_gain: float,
    ratio: float | None = None,
    phase: tuple[float, float] = (0.0, 0.0),
) -> ReducedPair:
    """`degrade_scene` of arrays: pan (H, W) and ms (C, h, w); NaN is missing.

    gains, pan_gain: MTF gains at the coarse Nyquist frequency. phase: where the MS corner lies on PAN, in PAN pixels
    (row, column).
    """
    pair = array_pair(pan.shape, ms.shape[1:], ratio or pan.shape[0] / ms.shape[1], phase)
    with ThreadPoolExecutor(1) as pool:
        sources = ArraySource.of(pan[None]), ArraySource.of(ms)
        unknown = (None,) * len(ms)
        scene = JoinedScene(*sources, pair, KERNELS["lanczos"], np.asarray(gains), pan_gain, unknown, pool)
        return degrade_scene(scene)


def scores(target: Array, sharp: Array, ratio: float) -> dict[str, float]:
    """SAM (degrees), ERGAS and Q2n of a result against its target; both (C, H, W)."""
    return {
        "SAM": metrics.sam(target, sharp),
        "ERGAS": metrics.ergas(target, sharp, ratio),
        "Q2n": metrics.q2n(target, sharp),
    }


@dataclass(frozen=True)
class ReducedTrial:
    """A scene whose sharpening is known: `score` says how near a method comes.

    scene: the degraded pair, whose output grid is the target's. target (C, H, W); valid (H, W) says where it counts.
    cut: the toolboxes' border cut; peak: the largest possible value, for PSNR and SSIM.
    """

    scene: JoinedScene
    target: Array
    valid: Valid | None = None
    cut: int = 0
    peak: float | None = None
    registration: Registration | None = None

    @classmethod
    def wald(cls, scene: JoinedScene, mode: str = "off", cut: int = 0, peak: float | None = None) -> "ReducedTrial":
        """Degrade a scene; mode "auto" registers the degraded PAN to the degraded MS as `sharpen` would."""
        low = degrade_scene(scene)
        pair = array_pair(low.pan.shape, low.ms.shape[1:], low.ratio, (0.0, 0.0))
        pan, ms = ArraySource.masked(low.pan[None], low.valid), ArraySource.masked(low.ms, low.ms_valid)
        return cls.given(replace(scene, pan=pan, ms=ms, pair=pair), low.target, low.valid, mode, cut, peak)

    @classmethod
    def given(
        cls,
        scene: JoinedScene,
        target: Array,
        valid: Valid | None = None,
        mode: str = "off",
        cut: int = 0,
        peak: float | None = None,
    ) -> "ReducedTrial":
        """A pair that is already reduced, with its ground truth on the PAN grid."""
        if target.shape != (scene.bands, *scene.pair.shape):
            raise InputError(
                f"target: expected {scene.bands} bands on PAN's grid, {scene.pair.shape}, found {target.shape}; "
                "the target has the MS's bands and PAN's pixels"
            )
        registered, registration = register(scene, mode, "ms")
        return cls(registered, target, valid, cut, peak, registration)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know: the registration."""
        return () if self.registration is None else tuple(self.registration.notes)

    def score(self, sharpener: Sharpener) -> Scores:
        """Sharpen and compare. InputError where the result is not finite or nothing can be measured."""
        sharp, seen = sharpen_to_array(self.scene, sharpener)
        valid = self.valid
        if seen is not None:
            everywhere: Valid = np.all(seen, axis=0)
            valid = everywhere if valid is None else valid & everywhere
        return with_reference(array_strips(self.target, sharp, valid, self.cut), self.scene.ratio, self.peak)


@dataclass(frozen=True)
class ReferenceReducedTrial:
    """The same with the conventions of the public toolboxes, whole images in float64 (see docs/evaluation.md)."""

    scene: ReferenceScene
    target: Array
    cut: int = 21
    peak: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def wald(cls, full: ReferenceScene, cut: int = 21, peak: float | None = None) -> "ReferenceReducedTrial":
        """Degrade a scene as the toolboxes do: MS by MTF and decimation, PAN by bicubic interpolation."""
        ratio = int(full.ratio)
        rows, cols = (size // ratio * ratio for size in full.tile.ms.shape[1:])
        if not rows or not cols:
            raise InputError(
                f"reduced resolution: expected an MS of at least {ratio}x{ratio} pixels, found {full.tile.ms.shape[1:]}"
            )
        target, pan = full.tile.ms[:, :rows, :cols], full.tile.pan[: rows * ratio, : cols * ratio]
        low_ms, low_pan = toolbox.wald_reduce(target, pan, full.gains, ratio)
        return cls(ReferenceScene(low_pan, low_ms, full.gains, full.pan_gain, full.wavelengths), target, cut, peak)

    def score(self, sharpener: Sharpener) -> Scores:
        """Sharpen and compare. InputError where the result is not finite or nothing can be measured."""
        sharp = self.scene.sharpen(sharpener)
        return with_reference(array_strips(self.target, sharp, None, self.cut), self.scene.ratio, self.peak)
