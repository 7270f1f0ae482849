"""Measure the shift left between PAN and MS on the scene, and correct it when it matters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from fose.errors import InputError
from fose.ops.shift import LIMIT, UNKNOWN, Shift, agreement, combine, estimate_shift, significant
from fose.scene.grid import GridPair, Shape
from fose.scene.scene import JoinedScene
from fose.scene.tiles import Window, ordered_map

WINDOW = 512  # PAN pixels a side: small enough for a local shift, large enough for low frequencies
# Correct only where three windows in four agree. Landsat's clouds, seen by PAN and MS from other angles, fail this.
LEAST_AGREEMENT = 0.75
WINDOWS = 5  # at most this many windows on each axis, spread evenly


@dataclass(frozen=True)
class Registration:
    """What was measured and done. `shift`: MS against PAN, PAN pixels; `moved`: "ms", "pan" or None.

    windows: how many windows knew anything; agreement: the share of them that agrees with the shift.
    """

    mode: str
    shift: Shift
    windows: int
    agreement: float
    moved: str | None

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.mode == "off":
            return "off"
        if not self.shift.known:
            return "shift unknown (no window shows PAN and MS alike); not corrected"
        found = (
            f"MS lies {self.shift.rows:+.2f}±{self.shift.rows_se:.2f} rows, "
            f"{self.shift.cols:+.2f}±{self.shift.cols_se:.2f} columns (PAN pixels) from PAN"
        )
        if self.moved:
            return f"{found}; {self.moved.upper()} moved"
        if max(abs(self.shift.rows), abs(self.shift.cols)) > LIMIT:
            return f"{found}; too far to correct unseen, check the georeference"
        if self.agreement < LEAST_AGREEMENT:
            return f"{found}, but windows disagree (clouds? relief?); not corrected"
        return f"{found}; not corrected"

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        return [] if self.mode == "off" else [self.summary]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; unknown numbers are None."""
        shift = self.shift if self.shift.known else None
        return {
            "mode": self.mode,
            "rows": shift and shift.rows,
            "cols": shift and shift.cols,
            "rows_se": shift and shift.rows_se,
            "cols_se": shift and shift.cols_se,
            "windows": self.windows,
            "agreement": self.agreement,
            "moved": self.moved,
        }


def register(scene: JoinedScene, mode: str, reference: str) -> tuple[JoinedScene, Registration]:
    """Measure the shift (mode "auto") and return the scene with it corrected, or as it is where it does not matter.

    reference: "pan" moves the MS onto PAN's geometry, "ms" moves PAN onto the MS's.
    """
    check_choice(mode, reference)
    shifts = [] if mode == "off" else _shifts(scene)
    pair, registration = decide(scene.pair, shifts, mode, reference)
    return scene if pair is scene.pair else scene.on(pair), registration


def check_choice(mode: str, reference: str) -> None:
    """InputError where there is no such mode or reference."""
    if mode not in ("auto", "off"):
        raise InputError(f"--register: expected auto or off, found {mode!r}")
    if reference not in ("pan", "ms"):
        raise InputError(f"--reference: expected pan or ms, found {reference!r}")


def decide(pair: GridPair, shifts: Sequence[Shift], mode: str, reference: str) -> tuple[GridPair, Registration]:
    """The pair with the shift that its windows agree on taken out, or as it is where that does not matter."""
    if mode == "off":
        return pair, Registration(mode, UNKNOWN, 0, 1.0, None)
    shift, known, agreeing = _summary(shifts)
    if not significant(shift) or agreeing < LEAST_AGREEMENT:
        return pair, Registration(mode, shift, known, agreeing, None)
    moved = "ms" if reference == "pan" else "pan"
    return corrected(pair, shift, reference), Registration(mode, shift, known, agreeing, moved)


def corrected(pair: GridPair, shift: Shift, reference: str) -> GridPair:
    """The pair after the shift (MS against PAN) has been taken out."""
    if reference == "pan":
        return pair.ms_moved(-shift.rows, -shift.cols)
    return pair.pan_moved(shift.rows, shift.cols)


def measure(scene: JoinedScene) -> tuple[Shift, int, float]:
    """The scene's shift from evenly spread windows, how many of them knew anything, and what share of those agree."""
    return _summary(_shifts(scene))


def _summary(shifts: Sequence[Shift]) -> tuple[Shift, int, float]:
    shift = combine(shifts)
    return shift, sum(window.known for window in shifts), agreement(shifts, shift)


def _shifts(scene: JoinedScene) -> list[Shift]:
    return list(ordered_map(lambda place: shift_at(scene, place), windows(scene.pair.shape), scene.pool, scene.ahead))


def shift_at(scene: JoinedScene, window: Window) -> Shift:
    """The shift of MS against PAN that one window shows."""
    tile = scene.tile(window, halo=0)
    return estimate_shift(tile.pan, tile.ms_up, tile.ratio, tile.valid_core(any_band=True))


def windows(shape: Shape) -> Iterator[Window]:
    """The windows of a scene of that shape that shifts are measured in, at most 5 x 5."""
    for row in _starts(shape[0]):
        for col in _starts(shape[1]):
            yield Window.of(row, col, min(WINDOW, shape[0]), min(WINDOW, shape[1]))


def _starts(size: int) -> list[int]:
    room = max(size - WINDOW, 0)
    count = min(WINDOWS, ceil(size / WINDOW))
    return [round(room * index / max(count - 1, 1)) for index in range(count)]
