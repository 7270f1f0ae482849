"""Sharpen scene after scene: what is finished stays, a bad one is reported and the rest goes on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fose.catalog.item import describe, is_own
from fose.catalog.scenes import Scene
from fose.errors import OutputError
from fose.scene.footprint import read_footprint
from fose.scene.resume import state
from fose.scene.sharpen import Report, file_name

JOB = "FOSE_JOB"  # the tag by which a result is known again


@dataclass(frozen=True)
class Outcome:
    """What became of a scene: "made", "kept" (finished by an earlier run) or "failed", then with the reason.

    report: of the sharpening, where it took place.
    """

    name: str
    state: str
    output: str
    item: str
    message: str = ""
    report: Report | None = None


Sharpen = Callable[[Scene, Path, Mapping[str, str]], Report]  # into a file, with these tags
Told = Callable[[Outcome, int, int], None]  # what became of a scene, which it was of how many


def run(
    scenes: Sequence[Scene],
    folder: Path,
    sharpen: Sharpen,
    job: Mapping[str, Any],
    overwrite: bool = False,
    told: Told | None = None,
) -> list[Outcome]:
    """Sharpen each scene into the folder, unless its result is there, and write its STAC item.

    job: what results depend on besides the inputs, in JSON's types. Raises nothing for a scene that fails.
    """
    outcomes = []
    for number, scene in enumerate(scenes, start=1):
        outcome = _attempt(scene, folder, sharpen, job, overwrite)
        outcomes.append(outcome)
        if told:
            told(outcome, number, len(scenes))
    return outcomes


def _attempt(scene: Scene, folder: Path, sharpen: Sharpen, job: Mapping[str, Any], overwrite: bool) -> Outcome:
    out = folder / scene.out
    item = out.with_suffix(".json")
    try:
        report = _finish(scene, out, item, sharpen, job, overwrite)
    except Exception as error:  # whatever is wrong with one scene, the others are none the worse
        reason = " ".join(str(error).split()) or type(error).__name__
        return Outcome(scene.name, "failed", str(out), str(item), reason)
    return Outcome(scene.name, "made" if report else "kept", str(out), str(item), report=report)


def _finish(
    scene: Scene, out: Path, item: Path, sharpen: Sharpen, job: Mapping[str, Any], overwrite: bool
) -> Report | None:
    """Make what is missing of a scene's result and item; the report if it was sharpened."""
    _check_item(item)
    mark, report = _mark(scene, job), None
    if overwrite or not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        report = sharpen(scene, out, {JOB: mark})
    found = read_footprint(str(out))
    if found.tags.get(JOB) != mark:
        raise OutputError(
            f"output {out} exists and was made from other inputs or by another method or options; "
            "add --overwrite to replace it, or name another folder"
        )
    if report or not item.exists():
        _write(item, describe(scene, found, datetime.now(UTC)))
    return report


def _mark(scene: Scene, job: Mapping[str, Any]) -> str:
    """A digest of all that a result depends on: it tells a result of another job without naming private paths."""
    files = [[file_name(path), state(path)] for path in (scene.pan, *scene.ms)]
    text = json.dumps([files, dict(job)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_item(item: Path) -> None:
    """OutputError where something that fose did not write lies in the item's place."""
    try:
        own = not item.exists() or is_own(json.loads(item.read_text(encoding="utf-8")))
    except ValueError:
        own = False
    if not own:
        raise OutputError(f"{item} exists and is no STAC item of fose's; move it away or choose another folder")


def _write(item: Path, told: Mapping[str, Any]) -> None:
    """Write an item whole or not at all."""
    part = item.with_name(f".{item.name}.part")
    try:
        part.write_text(json.dumps(told, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(item)
    except OSError as error:
        raise OutputError(f"cannot write {item}: {(error.strerror or str(error)).lower()}") from error
    finally:
        part.unlink(missing_ok=True)
