"""One scene to evaluate, and how it becomes something that methods are scored on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fose.classical.reference import ReferenceScene
from fose.data.pancollection import Sample, open_pancollection
from fose.errors import FoseError, GridError, InputError
from fose.evaluation.full import FullTrial, ReferenceFullTrial
from fose.evaluation.reduced import ReducedTrial, ReferenceReducedTrial
from fose.evaluation.scores import Scores
from fose.machine import cores
from fose.ops import reference as toolbox
from fose.scene.grid import check_same_grid
from fose.scene.reader import Raster
from fose.scene.scene import JoinedScene
from fose.scene.sharpen import Opened, Options, joined, open_pair, prepared
from fose.scene.tiles import Window
from fose.sharpener import Sharpener

PROTOCOLS = ("reduced", "full")
TOOLBOX_CUT = 21  # of the 2021 benchmark's scripts
PHASE_TOLERANCE = 0.01  # PAN pixels


class Trial(Protocol):
    """A scene that methods are scored on."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""

    def score(self, sharpener: Sharpener) -> Scores:
        """Sharpen and measure."""


@dataclass(frozen=True)
class Settings:
    """How to evaluate. cut None: none for scenes, 21 in the toolboxes' conventions. peak: for PSNR and SSIM."""

    protocols: Sequence[str] = PROTOCOLS
    conventions: str = "scene"
    cut: int | None = None
    peak: float | None = None
    options: Options = field(default_factory=Options)

    def border(self, conventions: str) -> int:
        """The border cut, pixels, MATLAB's way."""
        return self.cut if self.cut is not None else TOOLBOX_CUT if conventions == "reference" else 0

    def chosen(self, **makers: Callable[[], Trial]) -> dict[str, Callable[[], Trial]]:
        """Those of the protocols that are wanted."""
        return {protocol: make for protocol, make in makers.items() if protocol in self.protocols}


@dataclass(frozen=True)
class Opening:
    """A case that is open: how to make its trials, by protocol, and what the user should know."""

    trials: Mapping[str, Callable[[], Trial]]
    notes: tuple[str, ...] = ()


class Case(Protocol):
    """One scene to evaluate; cases of one group share a table."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def group(self) -> str:
        """The table it belongs to."""

    def open(self, settings: Settings) -> AbstractContextManager[Opening]:
        """Open it; raises a FoseError where it cannot be evaluated."""


@dataclass(frozen=True)
class SceneCase:
    """PAN and MS files, with the target on PAN's grid where the pair is already reduced."""

    name: str
    pan: str
    ms: tuple[str, ...]
    target: str | None = None
    sensor: str | None = None
    group: str = ""

    @contextmanager
    def open(self, settings: Settings) -> Iterator[Opening]:
        """Open, join and register."""
        options = replace(settings.options, sensor=self.sensor or settings.options.sensor)
        with prepared(options) as stack:
            opened = open_pair(self.pan, self.ms, options, stack)
            if settings.conventions == "reference":
                yield self._reference(opened, settings, stack)
            else:
                pool = stack.enter_context(ThreadPoolExecutor(options.threads or cores()))
                yield self._scene(joined(opened, options, pool, ahead=4), opened, settings, options, stack)

    def _scene(
        self, scene: JoinedScene, opened: Opened, settings: Settings, options: Options, stack: ExitStack
    ) -> Opening:
        border, peak, mode = settings.border("scene"), settings.peak, options.register
        if self.target:

            def given() -> Trial:
                image, valid = self._read_target(opened, options, stack)
                return ReducedTrial.given(scene, image, valid, mode, border, peak)

            return Opening(settings.chosen(reduced=given), opened.notes)
        step = round(scene.ratio)
        whole = abs(scene.ratio - step) <= 1e-3
        note = f"reduced resolution degrades the MS by {step}, the whole ratio nearest to {scene.ratio:g}"
        trials = settings.chosen(
            reduced=lambda: ReducedTrial.wald(scene, mode, border, peak), full=lambda: FullTrial.of(scene, mode)
        )
        return Opening(trials, opened.notes if whole else (*opened.notes, note))

    def _reference(self, opened: Opened, settings: Settings, stack: ExitStack) -> Opening:
        pan, ms, notes = whole_images(opened)
        scene = ReferenceScene.of(pan, ms, opened.bands)
        border, peak = settings.border("reference"), settings.peak
        if self.target:

            def given() -> Trial:
                image, valid = self._read_target(opened, settings.options, stack)
                if valid is not None:
                    raise InputError("reference conventions: expected a target without missing pixels; use scene ones")
                return ReferenceReducedTrial(scene, image, border, peak)

            trials = settings.chosen(reduced=given)
        else:
            trials = settings.chosen(
                reduced=lambda: ReferenceReducedTrial.wald(scene, border, peak),
                full=lambda: ReferenceFullTrial.of(scene),
            )
        return Opening(trials, (*opened.notes, *notes))

    def _read_target(self, opened: Opened, options: Options, stack: ExitStack) -> tuple[Any, Any]:
        """The target (C, H, W) on the pair's output grid and its valid pixels (None: all)."""
        raster = stack.enter_context(Raster([str(self.target)], options.bands, options.nodata))
        check_same_grid(("PAN", "target"), opened.pan.info.grid, raster.info.grid)
        row, col = opened.pair.pan_origin
        height, width = opened.pair.shape
        image, valid = raster.read(Window.of(-row, -col, height, width))
        return image, None if valid is None else np.asarray(valid.all(axis=0))


@dataclass(frozen=True)
class BrokenCase:
    """A scene that could not even be listed: opening it raises the reason."""

    name: str
    error: FoseError
    group: str = ""

    def open(self, settings: Settings) -> AbstractContextManager[Opening]:
        """Raise the reason."""
        raise self.error


@dataclass(frozen=True)
class PanCollectionCase:
    """One image of a PanCollection file, always in the toolboxes' conventions."""

    file: str
    index: int
    sensor: str | None = None

    @property
    def name(self) -> str:
        """File and image number, counted from 1."""
        return f"{self.group} image {self.index + 1}"

    @property
    def group(self) -> str:
        """Each file has its own table."""
        return Path(self.file).stem

    @contextmanager
    def open(self, settings: Settings) -> Iterator[Opening]:
        """Read the image; with gt it has the reduced protocol, without the full one."""
        with open_pancollection(self.file) as images:
            sample = images[self.index]
            guess = images.sensor(self.sensor or settings.options.sensor)
        scene = ReferenceScene.of(sample.pan, sample.ms, guess)
        notes = [f"sensor {guess.sensor.name} ({guess.reason})"]
        notes += _lms_note(sample, int(scene.ratio))
        gt = sample.gt
        if gt is None:
            trials = settings.chosen(full=lambda: ReferenceFullTrial.of(scene, sample.lms))
        else:
            peak = settings.peak
            if peak is None and guess.sensor.bits:
                peak = 2.0**guess.sensor.bits - 1
            border = settings.border("reference")
            trials = settings.chosen(reduced=lambda: ReferenceReducedTrial(scene, gt, border, peak))
        yield Opening(trials, tuple(notes))


def _lms_note(sample: Sample, ratio: int) -> list[str]:
    """Say where the file's interpolated MS is not the toolboxes' interpolation."""
    difference = float(np.abs(toolbox.interpolate23(sample.ms, ratio) - sample.lms).max())
    return [f"lms differs from the 23-tap interpolation of ms by up to {difference:.1f} DN"] if difference > 1 else []


def whole_images(opened: Opened) -> tuple[Any, Any, list[str]]:
    """PAN (H, W) and MS (C, h, w) of a pair as the toolboxes take them, and a note where they assume another phase.

    InputError where pixels are missing or MS does not lie under PAN pixel for pixel.
    """
    pair = opened.pair
    if pair.pan_origin != (0, 0) or pair.shape != opened.pan.shape:
        raise GridError(
            "reference conventions: expected an MS that covers all of PAN; crop PAN or use scene conventions"
        )
    pan, pan_valid = opened.pan.read(Window.of(0, 0, *opened.pan.shape))
    ms, ms_valid = opened.ms.read(Window.of(0, 0, *opened.ms.shape))
    for name, valid in (("PAN", pan_valid), ("MS", ms_valid)):
        if valid is not None and not valid.all():
            raise InputError(f"reference conventions: expected no missing pixels, found some in {name}; use scene ones")
    off = [abs(phase - 0.5) for phase in pair.phase]
    note = f"reference conventions take MS to lie 0.5, 0.5 PAN pixels into PAN; by the grids it lies {pair.phase}"
    return pan[0], ms, [note] if max(off) > PHASE_TOLERANCE else []
