"""Write the result beside its target and move it there when it is whole: the target is complete or untouched."""

import contextlib
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Interleaving
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from fose.errors import InputError, OutputError
from fose.ops.radiometry import check_nodata
from fose.scene.grid import Grid
from fose.scene.reader import BandInfo, RasterInfo, held
from fose.scene.tiles import Window

BLOCK = 512
FULL_DISK = 2**20  # bytes free, below which a failure to write is blamed on the disk
DRIVERS = ("GTiff", "COG")
# Errors that rasterio raises from writing: its own, GDAL's, and the operating system's.
WRITE_ERRORS = (RasterioError, rasterio._err.CPLE_BaseError, OSError)


@dataclass(frozen=True)
class Missing:
    """How the output says that a pixel is missing: "nodata", "alpha", "mask", or None where it cannot be."""

    form: str | None
    nodata: float | None = None


@dataclass(frozen=True)
class OutputSpec:
    """Everything about the output but its pixels."""

    path: Path
    driver: str
    options: Mapping[str, str]
    dtype: np.dtype[Any]
    grid: Grid
    bands: Sequence[BandInfo]
    tags: Mapping[str, str]
    domains: Mapping[str, Mapping[str, str]]
    missing: Missing
    overwrite: bool = False
    threads: int = 1


def choose_missing(
    ms: RasterInfo, pan: RasterInfo, dtype: np.dtype[Any], nodata: float | None, may_miss: bool
) -> Missing:
    """The output's way to mark missing pixels: as asked, else as the MS does, else as PAN does.

    A value that a file declares but the output's type cannot hold becomes a mask; one that is asked for is refused.
    may_miss: pixels may be missing although no input declares any (an extent that reaches beyond an input).
    """
    if nodata is not None:
        check_nodata(nodata, dtype)
        return Missing("nodata", nodata)
    if ms.nodata is not None:
        return Missing("nodata", ms.nodata) if held(ms.nodata, dtype) is not None else Missing("mask")
    if ms.has_alpha and dtype.kind in "iu":
        return Missing("alpha")
    if ms.has_mask or ms.has_alpha:
        return Missing("mask")
    if pan.nodata is not None and held(pan.nodata, dtype) is not None:
        return Missing("nodata", pan.nodata)
    if dtype.kind == "f":
        return Missing(None, float("nan"))
    return Missing("mask" if may_miss or pan.nodata is not None or pan.has_alpha or pan.has_mask else None)


def creation_options(spec: OutputSpec) -> dict[str, str]:
    """GTiff creation options: fose's defaults under the user's."""
    defaults = {
        "TILED": "YES",
        "BLOCKXSIZE": str(min(BLOCK, _ceil16(spec.grid.shape[1]))),
        "BLOCKYSIZE": str(min(BLOCK, _ceil16(spec.grid.shape[0]))),
        "BIGTIFF": "IF_SAFER",
        "COMPRESS": "ZSTD",
        "ZSTD_LEVEL": "1",
        "PREDICTOR": "3" if spec.dtype.kind == "f" else "2",
        "NUM_THREADS": str(spec.threads),
    }
    given = {key.upper(): value for key, value in spec.options.items()}
    if given.get("COMPRESS", "ZSTD").upper() != "ZSTD":
        del defaults["ZSTD_LEVEL"], defaults["PREDICTOR"]
    if given.get("TILED", "YES").upper() not in ("YES", "TRUE", "ON", "1"):
        del defaults["BLOCKXSIZE"], defaults["BLOCKYSIZE"]
    return defaults | given


def _mask_profile(grid: Grid) -> dict[str, Any]:
    """A small file of one bit per pixel, in blocks."""
    height, width = grid.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "uint8"}
    blocks = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "nbits": 1}
    return profile | blocks | {"transform": grid.transform}


def _ceil16(size: int) -> int:
    return (size + 15) // 16 * 16


def try_output(spec: OutputSpec) -> None:
    """OutputError where GDAL refuses the output or its options, without writing it: to know before computing."""
    output = OutputFile(spec)
    output.__enter__()
    output._abandon()


def check_target(path: Path, driver: str, overwrite: bool, inputs: Sequence[str | Path] = ()) -> None:
    """Refuse early what cannot be written: OutputError or InputError with what to do.

    inputs: what the output is made from, which it never replaces: `fose sharpen PAN B4 B3 B2 --overwrite`, OUT
    forgotten, would destroy B2.
    """
    if driver not in DRIVERS:
        raise InputError(f"--of: expected one of {', '.join(DRIVERS)}; found {driver!r}")
    if path.is_dir():
        raise OutputError(f"expected an output file name, found the directory {path}; add a file name")
    if any(_same_file(path, given) for given in inputs):
        raise OutputError(f"output {path} is one of the inputs, which are never replaced; name another output")
    if path.exists() and not path.is_file():  # a device: replacing /dev/null would break the machine
        raise OutputError(f"expected an output file name, found {path}, which is no regular file; name another")
    if path.exists() and not overwrite:
        raise OutputError(f"output {path} exists; add --overwrite to replace it")
    if not path.parent.is_dir():
        raise OutputError(f"output directory {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"output directory {path.parent} is not writable; choose another or change its permissions")


def _same_file(path: Path, given: str | Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # absent, or no path: a URL, a VRT as text
        return path.samefile(given)
    return False


class OutputFile:
    """A context that either leaves the complete target behind or nothing at all.

    Inside the context pixels go to a file in a hidden folder beside the target; leaving it normally verifies that
    file, flushes it to disk and renames it, with whatever GDAL wrote beside it; leaving it by any exception removes
    the folder. OutputError on every failure.
    """

    def __init__(self, spec: OutputSpec) -> None:
        check_target(spec.path, spec.driver, spec.overwrite)
        self.spec = spec
        # A folder, so that what GDAL writes beside a file (.IMD, .aux.xml) has its final name and is found again.
        self._folder = spec.path.with_name(f".{spec.path.name}.{uuid4().hex[:12]}.part")
        self._part = self._folder / "plain" / spec.path.name
        # The mask waits in a file of its own until the pixels are in theirs: written along with them, its blocks would
        # come between theirs wherever GDAL's cache happens to be full.
        self._mask_part = self._folder / "mask.tif"
        self._stack = contextlib.ExitStack()
        self._dataset: Any = None
        self._mask: Any = None

    def __enter__(self) -> "OutputFile":
        spec = self.spec
        alpha = spec.missing.form == "alpha"
        profile = {
            "driver": "GTiff",
            "width": spec.grid.shape[1],
            "height": spec.grid.shape[0],
            "count": len(spec.bands) + alpha,
            "dtype": spec.dtype,
            "crs": spec.grid.crs,
            "transform": spec.grid.transform,
            "nodata": spec.missing.nodata if spec.missing.form == "nodata" else None,
        }
        self._stack.enter_context(rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True))
        self._errors = self._stack.enter_context(_GdalErrors())
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            # Metadata first: set later, GDAL would have to move it behind the pixels.
            self._dataset = rasterio.open(self._part, "w", **profile, **self._part_options())
            self._describe(alpha)
            if spec.missing.form == "mask":
                self._mask = rasterio.open(self._mask_part, "w", **_mask_profile(spec.grid))
            if spec.driver == "COG":
                self._try_cog(profile)
        except (*WRITE_ERRORS, TypeError, ValueError) as error:
            self._abandon()
            raise OutputError(f"cannot create {spec.path}: {_text(error)}") from error
        except BaseException:
            self._abandon()
            raise
        if self._errors.unknown:
            self._abandon()
            raise OutputError(f"cannot create {spec.path}: {self._errors.unknown}; check --co")
        return self

    def _try_cog(self, profile: dict[str, Any]) -> None:
        """Copy one tiny file, so that options which the COG driver refuses are known before computing, not after."""
        plain, cog = self._folder / "tiny.tif", self._folder / "tiny.cog.tif"
        with rasterio.open(plain, "w", **(profile | {"width": 16, "height": 16})):
            pass
        self._copy_to_cog(plain, cog)

    def _part_options(self) -> dict[str, str]:
        """A COG is made by copying, so the file it is copied from is plain, and the user's options are the COG's."""
        if self.spec.driver == "GTiff":
            return creation_options(self.spec)
        return {"TILED": "YES", "BLOCKXSIZE": str(BLOCK), "BLOCKYSIZE": str(BLOCK), "BIGTIFF": "IF_SAFER"}

    def _describe(self, alpha: bool) -> None:
        dataset, spec = self._dataset, self.spec
        for index, band in enumerate(spec.bands, start=1):
            if band.description:
                dataset.set_band_description(index, band.description)
            if band.tags:
                dataset.update_tags(index, **band.tags)
            if band.unit:
                dataset.set_band_unit(index, band.unit)
        count = len(spec.bands)
        if any(band.scale != 1 or band.offset != 0 for band in spec.bands):
            dataset.scales = [band.scale for band in spec.bands] + [1.0] * alpha
            dataset.offsets = [band.offset for band in spec.bands] + [0.0] * alpha
        interps = [band.colorinterp for band in spec.bands]
        if count == 3 and all(interp == ColorInterp.gray or interp == ColorInterp.undefined for interp in interps):
            interps = [ColorInterp.undefined] * 3  # three bands are not red, green, blue unless the MS says so
        dataset.colorinterp = interps + [ColorInterp.alpha] * alpha
        for domain, tags in spec.domains.items():
            if not domain.startswith("xml:"):
                dataset.update_tags(ns=domain, **tags)
        dataset.update_tags(**spec.tags)

    def write(self, window: Window, image: NDArray[Any], valid: NDArray[np.bool_] | None) -> None:
        """Write stored pixels (C, H, W) and, where the output has a mask or alpha, their validity (H, W)."""
        rows, cols = window.rows, window.cols
        place = RasterioWindow(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        try:
            self._dataset.write(image, indexes=list(range(1, len(image) + 1)), window=place)
            if self.spec.missing.form in ("alpha", "mask"):
                self._write_validity(place, np.ones(window.shape, bool) if valid is None else valid)
        except WRITE_ERRORS as error:
            raise OutputError(f"cannot write {self.spec.path}: {self._why(error)}") from error

    def _write_validity(self, place: RasterioWindow, valid: NDArray[np.bool_]) -> None:
        if self.spec.missing.form == "mask":
            self._mask.write(valid, 1, window=place)
        else:
            opaque = np.iinfo(self.spec.dtype).max
            self._dataset.write(np.where(valid, opaque, 0).astype(self.spec.dtype), self._dataset.count, window=place)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._seal()
        except WRITE_ERRORS as failure:
            if isinstance(failure, OutputError):
                raise
            raise OutputError(f"cannot write {self.spec.path}: {self._why(failure)}") from failure
        finally:
            self._abandon()

    def _seal(self) -> None:
        self._dataset.close()
        if self._mask:
            self._mask.close()
            self._append_mask()
        if self._errors.first:
            raise OutputError(f"cannot write {self.spec.path}: {self._why()}")
        _verify(self._part, self.spec.path)
        whole = self._part if self.spec.driver == "GTiff" else self._to_cog()
        with whole.open("rb+") as file:
            os.fsync(file.fileno())
        whole.replace(self.spec.path)
        self._move_sidecars(whole.parent)

    def _append_mask(self) -> None:
        with rasterio.open(self._mask_part) as mask, rasterio.open(self._part, "r+") as dataset:
            for _, window in mask.block_windows(1):
                dataset.write_mask(mask.read(1, window=window).astype(bool), window=window)

    def _move_sidecars(self, folder: Path) -> None:
        """Put what GDAL wrote beside the file beside the target; what described a replaced file goes."""
        target = self.spec.path
        for ending in (".aux.xml", ".ovr", ".msk"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
        for sidecar in list(folder.iterdir()):
            place = target.with_name(sidecar.name)
            if self.spec.overwrite or not place.exists():  # a product's own .IMD may lie there
                sidecar.replace(place)

    def _to_cog(self) -> Path:
        cog = self._folder / "cog" / self.spec.path.name
        cog.parent.mkdir()
        self._copy_to_cog(self._part, cog)
        if self._errors.first:
            raise OutputError(f"cannot write {self.spec.path}: {self._why()}")
        _verify(cog, self.spec.path)
        return cog

    def _copy_to_cog(self, plain: Path, cog: Path) -> None:
        defaults = {"COMPRESS": "ZSTD", "LEVEL": "1", "PREDICTOR": "YES", "BIGTIFF": "IF_SAFER"}
        given = {key.upper(): value for key, value in self.spec.options.items()}
        if "COMPRESS" in given:
            del defaults["LEVEL"], defaults["PREDICTOR"]
        # Not COPY_SRC_MDD=YES: GDAL 3.10 then keeps other metadata domains but loses the bands' tags.
        options = {"NUM_THREADS": str(self.spec.threads)} | defaults | given
        rasterio.shutil.copy(plain, cog, driver="COG", **options)

    def _why(self, error: BaseException | None = None) -> str:
        """GDAL's first error, or Python's; both say "write error" of a full disk, so that is looked at first."""
        if shutil.disk_usage(self.spec.path.parent).free < FULL_DISK:
            return "no space left on device"
        return self._errors.first or (_text(error) if error else "unknown error")

    def _abandon(self) -> None:
        """Close and remove whatever is left in the hidden folder."""
        for dataset in (self._dataset, self._mask):
            if dataset is not None and not dataset.closed:
                with contextlib.suppress(*WRITE_ERRORS):
                    dataset.close()
        self._stack.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _GdalErrors(logging.Handler):
    """Keeps the first error that GDAL reports: some failures to write, such as a full disk, raise nothing.

    unknown: its warning of a creation option or value that it ignores, such as a misspelt one.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: str | None = None
        self.unknown: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a record's text."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self.first = self.first or text
        elif "creation option" in text:
            self.unknown = self.unknown or text.partition(" in ")[2]

    def __enter__(self) -> "_GdalErrors":
        logging.getLogger("rasterio._env").addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger("rasterio._env").removeHandler(self)


def _verify(part: Path, target: Path) -> None:
    """OutputError unless every block of the file was written and lies inside it."""
    size = part.stat().st_size
    with rasterio.open(part) as dataset:
        bands = [1] if dataset.interleaving == Interleaving.pixel else range(1, dataset.count + 1)
        height, width = dataset.block_shapes[0]
        for band in bands:
            for row in range(-(-dataset.height // height)):
                for col in range(-(-dataset.width // width)):
                    place = f"{col}_{row}"
                    offset = dataset.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", bidx=band)
                    length = dataset.get_tag_item(f"BLOCK_SIZE_{place}", "TIFF", bidx=band)
                    if not offset or not length or int(offset) + int(length) > size:
                        raise OutputError(f"cannot write {target}: block {place} of band {band} is not in the file")


def _text(error: BaseException) -> str:
    cause = error.__cause__ or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


__all__ = [
    "DRIVERS",
    "Missing",
    "OutputFile",
    "OutputSpec",
    "check_target",
    "choose_missing",
    "creation_options",
    "try_output",
]
