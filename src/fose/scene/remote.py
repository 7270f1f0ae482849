"""Outputs in object stores: made in a temporary folder, then sent whole by GDAL."""

import ctypes
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import rasterio
import rasterio._env
import rasterio.shutil
from rasterio.env import env_ctx_if_needed
from rasterio.errors import RasterioError

from fose.errors import InputError, OutputError
from fose.scene.writer import FULL_DISK, WRITE_ERRORS

# Schemes that rasterio knows and GDAL can write to.
STORES = {"s3://": "/vsis3/", "gs://": "/vsigs/", "az://": "/vsiaz/"}
WRITABLE = (*STORES.values(), "/vsiadls/", "/vsioss/", "/vsiswift/", "/vsimem/")
_PLACES = f"one of {', '.join((*STORES, *WRITABLE))}"
# What GDAL says of a place where nothing lies; of a missing bucket or credentials it says something else.
ABSENT = ("does not exist in the file system", "No such file", "The specified key does not exist")


def is_remote(path: str | Path) -> bool:
    """Whether it is a URL or one of GDAL's virtual paths, not a local file's."""
    return "://" in str(path) or str(path).startswith("/vsi")


@contextmanager
def uploaded(out: str, overwrite: bool, inputs: Sequence[str | Path]) -> Iterator[Path]:
    """A context with a local path, whose file is sent to `out` at the end and then removed.

    OutputError or InputError, before anything is computed, where `out` exists, is an input or cannot be reached; and
    where it cannot be sent: the finished file is then kept, and the message says where.
    """
    _check_target(out, overwrite, inputs)
    folder = Path(tempfile.mkdtemp(prefix="fose-"))
    local, finished = folder / out.rpartition("/")[2], False
    try:
        yield local
        finished = True
        _send(local, out)
        finished = False
    except OutputError as error:
        if not finished and shutil.disk_usage(folder).free < FULL_DISK:
            raise OutputError(
                f"no room for {out} in the temporary folder {folder.parent}; set TMPDIR to a folder on a larger disk"
            ) from error
        raise
    finally:
        if not finished:
            shutil.rmtree(folder, ignore_errors=True)


def check_folder(out: str) -> None:
    """InputError where results and small files cannot be kept under that URL."""
    if not _virtual(out).startswith(WRITABLE):
        raise InputError(f"expected a local output folder or one under {_PLACES}; found {out}")
    if sys.platform == "win32":
        raise InputError(f"expected a local output folder on Windows, found {out}; send its files there afterwards")


def read_text(path: str) -> str:
    """The text of a small file; OutputError where it cannot be fetched, UnicodeError where it is none in UTF-8."""
    with tempfile.TemporaryDirectory(prefix="fose-") as folder:
        local = Path(folder) / "text"
        _copy(_virtual(path), str(local), f"cannot read {path}")
        return local.read_text(encoding="utf-8")


def write_text(path: str, text: str) -> None:
    """Send a small file, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="fose-") as folder:
        local = Path(folder) / "text"
        local.write_text(text, encoding="utf-8")
        _copy(str(local), _virtual(path), f"cannot send to {path}")


def _check_target(out: str, overwrite: bool, inputs: Sequence[str | Path]) -> None:
    if not _virtual(out).startswith(WRITABLE) or out.endswith("/"):
        raise InputError(f"expected a local output or a file under {_PLACES}; found {out}")
    if any(_virtual(str(given)) == _virtual(out) for given in inputs):
        raise OutputError(f"output {out} is one of the inputs, which are never replaced; name another output")
    if exists(out) and not overwrite:
        raise OutputError(f"output {out} exists; add --overwrite to replace it")


def _virtual(path: str) -> str:
    """GDAL's name of a URL."""
    for scheme, prefix in STORES.items():
        if path.startswith(scheme):
            return prefix + path.removeprefix(scheme)
    return path


def exists(out: str) -> bool:
    """Whether something lies there; OutputError where that cannot be known: no credentials, no such bucket."""
    if sys.platform != "win32":  # GDAL remembers folders, in which other processes may have written since
        _gdal().VSICurlPartialClearCache(_virtual(out).rpartition("/")[0].encode())
    try:
        rasterio.open(out, driver="GTiff").close()  # other drivers open what an item speaks of
    except RasterioError as error:
        if any(text in str(error) for text in ABSENT):
            return False
        if "not recognized as being in a supported" in str(error):
            return True
        raise OutputError(f"cannot reach {out}: {_line(error)}; check the address and the credentials") from error
    return True


def _send(local: Path, out: str) -> None:
    try:
        rasterio.shutil.copyfiles(str(local), out)
    except WRITE_ERRORS as error:
        raise OutputError(f"cannot send to {out}: {_line(error)}; the finished file is kept as {local}") from error


def _copy(source: str, target: str, failure: str) -> None:
    """Copy any file (rasterio itself: images only), either by GDAL's name; OutputError that begins with `failure`."""
    with env_ctx_if_needed():  # in which GDAL does not print its errors
        if _gdal().CPLCopyFile(target.encode(), source.encode()):
            raise OutputError(f"{failure}: {_gdal().CPLGetLastErrorMsg().decode(errors='replace')}")


@cache
def _gdal() -> ctypes.CDLL:
    """rasterio's GDAL: functions are found by way of the module that is linked to it, other than on Windows."""
    gdal = ctypes.CDLL(rasterio._env.__file__)
    gdal.CPLGetLastErrorMsg.restype = ctypes.c_char_p
    return gdal


def _line(error: BaseException) -> str:
    return (str(error.__cause__ or error).strip().splitlines() or [type(error).__name__])[0]
