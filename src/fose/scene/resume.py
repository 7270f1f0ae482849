"""Sharpening that may be interrupted or shared out: finished strips are kept in a journal beside the output."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from fose._version import __version__
from fose.errors import InputError
from fose.machine import cores
from fose.scene.journal import STRIP, Job, Journal, StripWriter, count_strips, folder_of, share
from fose.scene.sharpen import (
    Clock,
    Opened,
    Options,
    Progress,
    Report,
    Work,
    open_pair,
    output_dtype,
    prepared,
    registered,
)
from fose.scene.tiles import plan
from fose.scene.writer import check_target, try_output
from fose.sharpener import Sharpener

# Options that change neither a pixel nor the file.
FREE = {"memory", "threads", "overwrite"}


def sharpen_files(
    pan: str | Path,
    ms: Sequence[str | Path],
    out: str | Path,
    sharpener: Sharpener,
    options: Options,
    shard: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Report:
    """As `fose.scene.sharpen.sharpen_files`, but what is finished survives, and is not computed again.

    shard: (i, n) does the i-th of n shares of the strips and leaves the rest, and joining them, to others (`merge`).
    """
    out, (i, n) = Path(out), shard or (1, 1)
    if not 1 <= i <= n:
        raise InputError(f"--shard: expected i/n with i in 1..n, found {i}/{n}")
    check_target(out, options.driver, options.overwrite, (pan, *ms))
    clock = Clock()
    with prepared(options) as stack:
        opened = open_pair(pan, ms, options, stack)
        job = describe(opened, sharpener, options)
        journal = Journal.find(out)
        if journal:
            journal.check(job)
        own = share((i, n), count_strips(opened.pair.shape[0]))
        todo = journal.lacking(own) if journal else own
        clock.lap("open")
        if todo or not journal:
            with registered(opened, out, sharpener, options) as work:
                clock.lap("register")
                if not journal:
                    try_output(work.spec)
                    journal = Journal.begin(out, job, n, work.spec, work.report)
                    journal.check(job)
                _compute(work, journal, own, todo, clock, progress)
        if shard:
            others = [strip + 1 for strip in journal.unfinished(range(journal.count))]
            return clock.timed(replace(journal.report, missing_strips=others), sum(map(journal.area, own)))
        return _assembled(journal, options.threads, options.overwrite, clock)


def _assembled(journal: Journal, threads: int | None, overwrite: bool, clock: Clock) -> Report:
    journal.assemble(threads or cores(), overwrite)
    clock.lap("assemble")
    return clock.timed(journal.report, prod(journal.spec.grid.shape))


def _compute(
    work: Work, journal: Journal, own: range, todo: Sequence[int], clock: Clock, progress: Progress | None
) -> None:
    """Fit, and apply to the strips to do; progress counts the pixels of all own strips."""
    fit = work.sharpener.fit(work.scene) if todo else None
    clock.lap("fit")
    tiles = [tile for tile in plan(work.scene.pair.shape, work.budget.tile) if tile.rows.start // STRIP in todo]
    total = sum(map(journal.area, own))
    with StripWriter(journal) as output:
        if progress:
            progress(total - sum(map(journal.area, todo)), total)
        for window, image, valid in work.sharpened(fit, tiles):
            output.write(window, image, valid)
            if progress:
                progress(prod(window.shape), total)
    clock.lap("apply_and_write")


def merge(out: str | Path, overwrite: bool = False, threads: int | None = None) -> Report:
    """Join the strips that shards left beside `out` into it. InputError names what is missing; OutputError as ever."""
    out, clock = Path(out), Clock()
    journal = Journal.find(out)
    if journal is None:
        raise InputError(
            f"expected strips of {out} in {folder_of(out)}, found no journal there; "
            "make them with fose sharpen --shard i/n"
        )
    check_target(out, journal.spec.driver, overwrite)
    lacking = journal.lacking(range(journal.count))
    if lacking:
        shards = ", ".join(map(str, journal.shards_of(lacking)))
        raise InputError(
            f"expected {journal.count} strips in {journal.folder}, found {journal.count - len(lacking)} whole ones; "
            f"missing {_ranges(lacking)}: run --shard {shards} of {journal.shards} again, or --resume for all of them"
        )
    with prepared(Options()):
        return _assembled(journal, threads, overwrite, clock)


def _ranges(strips: Sequence[int]) -> str:
    """Numbers in order, counted from 1, in short: 1-3, 7."""
    ends = [strip for strip in strips if strip + 1 not in strips]
    starts = [strip for strip in strips if strip - 1 not in strips]
    pairs = zip(starts, ends, strict=True)
    return ", ".join(f"{start + 1}" if start == end else f"{start + 1}-{end + 1}" for start, end in pairs)


def describe(opened: Opened, sharpener: Sharpener, options: Options) -> Job:
    """What the pixels and the file depend on. A method of the caller's own is known by its name and plain fields."""
    rasters = {"PAN": opened.pan, "MS": opened.ms}
    files = [file for raster in rasters.values() for file in raster.files]
    shape = " x ".join(map(str, (len(opened.ms), *opened.pair.shape)))
    return (
        {"fose": __version__, "method": sharpener.name}
        | {f"method's {name}": text for name, text in plain_fields(sharpener).items()}
        | {name: text for name, text in plain_fields(options).items() if name not in FREE}
        | {"output": f"{shape} {output_dtype(options.dtype, opened.ms.info.dtype).str} in strips of {STRIP}"}
        | {role: ", ".join(map(_full, raster.paths)) for role, raster in rasters.items()}
        | {f"file {_full(file)}": state(file) for file in files}
    )


def plain_fields(chosen: Any) -> dict[str, str]:
    """The fields of a dataclass that are given and that JSON can say, a list and a tuple alike.

    Other objects, such as the engine of a network, say nothing that a second process would repeat.
    """
    told = {}
    for field in fields(chosen) if is_dataclass(chosen) else ():
        value = getattr(chosen, field.name)
        with contextlib.suppress(TypeError):
            if value is not None:
                told[field.name] = json.dumps(value)
    return told


def _full(path: str) -> str:
    """A local file's full path, for a run from another folder; a URL as it is."""
    return str(Path(path).resolve()) if Path(path).exists() else path


def state(path: str) -> str:
    """The size and age of a local file."""
    try:
        found = Path(path).stat()
    except OSError:
        return "not a local file"
    return f"{found.st_size} bytes of {np.datetime64(found.st_mtime_ns, 'ns')}"
