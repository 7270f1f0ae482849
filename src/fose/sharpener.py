"""The one protocol that every sharpening method follows, classical or neural.

``fit`` sees the whole scene once, as a stream of tiles, and keeps statistics; ``apply`` sees one tile and is a
pure function of it and of the fit. What depends on the scene is fixed in ``fit``, what depends on the
neighbourhood is bounded by ``halo``: that is why a pixel's value does not depend on the tile it was computed in.

Axes: PAN grid ``(H, W)``, MS grid ``(h, w)``, bands first ``(C, H, W)``. Values are digital numbers (DN).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
T = TypeVar("T")


class Tile(Protocol):
    """One window of a scene, on both grids, with the linear operators that join them.

    The window is the tile's own pixels (its core) grown by the halo. All arrays are floating point, of one
    dtype, free of NaN: missing pixels are filled from their neighbours and are excluded by `samples`.
    Operators map whole windows to whole windows; within the halo of the window's edge their results are
    only approximate, and the caller drops them with `core`.
    """

    @property
    def pan(self) -> Array:
        """(H, W) panchromatic window, DN."""

    @property
    def ms(self) -> Array:
        """(C, h, w) multispectral window on its own grid, wide enough to upsample to the PAN window, DN."""

    @property
    def ms_up(self) -> Array:
        """(C, H, W) multispectral window resampled on the PAN grid, ``upsample(ms)``, computed once."""

    @property
    def ratio(self) -> float:
        """PAN pixels per MS pixel."""

    @property
    def origin(self) -> tuple[int, int]:
        """Absolute row and column of the window's first PAN pixel; negative above or left of the scene."""

    def upsample(self, image: Array, margin: int = 0) -> Array:
        """Interpolate (..., h, w) on the PAN grid: (..., H, W) less `margin` PAN pixels on each side.

        Linear; reproduces constants.
        """

    def degrade(self, image: Array, gains: Sequence[float] | Array) -> Array:
        """Low-pass an (H, W) PAN-grid image with each Gaussian MTF (gain at MS Nyquist), sample at MS centres.

        Returns (len(gains), h, w). Equal gains are computed once.
        """

    def blur_ms(self, image: Array, gains: Sequence[float] | Array) -> Array:
        """Low-pass (C, h, w) on the MS grid, band k with the Gaussian MTF of gains[k] at 1/(2 ratio) cycles/pixel."""

    def core(self, image: Array) -> Array:
        """Crop an image of this window, (..., H, W) or less a margin, to the tile's own PAN pixels (a view)."""

    def samples(self, *images: Array) -> Array:
        """The tile's own valid PAN pixels of (H, W) or (C, H, W) images, stacked: (channels, n)."""

    def ms_samples(self, *images: Array) -> Array:
        """The tile's own valid MS pixels of (h, w) or (C, h, w) images, stacked: (channels, n)."""


class Scene(Protocol):
    """A PAN and MS pair of any size, seen as a stream of tiles."""

    @property
    def bands(self) -> int:
        """Number of MS bands, C."""

    @property
    def ratio(self) -> float:
        """PAN pixels per MS pixel."""

    @property
    def gains(self) -> Array:
        """(C,) MTF gain of each MS band at its Nyquist frequency, in (0, 1)."""

    @property
    def pan_gain(self) -> float:
        """MTF gain of PAN at the MS Nyquist-equivalent used when PAN itself is degraded by the ratio."""

    @property
    def wavelengths(self) -> tuple[float | None, ...]:
        """Centre wavelength of each band in nanometres, None where unknown."""

    def map(self, function: Callable[[Tile], T], halo: int = 0, sample: bool = False) -> Iterator[T]:
        """Apply a function to every tile, several at a time, yielding results in tile order.

        sample: a part of each tile is enough where the scene is large, for statistics that need not be exact.

        The tiling is fixed by the scene alone (not by memory or threads), so a sum over tiles is reproducible.
        `halo` is in MS pixels.
        """


class Sharpener(Protocol):
    """A pansharpening method."""

    @property
    def name(self) -> str:
        """The word that selects it on the command line."""

    @property
    def halo(self) -> int:
        """MS pixels of context that `apply` needs on each side of a tile, beyond what resampling needs."""

    @property
    def reach(self) -> int:
        """PAN pixels of context beyond the halo, for what works on the PAN grid: a network's receptive field."""

    @property
    def working(self) -> float:
        """float32 values per PAN pixel and band that `apply` holds at its peak: what tiles are sized by."""

    def fit(self, scene: Scene) -> Any:
        """Measure the scene; returns plain statistics that `apply` needs (a frozen dataclass)."""

    def apply(self, tile: Tile, fit: Any) -> Array:
        """Sharpen one window: (C, H, W) or less a margin, dtype of ``tile.pan``. Pure; keeps no state."""


def stack(images: Sequence[Array]) -> Array:
    """Stack (H, W) and (C, H, W) images of one grid along the band axis."""
    return np.concatenate([image if image.ndim == 3 else image[None] for image in images])
