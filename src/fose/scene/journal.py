"""An output in the making: finished strips of it in a folder beside the target, with a journal of what they belong to.

The folder, ``OUT.fose``, appears whole with its journal inside, and each strip appears whole, so any number of
processes on any machines that share the disk may work on it, and any of them may be killed at any moment.
"""

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from fose.errors import OutputError
from fose.scene.grid import Grid
from fose.scene.reader import BandInfo
from fose.scene.sharpen import Report, Stored
from fose.scene.tiles import Window, plan
from fose.scene.writer import BLOCK, Missing, OutputFile, OutputSpec

# Rows of a strip. One row of output blocks, as high as every tile: it depends neither on memory nor on threads.
STRIP = BLOCK
JOURNAL = "journal.json"
CHECKSUM = 4  # bytes at the end of a strip

Job = Mapping[str, str]  # what the pixels and the file depend on, in words: equal jobs give equal strips


def folder_of(out: Path) -> Path:
    """Where the strips of an output are kept."""
    return out.with_name(f"{out.name}.fose")


def count_strips(rows: int) -> int:
    """How many strips an output of so many rows has."""
    return -(-rows // STRIP)


def share(shard: tuple[int, int], count: int) -> range:
    """The strips of shard i of n (from 1): neighbours, and of all shards each strip once."""
    i, n = shard
    return range((i - 1) * count // n, i * count // n)


@dataclass(frozen=True)
class Journal:
    """The folder of an output. spec: all about the file but its pixels; report: what was done, without times.

    shards: into how many the one who began divided the job (1: not at all), to name in messages who is missing.
    """

    folder: Path
    job: Job
    shards: int
    spec: OutputSpec
    report: Report

    @classmethod
    def find(cls, out: Path) -> "Journal | None":
        """The journal of an output, None where none was begun; OutputError where it cannot be read."""
        folder = folder_of(out)
        try:
            text = (folder / JOURNAL).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise OutputError(f"cannot read {folder / JOURNAL}: {error.strerror}") from error
        try:
            told = json.loads(text)
            spec, report = _spec(told["output"], out), _report(told["report"], out)
            return cls(folder, told["job"], told["shards"], spec, report)
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"expected a journal of this version of fose in {folder / JOURNAL}, found another's or a damaged one; "
                "delete the folder to start anew"
            ) from error

    @classmethod
    def begin(cls, out: Path, job: Job, shards: int, spec: OutputSpec, report: Report) -> "Journal":
        """Create the folder, or find the one of a process that was faster; the caller checks whose job it is."""
        folder = folder_of(out)
        told = {"job": dict(job), "shards": shards, "output": _plain(spec), "report": asdict(report)}
        # A folder that is not empty is never replaced by a rename: of several processes, one wins.
        draft = folder.with_name(f".{folder.name}.{uuid4().hex}")
        try:
            draft.mkdir()
            with (draft / JOURNAL).open("w") as file:
                json.dump(told, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            try:
                draft.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
        except OSError as error:
            raise OutputError(f"cannot create {folder}: {error.strerror}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        found = cls.find(out)
        if found is None:
            raise OutputError(f"expected to keep finished strips in {folder}, found something else there; delete it")
        return found

    def check(self, job: Job) -> None:
        """OutputError that says what differs, unless the journal belongs to this job."""
        names = dict.fromkeys(chain(job, self.job))
        differ = [name for name in names if self.job.get(name) != job.get(name)]
        if differ:
            said = [f"{name} was {self.job.get(name, 'none')}, is {job.get(name, 'none')}" for name in differ[:3]]
            more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
            raise OutputError(
                f"{self.folder} was begun by another job: {'; '.join(said)}{more}; "
                "run that one again, or delete the folder to start anew"
            )

    @property
    def count(self) -> int:
        """How many strips the output has."""
        return count_strips(self.spec.grid.shape[0])

    def area(self, strip: int) -> int:
        """Pixels of a strip."""
        return sum(prod(window.shape) for window in self._windows(strip))

    def lacking(self, strips: Iterable[int]) -> list[int]:
        """Those strips that are not there or are damaged; reads them all."""
        return [index for index in strips if not self._is_intact(index)]

    def unfinished(self, strips: Iterable[int]) -> list[int]:
        """Those strips that are not there, at a glance: only their sizes are looked at."""
        return [index for index in strips if not self._has_size(index)]

    def shards_of(self, strips: Iterable[int]) -> list[int]:
        """Which shards own these strips, counted from 1."""
        wanted = set(strips)
        return [i for i in range(1, self.shards + 1) if wanted.intersection(share((i, self.shards), self.count))]

    def read(self, strip: int) -> Iterator[Stored]:
        """What a strip holds, block by block."""
        dtype, bands = self.spec.dtype, len(self.spec.bands)
        with self.path(strip).open("rb") as file:
            for window in self._windows(strip):
                height, width = window.shape
                pixels = file.read(bands * height * width * dtype.itemsize)
                image = np.frombuffer(pixels, dtype).reshape(bands, height, width)
                valid = None
                if self._marks:
                    bits = np.frombuffer(file.read(-(-height * width // 8)), np.uint8)
                    valid = np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
                yield window, image, valid

    def assemble(self, threads: int, overwrite: bool) -> None:
        """Write the output from all its strips and remove the folder: what an unbroken run writes, byte for byte."""
        with OutputFile(replace(self.spec, threads=threads, overwrite=overwrite)) as output:
            for strip in range(self.count):
                for window, image, valid in self.read(strip):
                    output.write(window, image, valid)
        gone = self.folder.with_name(f".{self.folder.name}.{uuid4().hex}")
        self.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def packed(self, window: Window, image: NDArray[Any], valid: NDArray[np.bool_] | None) -> Iterator[bytes]:
        """The inverse of `read`: stored pixels (C, H, W) of a window as high as its strip, as a strip holds them."""
        for part in plan(window.shape, (STRIP, BLOCK)):
            yield image[:, part.rows, part.cols].tobytes()
            if self._marks:
                ok = np.ones(part.shape, bool) if valid is None else valid[part.rows, part.cols]
                yield np.packbits(ok).tobytes()

    def path(self, strip: int) -> Path:
        """The file of a strip, which is there when the strip is finished."""
        return self.folder / f"{strip + 1:05d}.strip"

    @property
    def _marks(self) -> bool:
        """Whether validity is kept beside the pixels, rather than in them."""
        return self.spec.missing.form in ("alpha", "mask")

    def _windows(self, strip: int) -> list[Window]:
        """The blocks of a strip, in its order."""
        height, width = self.spec.grid.shape
        top = strip * STRIP
        parts = plan((min(STRIP, height - top), width), (STRIP, BLOCK))
        return [Window(slice(top, top + part.rows.stop), part.cols) for part in parts]

    def _size(self, strip: int) -> int:
        pixel = len(self.spec.bands) * self.spec.dtype.itemsize
        areas = [prod(window.shape) for window in self._windows(strip)]
        return sum(area * pixel + self._marks * -(-area // 8) for area in areas) + CHECKSUM

    def _has_size(self, strip: int) -> bool:
        try:
            return self.path(strip).stat().st_size == self._size(strip)
        except FileNotFoundError:
            return False

    def _is_intact(self, strip: int) -> bool:
        if not self._has_size(strip):
            return False
        left, checksum = self._size(strip) - CHECKSUM, 0
        with self.path(strip).open("rb") as file:
            while left > 0:
                part = file.read(min(left, 2**20))
                checksum, left = zlib.crc32(part, checksum), left - len(part)
            return file.read() == _as_bytes(checksum)


class StripWriter:
    """A context that keeps tiles, which arrive in file order, as strips of a journal.

    A strip appears when its last tile was written; leaving the context earlier loses that one only.
    OutputError on every failure.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stack = contextlib.ExitStack()
        self._file: BinaryIO | None = None
        self._checksum = 0

    def __enter__(self) -> "StripWriter":
        return self

    def write(self, window: Window, image: NDArray[Any], valid: NDArray[np.bool_] | None) -> None:
        """Keep stored pixels (C, H, W) of a tile, as high as its strip, and their validity (H, W)."""
        path = self._journal.path(window.rows.start // STRIP)
        draft = path.with_suffix(".part")
        try:
            file = self._file or self._begin(draft)
            for data in self._journal.packed(window, image, valid):
                file.write(data)
                self._checksum = zlib.crc32(data, self._checksum)
            if window.cols.stop == self._journal.spec.grid.shape[1]:
                file.write(_as_bytes(self._checksum))
                file.close()
                draft.replace(path)
                self._end()
        except OSError as error:
            raise OutputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error

    def _begin(self, draft: Path) -> BinaryIO:
        self._stack.callback(draft.unlink, missing_ok=True)
        self._file, self._checksum = self._stack.enter_context(draft.open("wb")), 0
        return self._file

    def _end(self) -> None:
        self._file = None
        self._stack.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # of a full disk, which was reported when it was met
            self._end()


def _as_bytes(checksum: int) -> bytes:
    return checksum.to_bytes(CHECKSUM, "little")


def _plain(spec: OutputSpec) -> dict[str, Any]:
    """All of it that another process needs, in JSON's types."""
    grid = spec.grid
    return {
        "driver": spec.driver,
        "options": dict(spec.options),
        "dtype": spec.dtype.str,
        "shape": grid.shape,
        "transform": grid.transform and grid.transform[:6],
        "crs": grid.crs and grid.crs.to_wkt(),
        "bands": [asdict(band) for band in spec.bands],
        "tags": dict(spec.tags),
        "domains": {name: dict(tags) for name, tags in spec.domains.items()},
        "missing": asdict(spec.missing),
    }


def _spec(told: Mapping[str, Any], out: Path) -> OutputSpec:
    """The inverse of `_plain`."""
    transform, crs = told["transform"], told["crs"]
    height, width = told["shape"]
    return OutputSpec(
        path=out,
        driver=told["driver"],
        options=told["options"],
        dtype=np.dtype(told["dtype"]),
        grid=Grid((height, width), transform and Affine(*transform), crs and CRS.from_wkt(crs)),
        bands=[BandInfo(**band | {"colorinterp": ColorInterp(band["colorinterp"])}) for band in told["bands"]],
        tags=told["tags"],
        domains=told["domains"],
        missing=Missing(**told["missing"]),
    )


def _report(told: Mapping[str, Any], out: Path) -> Report:
    lists = {"shape": tuple(told["shape"]), "phase": tuple(told["phase"])}
    return Report(**{**told, **lists, "output": str(out)})
