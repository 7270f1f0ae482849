"""The engine under every metric that adds up: additive sums over strips of rows, and the value of the total.

A metric is a `Recipe`. `whole` measures an image that is in memory, `Accumulator` one that arrives as strips;
both run the same code, so they agree to rounding, and neither holds more than a strip in float64.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.metrics.checks import Array, Mask, check_images, check_side

Sums = NDArray[np.float64]

ROWS = 64  # rows of one strip inside `whole`: eight 1024-pixel-wide bands stay within a processor's cache


@dataclass(frozen=True)
class Strip:
    """Consecutive full-width rows of several images, missing pixels set to zero."""

    images: tuple[NDArray[np.float64], ...]  # each (C, h, W)
    valid: Mask  # (h, W)

    @property
    def height(self) -> int:
        """Rows in this strip."""
        return len(self.valid)

    def rows(self, start: int, stop: int | None = None) -> "Strip":
        """Rows from start to stop, as views."""
        return Strip(tuple(image[:, start:stop] for image in self.images), self.valid[start:stop])

    def copy(self) -> "Strip":
        """The same rows in memory of their own, so that a few kept rows do not keep their whole strip alive."""
        return Strip(tuple(image.copy() for image in self.images), self.valid.copy())

    def above(self, other: "Strip") -> "Strip":
        """These rows with the other's below them."""
        pairs = zip(self.images, other.images, strict=True)
        return Strip(
            tuple(np.concatenate(pair, axis=1) for pair in pairs),
            np.concatenate((self.valid, other.valid)),
        )


def _unchanged(strip: Strip) -> Strip:
    return strip


@dataclass(frozen=True)
class Recipe:
    """How a metric adds up over the rows of an image."""

    names: tuple[str, ...]  # the images that `update` takes, in order
    sums: Callable[[Strip], Sums]  # additive sums over all windows of a strip
    value: Callable[[Sums], float]  # the metric of the summed sums
    window: int = 1  # rows that one window spans
    step: int = 1  # rows from one window to the next
    hold: int = 0  # rows kept back for `bottom`
    top: Callable[[Strip], Strip] = _unchanged  # what happens at the image's first rows
    bottom: Callable[[Strip], Strip] = _unchanged  # and at its last rows
    smallest: int = 1  # pixels that each side has at least
    multiple: int = 1  # pixels that each side is a multiple of

    def windows(self, height: int) -> int:
        """Complete windows in `height` rows."""
        return max((height - self.window) // self.step + 1, 0)


class Accumulator:
    """Measures images that arrive as full-width strips of rows, from top to bottom, each of any height.

    It keeps the few rows that its windows share between strips, so memory does not depend on the scene's height,
    and the value equals that of the whole image to rounding.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._kept: Strip | None = None
        self._sums: Sums = np.zeros(())
        self._height = 0

    def update(self, *images: Array, valid: Array | None = None) -> None:
        """Take the next strip of each image, (C, h, W) or (h, W) for PAN, and (h, W) flags of the pixels that count.

        Raises InputError for a wrong number of images, shapes or bands that differ from one another or from the
        strips before, and pixels that are NaN or infinite although they count.
        """
        if len(images) != len(self._recipe.names):
            expected = ", ".join(self._recipe.names)
            raise InputError(f"expected a strip of each of {expected}, found {len(images)}; pass them in this order")
        named = dict(zip(self._recipe.names, images, strict=True))
        check_images(named, valid)
        strip = _prepare(images, valid)
        self._check_continuation(strip)
        self._height += strip.height
        pool = self._recipe.top(strip) if self._kept is None else self._kept.above(strip)
        ready = self._recipe.windows(pool.height - self._recipe.hold)
        self._sums = self._plus(pool, ready)
        self._kept = pool.rows(ready * self._recipe.step).copy()

    def result(self) -> float:
        """The metric of all rows so far; more may follow. Raises InputError where it has no value."""
        if self._kept is None:
            raise InputError("expected at least one strip, found none; call update before result")
        check_side("height", self._height, self._recipe.smallest, self._recipe.multiple)
        rest = self._recipe.bottom(self._kept)
        return self._recipe.value(self._plus(rest, self._recipe.windows(rest.height)))

    def _plus(self, pool: Strip, windows: int) -> Sums:
        """The sums so far plus those of the first `windows` windows of the pool."""
        if windows == 0:
            return self._sums
        span = (windows - 1) * self._recipe.step + self._recipe.window
        return self._sums + self._recipe.sums(pool.rows(0, span))

    def _check_continuation(self, strip: Strip) -> None:
        check_side("width", strip.valid.shape[1], self._recipe.smallest, self._recipe.multiple)
        if self._kept is None:
            return
        found = [(image.shape[0], image.shape[2]) for image in strip.images]
        expected = [(image.shape[0], image.shape[2]) for image in self._kept.images]
        if found != expected:
            raise InputError(
                f"expected strips of (bands, width) {expected} like the strips before, found {found}; "
                "pass full-width strips of one scene"
            )


def _prepare(images: tuple[Array, ...], valid: Array | None) -> Strip:
    """Bands-first float64 copies or views, missing pixels zero."""
    flags = np.ones(images[0].shape[-2:], dtype=np.bool_) if valid is None else valid
    planes = tuple(np.asarray(image if image.ndim == 3 else image[None], dtype=np.float64) for image in images)
    if not flags.all():
        planes = tuple(np.where(flags, plane, 0.0) for plane in planes)
    return Strip(planes, flags)


def whole(recipe: Recipe, images: Mapping[str, Array], valid: Array | None = None) -> float:
    """The metric of images in memory: check them, then add up their strips."""
    check_images(images, valid)
    height, width = next(iter(images.values())).shape[-2:]
    check_side("height", height, recipe.smallest, recipe.multiple)
    check_side("width", width, recipe.smallest, recipe.multiple)
    accumulator = Accumulator(recipe)
    for start in range(0, height, ROWS):
        rows = slice(start, start + ROWS)
        strips = (image[..., rows, :] for image in images.values())
        accumulator.update(*strips, valid=None if valid is None else valid[rows])
    return accumulator.result()


def mean_of(sums: Sums) -> Sums:
    """Means from sums whose last element is their count; InputError when the count is zero."""
    if sums[-1] == 0:
        raise InputError(
            "expected at least one window of valid pixels, found none; give a larger image or fewer missing pixels"
        )
    means: Sums = sums[:-1] / sums[-1]
    return means
