"""Sharpening of xarray DataArrays, lazily on any Dask scheduler; needs ``pip install 'fose[dask]'``.

`sharpen` is the function, `.fose` the accessor that importing this module adds to DataArrays. docs/xarray.md has
examples.
"""

try:
    from fose.xr.accessor import FoseAccessor, sharpen
except ModuleNotFoundError as error:
    raise ImportError(f"fose.xr needs xarray, rioxarray and dask: pip install 'fose[dask]' ({error})") from error

__all__ = ["FoseAccessor", "sharpen"]
