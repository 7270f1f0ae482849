"""Options that several commands share, defined once, and how commands report errors."""

import errno
import functools
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fose.errors import FoseError

F = TypeVar("F", bound=Callable[..., Any])

ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP

UNITS = {"": 2**20, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Memory(click.ParamType[int]):
    """A size such as 512MB or 1.5GB (powers of two); a bare number is megabytes, as in GDAL. Gives bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse, or fail naming the option."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", value, re.IGNORECASE)
        if match is None:
            self.fail(f"expected a size such as 512MB or 2GB, found {value!r}", param, ctx)
        return int(float(match[1]) * UNITS[match[2].upper()])


class Numbers(click.ParamType[tuple[float, ...]]):
    """Comma-separated numbers of one type, as a tuple."""

    name = "n,n,..."

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Parse, or fail naming the option."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(part) for part in value.split(","))
        except ValueError:
            self.fail(f"expected {self.kind.__name__} numbers separated by commas, found {value!r}", param, ctx)


class KeyValue(click.ParamType[tuple[str, str]]):
    """KEY=VALUE, as GDAL's creation options."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Parse, or fail naming the option."""
        if isinstance(value, tuple):
            return value
        key, separator, text = value.partition("=")
        if not separator or not key:
            self.fail(f"expected KEY=VALUE, found {value!r}", param, ctx)
        return key, text


class Shard(click.ParamType[tuple[int, int]]):
    """i/n, the i-th of n shares, counted from 1."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Parse, or fail naming the option."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d+)/(\d+)", value)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"expected i/n with i in 1..n, such as 2/8, found {value!r}", param, ctx)
        return int(match[1]), int(match[2])


threads = click.option("--threads", type=click.IntRange(min=1), help="Compute threads.  [default: all cores]")
sensor = click.option("--sensor", metavar="NAME", help="Sensor, for MTF gains and wavelengths.  [default: guessed]")
register = click.option(
    "--register",
    type=click.Choice(["auto", "off"]),
    default="auto",
    show_default=True,
    help="Measure the shift left between PAN and MS and correct it when it matters.",
)
extent = click.option(
    "--extent",
    type=click.Choice(["intersection", "pan", "union"]),
    default="intersection",
    show_default=True,
    help="Area of the output.",
)
nodata = click.option("--nodata", type=float, help="Missing-pixel value of the images.  [default: the files']")
bands = click.option("--bands", "-b", type=Numbers(int), help="MS bands to use, in output order, counted from 1.")
peak = click.option("--peak", type=float, help="Largest possible value, such as 2047, for PSNR and SSIM.")
cut = click.option(
    "--cut",
    type=click.IntRange(min=0),
    metavar="N",
    help="Border cut of the toolboxes: N-1 pixels at the start, N at the end.  [default: none; 21 with reference "
    "conventions]",
)
conventions = click.option(
    "--conventions",
    type=click.Choice(["scene", "reference"]),
    default="scene",
    show_default=True,
    help="Operators: the pipeline's, at the true phase, or those of the MATLAB toolboxes.",
)


def pair_options(command: F) -> F:
    """What `sharpen` and `info` both need to know about a pair."""
    for option in (threads, sensor, register, extent, nodata, bands):
        command = option(command)
    return command


def result_options(command: F) -> F:
    """How a result is made and what file it becomes: of `sharpen` and `batch`."""
    options = (
        click.option("--method", "-m", metavar="NAME", help="See `fose methods`.  [default: fose]"),
        click.option("--weights", "-w", type=Numbers(float), help="Band weights, for the methods that take them."),
        click.option(
            "--resampling",
            "-r",
            default="lanczos",
            show_default=True,
            metavar="NAME",
            help="MS interpolation: nearest, bilinear, cubic, lanczos, lanczos6.",
        ),
        pair_options,
        click.option(
            "--reference",
            type=click.Choice(["pan", "ms"]),
            default="pan",
            show_default=True,
            help="Whose geometry the output keeps when the two are registered; the other one is moved.",
        ),
        click.option("--of", "driver", type=click.Choice(["GTiff", "COG"]), default="GTiff", show_default=True),
        click.option("--co", "creation", type=KeyValue(), multiple=True, help="Creation option; repeatable."),
        click.option("--dtype", metavar="TYPE", help="Output type.  [default: the MS's]"),
        click.option(
            "--memory",
            type=Memory(),
            help="Working memory, beyond about 256 MB for libraries and statistics.  "
            "[default: 1GB, more for many bands]",
        ),
        click.option(
            "--device",
            default="auto",
            show_default=True,
            help="Where networks run: auto (GPUs that PyTorch sees, else the CPU), cpu, cuda (all GPUs), cuda:1.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def reported(command: F) -> F:
    """Turn every failure into one line and a non-zero exit, and a termination signal into an orderly end.

    The exit status is 1, or 2 for wrong usage, or as shells count 128 and the signal's number.
    """

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        # rasterio's warning of a missing georeference; fose says so itself, as a note or an error.
        warnings.filterwarnings("ignore", message="Dataset has no geotransform")
        # The default action would end the process without removing the unfinished output. What is ignored stays so:
        # nohup ignores SIGHUP. Python lets only its main thread handle signals.
        main = threading.current_thread() is threading.main_thread()
        handled = [number for number in ENDING if main and signal.getsignal(number) is signal.SIG_DFL]
        for number in handled:
            signal.signal(number, _end)
        try:
            return command(*args, **kwargs)
        except FoseError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except MemoryError as error:
            raise click.ClickException("out of memory; lower --memory or --threads") from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has seen enough; click ends quietly
                raise
            _drop_unwritable_stdout()
            raise click.ClickException(f"{error.strerror or error}") from error
        finally:
            for number in handled:
                signal.signal(number, signal.SIG_DFL)

    return wrapper  # type: ignore[return-value]  # same signature: functools.wraps


def _end(number: int, frame: object) -> None:
    click.echo(f"Error: ended by {signal.Signals(number).name}", err=True)
    raise SystemExit(128 + number)


def _drop_unwritable_stdout() -> None:
    """Python flushes stdout once more as it ends; what failed already would fail again, with a status of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def split_paths(paths: tuple[str, ...], least: int, usage: str) -> tuple[str, ...]:
    """The positional paths, or a usage error that says what is expected."""
    if len(paths) < least:
        raise click.UsageError(f"expected {usage}, found {len(paths)} path{'s' * (len(paths) != 1)}")
    return tuple(os.fspath(path) for path in paths)
