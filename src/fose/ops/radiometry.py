"""From computed values to stored ones: the one function that rounds, clips and casts."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fose.errors import InputError


def _limits(dtype: np.dtype[Any], computed: np.dtype[Any]) -> tuple[float, float]:
    """The integer type's limits, drawn in to the nearest values that the floating type holds exactly."""
    info = np.iinfo(dtype)
    low, high = computed.type(info.min), computed.type(info.max)
    if int(low) < info.min:
        low = np.nextafter(low, computed.type(0))
    if int(high) > info.max:
        high = np.nextafter(high, computed.type(0))
    return float(low), float(high)


def store(
    image: NDArray[np.floating],
    dtype: DTypeLike,
    nodata: float | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Round half to even, clip to the type's range and cast; missing pixels become `nodata` (0 where None).

    image: floating, any shape; may be overwritten. A valid value that would be stored as `nodata` is stored as
    its neighbour instead, so that it stays valid. Floating types are cast only.
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        low, high = _limits(dtype, image.dtype)
        np.clip(image, low, high, out=image)  # the limits are whole numbers, so rounding after it changes nothing
        stored = np.empty(image.shape, dtype)
        np.rint(image, out=stored, casting="unsafe")
    else:
        stored = image.astype(dtype)
    if nodata is not None and not np.isnan(nodata):
        sentinel = check_nodata(nodata, dtype)
        stored[stored == sentinel] = _neighbour(sentinel, dtype)
    if missing is not None:
        stored[missing] = 0 if nodata is None else nodata
    return stored


def _neighbour(sentinel: Any, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return np.nextafter(sentinel, dtype.type(0) if sentinel else dtype.type(1))
    info = np.iinfo(dtype)
    return dtype.type(int(sentinel) + (1 if int(sentinel) < info.max else -1))


def check_nodata(nodata: float, dtype: np.dtype[Any]) -> Any:
    """`nodata` as a value of `dtype`; InputError where the type cannot hold it."""
    advice = "choose another value with --nodata or another type with --dtype"
    if dtype.kind == "f":
        if np.isfinite(nodata) and abs(nodata) > float(np.finfo(dtype).max):
            raise InputError(
                f"nodata: expected a value of at most {np.finfo(dtype).max:g} for {dtype}; found {nodata:g}; {advice}"
            )
        return dtype.type(nodata)
    info = np.iinfo(dtype)
    if not info.min <= nodata <= info.max or nodata != int(nodata):  # NaN fails the first comparison
        raise InputError(
            f"nodata: expected an integer in {info.min}..{info.max} for {dtype}; found {nodata:g}; {advice}"
        )
    return dtype.type(int(nodata))
