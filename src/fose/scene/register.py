"""Measure the shift left between PAN and MS on the scene, and correct it when it matters."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from fose.errors import InputError
from fose.ops.shift import LIMIT, UNKNOWN, Shift, agreement, combine, estimate_shift, significant
from fose.scene.grid import GridPair, Shape
from fose.scene.scene import JoinedScene
from fose.scene.tiles import SceneTile, Window, ordered_map

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
    if mode not in ("auto", "off"):
        raise InputError(f"--register: expected auto or off, found {mode!r}")
    if reference not in ("pan", "ms"):
        raise InputError(f"--reference: expected pan or ms, found {reference!r}")
    if mode == "off":
        return scene, Registration(mode, UNKNOWN, 0, 1.0, None)
    shift, windows, agreeing = measure(scene)
    if not significant(shift) or agreeing < LEAST_AGREEMENT:
        return scene, Registration(mode, shift, windows, agreeing, None)
    moved = "ms" if reference == "pan" else "pan"
    return scene.on(corrected(scene.pair, shift, reference)), Registration(mode, shift, windows, agreeing, moved)


def corrected(pair: GridPair, shift: Shift, reference: str) -> GridPair:
    """The pair after the shift (MS against PAN) has been taken out."""
    if reference == "pan":
        return pair.ms_moved(-shift.rows, -shift.cols)
    return pair.pan_moved(shift.rows, shift.cols)


def measure(scene: JoinedScene) -> tuple[Shift, int, float]:
    """The scene's shift from evenly spread windows, how many of them knew anything, and what share of those agree."""

    def one_window(window: Window) -> Shift:
        tile = scene.tile(window, halo=0)
        return estimate_shift(tile.pan, tile.ms_up, tile.ratio, _valid(tile))

    shifts = list(ordered_map(one_window, _windows(scene.pair.shape), scene.pool, scene.ahead))
    shift = combine(shifts)
    return shift, sum(window.known for window in shifts), agreement(shifts, shift)


def _valid(tile: SceneTile) -> Any:
    return tile.valid_core(any_band=True)


def _windows(shape: Shape) -> Iterator[Window]:
    for row in _starts(shape[0]):
        for col in _starts(shape[1]):
            yield Window.of(row, col, min(WINDOW, shape[0]), min(WINDOW, shape[1]))


def _starts(size: int) -> list[int]:
    room = max(size - WINDOW, 0)
    count = min(WINDOWS, ceil(size / WINDOW))
    return [round(room * index / max(count - 1, 1)) for index in range(count)]
