"""Sharpen scene after scene: what is finished stays, a bad one is reported and the rest goes on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from fose.catalog import place
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


Sharpen = Callable[[Scene, str, Mapping[str, str]], Report]  # into a file, with these tags
Told = Callable[[Outcome, int, int], None]  # what became of a scene, which it was of how many


def run(
    scenes: Sequence[Scene],
    folder: str | Path,
    sharpen: Sharpen,
    job: Mapping[str, Any],
    overwrite: bool = False,
    told: Told | None = None,
) -> list[Outcome]:
    """Sharpen each scene into the folder (a path or a URL), unless its result is there, and write its STAC item.

    job: what results depend on besides the inputs, in JSON's types. Raises nothing for a scene that fails.
    """
    outcomes = []
    for number, scene in enumerate(scenes, start=1):
        outcome = _attempt(scene, str(folder), sharpen, job, overwrite)
        outcomes.append(outcome)
        if told:
            told(outcome, number, len(scenes))
    return outcomes


def _attempt(scene: Scene, folder: str, sharpen: Sharpen, job: Mapping[str, Any], overwrite: bool) -> Outcome:
    out = place.join(folder, scene.out)
    item = place.join(folder, str(PurePosixPath(scene.out).with_suffix(".json")))
    try:
        report = _finish(scene, out, item, sharpen, job, overwrite)
    except Exception as error:  # whatever is wrong with one scene, the others are none the worse
        reason = " ".join(str(error).split()) or type(error).__name__
        return Outcome(scene.name, "failed", out, item, reason)
    return Outcome(scene.name, "made" if report else "kept", out, item, report=report)


def _finish(
    scene: Scene, out: str, item: str, sharpen: Sharpen, job: Mapping[str, Any], overwrite: bool
) -> Report | None:
    """Make what is missing of a scene's result and item; the report if it was sharpened."""
    _check_item(item)
    mark, report = _mark(scene, job), None
    if overwrite or not place.exists(out):
        place.make_folder_of(out)
        report = sharpen(scene, out, {JOB: mark})
    found = read_footprint(out)
    if found.tags.get(JOB) != mark:
        raise OutputError(
            f"output {out} exists and was made from other inputs or by another method or options; "
            "add --overwrite to replace it, or name another folder"
        )
    if report or not place.exists(item):
        entry = describe(scene, found, datetime.now(UTC))
        place.write(item, json.dumps(entry, indent=2, allow_nan=False) + "\n")
    return report


def _mark(scene: Scene, job: Mapping[str, Any]) -> str:
    """A digest of all that a result depends on: it tells a result of another job without naming private paths."""
    files = [[file_name(path), state(path)] for path in (scene.pan, *scene.ms)]
    text = json.dumps([files, dict(job)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_item(item: str) -> None:
    """OutputError where something that fose did not write lies in the item's place."""
    try:
        own = not place.exists(item) or is_own(json.loads(place.read(item)))
    except ValueError:
        own = False
    if not own:
        raise OutputError(f"{item} exists and is no STAC item of fose's; move it away or choose another folder")
