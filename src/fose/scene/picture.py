"""Encode small pictures for screens, in memory, with GDAL's WebP driver: no imaging library is needed."""

import warnings

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from fose.errors import OutputError

MIME = "image/webp"
LARGEST = 16383  # pixels a side that WebP can hold


def encode(picture: NDArray[np.uint8], quality: int | None) -> bytes:
    """A WebP file of a picture (4, H, W): red, green, blue, alpha. quality: 1..100, or None for lossless.

    OutputError where GDAL cannot make one.
    """
    height, width = picture.shape[1:]
    options = {"LOSSLESS": "YES"} if quality is None else {"QUALITY": quality}
    try:
        with warnings.catch_warnings(), MemoryFile() as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open(driver="WEBP", width=width, height=height, count=4, dtype="uint8", **options) as file:
                file.write(picture)
            return bytes(memory.read())
    except (RasterioError, ValueError) as error:
        raise OutputError(f"cannot encode a {width}x{height} WebP picture: {error}; use a GDAL with WebP") from error
