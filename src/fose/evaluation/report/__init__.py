"""A report on results of sharpening: one HTML page that needs nothing but itself."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fose.errors import InputError, OutputError
from fose.evaluation.report.layers import open_layers
from fose.evaluation.report.measure import figures
from fose.evaluation.report.page import render
from fose.evaluation.report.pictures import gallery
from fose.scene.sharpen import Options, prepared
from fose.scene.writer import check_target


@dataclass(frozen=True)
class Written:
    """What was written."""

    path: Path
    size: int  # bytes
    notes: tuple[str, ...]


def write_report(
    pan: str | Path,
    ms: Sequence[str | Path],
    sharps: Sequence[str | Path],
    out: str | Path,
    target: str | Path | None = None,
    options: Options | None = None,
) -> Written:
    """Compare results with MS interpolated, with PAN and with the target where there is one, in one HTML file.

    pan, ms: the pair, as for `fose sharpen`; sharps: results on PAN's grid; target: the truth on the same grid.
    Memory does not grow with the scene. Raises a `fose.FoseError` and leaves no file when it cannot finish.
    """
    options = options or Options()
    if not ms or not sharps:
        raise InputError("expected PAN, at least one MS file and at least one result, found too few")
    path = Path(out)
    check_target(path, "GTiff", options.overwrite, (pan, *ms, *sharps, *([target] if target else [])))
    with prepared(options) as stack:
        layers = open_layers(pan, ms, sharps, target, options, stack)
        page = render(layers, gallery(layers), figures(layers)).encode()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(page)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Written(path, len(page), (*layers.facts.notes, *layers.notes))


__all__ = ["Written", "write_report"]
