"""What a metric demands of its images, apart from the computing. Every failure is an InputError.

Images are bands first, (C, H, W); those named ``pan...`` have one band and no band axis, (H, W).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def check_images(images: Mapping[str, Array], valid: Array | None = None) -> None:
    """Refuse images that are not numbers on one grid, band counts that differ, and NaN or infinity.

    `valid` (H, W) marks the pixels that count; outside it NaN and infinity are allowed.
    """
    for name, image in images.items():
        _check_array(name, image)
    (first, leader), *others = images.items()
    for name, image in others:
        _check_agreement(first, leader, name, image)
    if valid is not None and (valid.dtype != np.bool_ or valid.shape != leader.shape[-2:]):
        raise InputError(
            f"valid: expected booleans of shape {leader.shape[-2:]}, found {valid.dtype} of shape {valid.shape}; "
            "pass one flag for each pixel, True where it counts"
        )
    for name, image in images.items():
        finite = np.isfinite(image)
        if not (finite.all() if valid is None else finite[..., valid].all()):
            raise InputError(
                f"{name}: expected finite pixels, found NaN or infinity; mark missing pixels False in `valid` "
                "or fill them before measuring"
            )


def _check_array(name: str, image: Array) -> None:
    axes = "(H, W)" if name.startswith("pan") else "(C, H, W)"
    if image.ndim != axes.count(",") + 1 or 0 in image.shape:
        raise InputError(
            f"{name}: expected a non-empty {axes} array, found shape {image.shape}; "
            "put bands first, and give PAN images no band axis"
        )
    if image.dtype.kind not in "iuf":
        raise InputError(f"{name}: expected integers or floats, found {image.dtype}; convert it first")


def _check_agreement(first: str, leader: Array, name: str, image: Array) -> None:
    grid = leader.shape[-2:]
    if image.shape[-2:] != grid:
        raise InputError(
            f"{name}: expected the {grid[0]} x {grid[1]} pixels of {first}, found {image.shape[-2]} x "
            f"{image.shape[-1]}; crop or resample to one grid"
        )
    if image.ndim == leader.ndim == 3 and image.shape[0] != leader.shape[0]:
        raise InputError(
            f"{name}: expected the {leader.shape[0]} bands of {first}, found {image.shape[0]}; select the same bands"
        )


def check_side(what: str, length: int, smallest: int, multiple: int = 1) -> None:
    """Refuse a side, in pixels, that is shorter than `smallest` or is not a multiple of `multiple`."""
    if length < smallest:
        raise InputError(
            f"image {what}: expected at least {smallest} pixels, found {length}; this metric needs a larger image"
        )
    if length % multiple:
        raise InputError(
            f"image {what}: expected a multiple of {multiple} pixels, found {length}; "
            f"crop it to {length - length % multiple}"
        )


def check_positive(name: str, value: float) -> None:
    """Refuse a parameter that is not a finite number above zero."""
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name}: expected a finite number above 0, found {value}; pass the value of your data")
