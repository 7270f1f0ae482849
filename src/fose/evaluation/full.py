"""The full-resolution protocol: sharpen a pair as it is and measure without a reference.

Two conventions. `FullTrial` uses the scene's own operators, at the true phase of its grids, strip by strip.
`ReferenceFullTrial` uses the toolboxes' operators on whole images, to reproduce published figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fose.classical.reference import ReferenceScene
from fose.errors import InputError
from fose.evaluation.scores import Gauge, Scores, complete
from fose.metrics import streaming
from fose.metrics.strips import Accumulator
from fose.metrics.universal import BLOCK
from fose.ops import reference as toolbox
from fose.ops.mtf import gaussian_sigma
from fose.ops.resample import KERNELS, AxisMap, Kernel, gaussian, resample
from fose.scene.register import Registration, register
from fose.scene.scene import JoinedScene, Source, read_filled
from fose.scene.tiles import SceneTile, Window, ordered_map, own_ms, plan
from fose.sharpener import Sharpener

Array = NDArray[Any]
Valid = NDArray[np.bool_]

# The metrics' own interpolation, whatever a method uses: nearly ideal, as the toolboxes' 23 taps are.
METRIC_KERNEL = KERNELS["lanczos6"]
# MS pixels around a strip that PAN needs to be reduced (2, bicubic) and brought back (6).
PAN_LOW_HALO = 2 + int(METRIC_KERNEL.radius) + 1
# Samples of one strip: 8 MB in float32.
STRIP_SAMPLES = 2**21


class Fused(Protocol):
    """A fused image on the output grid of a scene."""

    def read(self, window: Window, margin: int) -> tuple[Array, Valid | None]:
        """(C, h, w) of the window grown by `margin`, the image's edge pixels repeated; valid pixels of the window."""


@dataclass(frozen=True)
class FusedSource:
    """A fused image that is stored: its first pixel is the scene's first output pixel."""

    source: Source

    def read(self, window: Window, margin: int) -> tuple[Array, Valid | None]:
        """Read it, holes filled from their neighbours."""
        image, valid = read_filled(self.source.read, window.grown(margin), margin)
        if valid is None:
            return image, None
        inner = slice(margin, -margin or None)
        return image, np.asarray(valid[:, inner, inner].all(axis=0))


@dataclass(frozen=True)
class Sharpened:
    """A fused image that is computed strip by strip."""

    scene: JoinedScene
    sharpener: Sharpener
    fit: Any

    def read(self, window: Window, margin: int) -> tuple[Array, Valid | None]:
        """Sharpen the window and its margin, which the scene's edge cuts."""
        grown = window.grown(margin)
        spans = [
            slice(max(span.start, 0), min(span.stop, size))
            for span, size in zip((grown.rows, grown.cols), self.scene.pair.shape, strict=True)
        ]
        inside = Window(spans[0], spans[1])
        tile = self.scene.tile(inside, self.sharpener.halo, self.sharpener.reach)
        image = tile.core(self.sharpener.apply(tile, self.fit))
        rows, cols = (
            np.clip(np.arange(span.start, span.stop), have.start, have.stop - 1) - have.start
            for span, have in zip((grown.rows, grown.cols), spans, strict=True)
        )
        valid = tile.valid_core(any_band=True)
        return image[:, rows][:, :, cols], None if valid is None else valid[window.within(inside)]


@dataclass(frozen=True)
class _Strip:
    """What the metrics compare, of one strip: on the PAN grid, then on the MS grid."""

    images: dict[str, Array]
    valid: Valid | None
    ms_images: dict[str, Array]
    ms_valid: Valid | None


def measure(scene: JoinedScene, fused: Fused) -> Scores:
    """D_lambda, D_s, QNR, D_lambda_K in both forms and HQNR of a fused image on the scene's output grid.

    Sides that are not multiples of 32 are cut to the largest multiple, at the bottom and the right. Blocks with a
    missing pixel are left out. Memory is that of one strip per thread. InputError where fused is not finite or
    nothing can be measured.
    """
    height, width = (size // BLOCK * BLOCK for size in scene.pair.shape)
    if not height or not width:
        raise InputError(
            f"full resolution: expected at least {BLOCK}x{BLOCK} PAN pixels, found {scene.pair.shape}; "
            "the metrics compare blocks of that size"
        )
    sharp_scene = replace(scene, kernel=METRIC_KERNEL)
    rows = max(STRIP_SAMPLES // (scene.bands * width) // BLOCK, 1) * BLOCK
    fine, coarse = Gauge(_fine()), Gauge({"D_lambda_K_decimated": (streaming.q2n(), ("ms", "fused_low"))})
    missing = 0
    strips = ordered_map(
        lambda window: _strip(sharp_scene, fused, window), plan((height, width), (rows, width)), scene.pool, 2
    )
    for strip in strips:
        fine.update(strip.images, strip.valid)
        if strip.ms_images["ms"].size:
            coarse.update(strip.ms_images, strip.ms_valid)
        missing += 0 if strip.valid is None else int((~strip.valid).sum())
    if missing == height * width:
        raise InputError("expected pixels that PAN, MS and fused all have, found none; check nodata and the grids")
    values = _distortions(fine.results(), coarse.results())
    return complete(Scores(values, fine.omitted | coarse.omitted, height * width, missing))


def _fine() -> dict[str, tuple[Accumulator, tuple[str, ...]]]:
    return {
        "D_lambda": (streaming.d_lambda(), ("fused", "ms_up")),
        "D_s": (streaming.d_s(), ("fused", "ms_up", "pan", "pan_low")),
        "D_lambda_K": (streaming.q2n(), ("ms_up", "fused_mtf")),
    }


def _distortions(fine: dict[str, float], coarse: dict[str, float]) -> dict[str, float]:
    """Named distortions and the indices that they make; Q2n becomes its distance from 1."""
    found = {name: value for name, value in fine.items() if name != "D_lambda_K"}
    found |= {name: 1 - value for name, value in (fine | coarse).items() if name.startswith("D_lambda_K")}
    for index, spectral in (("QNR", "D_lambda"), ("HQNR", "D_lambda_K")):
        if spectral in found and "D_s" in found:
            found[index] = (1 - found[spectral]) * (1 - found["D_s"])
    order = ("D_lambda", "D_s", "QNR", "D_lambda_K", "D_lambda_K_decimated", "HQNR")
    return {name: found[name] for name in order if name in found}


def _strip(scene: JoinedScene, fused: Fused, window: Window) -> _Strip:
    pair, gains = scene.pair, scene.gains
    filters = [gaussian(gaussian_sigma(float(gain), pair.ratio)) for gain in gains]
    margin = ceil(max(kernel.radius for kernel in filters)) + ceil(pair.ratio)
    image, fused_valid = fused.read(window, margin)
    if len(image) != scene.bands:
        raise InputError(f"fused: expected the {scene.bands} bands of the MS, found {len(image)}; choose with --bands")
    grown, tile = window.grown(margin), scene.tile(window, PAN_LOW_HALO)
    same = AxisMap(0, 1), AxisMap(0, 1)
    span, own = (window.rows, window.cols), own_ms(window, pair)
    to_ms = pair.rows.inverse, pair.cols.inverse
    valid = _both(tile.valid_core(any_band=True), fused_valid)
    fused_mtf = [resample(band, grown.origin, span, same, k) for band, k in zip(image, filters, strict=True)]
    low = [resample(band, grown.origin, (own.rows, own.cols), to_ms, k) for band, k in zip(image, filters, strict=True)]
    return _Strip(
        {
            "fused": image[(..., *window.within(grown))],
            "ms_up": tile.core(tile.ms_up),
            "pan": tile.core(tile.pan),
            "pan_low": tile.core(_pan_low(tile)),
            "fused_mtf": np.stack(fused_mtf),
        },
        valid,
        {"ms": tile.ms[(..., *own.within(tile.ms_window))], "fused_low": np.stack(low)},
        _both(tile.valid_own_ms(), _on_ms(fused_valid, window, own, to_ms)),
    )


def _pan_low(tile: SceneTile) -> Array:
    """PAN reduced by the ratio with antialiased bicubic interpolation at the MS pixel centres, and brought back."""
    cubic, ratio = KERNELS["cubic"], tile.ratio
    wide = Kernel("cubic, widened", cubic.radius * ratio, lambda t: cubic.weight(t / ratio))
    window = tile.ms_window.rows, tile.ms_window.cols
    axes = tile.pair.rows.inverse, tile.pair.cols.inverse
    return tile.upsample(resample(tile.pan, tile.pan_window.origin, window, axes, wide))


def _on_ms(valid: Valid | None, window: Window, own: Window, axes: tuple[AxisMap, AxisMap]) -> Valid | None:
    """Whether fused has the PAN pixels in the middle of each MS pixel."""
    if valid is None:
        return None
    image = valid.astype(np.float32)
    return resample(image, window.origin, (own.rows, own.cols), axes, KERNELS["bilinear"]) > 0.999


def _both(one: Valid | None, other: Valid | None) -> Valid | None:
    return one if other is None else other if one is None else one & other


@dataclass(frozen=True)
class FullTrial:
    """A scene as it is: `score` sharpens it and measures the result without a reference."""

    scene: JoinedScene
    registration: Registration | None = None

    @classmethod
    def of(cls, scene: JoinedScene, mode: str = "off") -> "FullTrial":
        """Mode "auto" registers the MS to PAN, as `sharpen` would, for the methods and for the metrics."""
        registered, registration = register(scene, mode, "pan")
        return cls(registered, registration)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know: the registration."""
        return () if self.registration is None else tuple(self.registration.notes)

    def score(self, sharpener: Sharpener) -> Scores:
        """Sharpen and measure. InputError where the result is not finite or nothing can be measured."""
        return measure(self.scene, Sharpened(self.scene, sharpener, sharpener.fit(self.scene)))


@dataclass(frozen=True)
class ReferenceFullTrial:
    """The same with the conventions of the public toolboxes: whole images, float64, 23 taps, 41 x 41 kernels.

    ms_up: the interpolated MS that the metrics compare with, where it is given (C, H, W); else it is computed.
    Sides that are not multiples of 32 are cut to the largest multiple before anything else.
    """

    scene: ReferenceScene
    ms_up: Array | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, scene: ReferenceScene, ms_up: Array | None = None) -> "ReferenceFullTrial":
        """Cut a scene to whole blocks. InputError where none is left."""
        ratio, pan, ms = int(scene.ratio), scene.tile.pan, scene.tile.ms
        side = np.lcm(BLOCK, ratio)
        height, width = (int(size // side * side) for size in pan.shape)
        if not height or not width:
            raise InputError(f"full resolution: expected at least {side}x{side} PAN pixels, found {pan.shape}")
        if (height, width) == pan.shape:
            return cls(scene, ms_up)
        pan, ms = pan[:height, :width], ms[:, : height // ratio, : width // ratio]
        cropped = ReferenceScene(pan, ms, scene.gains, scene.pan_gain, scene.wavelengths)
        return cls(cropped, None if ms_up is None else ms_up[:, :height, :width])

    @cached_property
    def _fixed(self) -> dict[str, Array]:
        """The images that do not depend on the method."""
        tile, ratio = self.scene.tile, int(self.scene.ratio)
        ms_up = tile.ms_up if self.ms_up is None else self.ms_up
        pan_low = toolbox.interpolate23(toolbox.imresize(tile.pan, 1 / ratio), ratio)
        return {"ms_up": ms_up, "pan": tile.pan, "pan_low": pan_low}

    def score(self, sharpener: Sharpener) -> Scores:
        """Sharpen and measure. InputError where the result is not finite or nothing can be measured."""
        return self.measure(self.scene.sharpen(sharpener))

    def measure(self, fused: Array) -> Scores:
        """Measure a fused image on PAN's grid (C, H, W), cut as the scene is."""
        height, width = self.scene.tile.pan.shape
        if len(fused) != self.scene.bands:
            raise InputError(f"fused: expected the {self.scene.bands} bands of the MS, found {len(fused)}")
        fused = fused[:, :height, :width]
        fused_mtf = toolbox.mtf_filter(fused, self.scene.gains, self.scene.ratio)
        low = toolbox.decimate(fused_mtf, int(self.scene.ratio))
        fine = Gauge(_fine())
        coarse = Gauge({"D_lambda_K_decimated": (streaming.q2n(), ("ms", "fused_low"))})
        for window in _rows(height):
            images = self._fixed | {"fused": fused, "fused_mtf": fused_mtf}
            fine.update({name: image[..., window, :] for name, image in images.items()}, None)
        coarse.update({"ms": self.scene.tile.ms, "fused_low": low}, None)
        values = _distortions(fine.results(), coarse.results())
        return complete(Scores(values, fine.omitted | coarse.omitted, height * width))


def _rows(height: int) -> Iterator[slice]:
    return (slice(start, start + 2 * BLOCK) for start in range(0, height, 2 * BLOCK))
