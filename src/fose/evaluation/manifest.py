"""Which scenes to evaluate: PAN and MS files, a folder, a manifest, or PanCollection's files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fose.data.pancollection import open_pancollection
from fose.errors import FoseError, InputError, ReadError
from fose.evaluation.cases import BrokenCase, Case, PanCollectionCase, SceneCase

REQUIRED = {"pan", "ms"}
OPTIONAL = {"name", "sensor", "target"}


def from_manifest(path: str | Path) -> list[SceneCase]:
    """Cases of a JSON list of {"pan", "ms", "target"?, "sensor"?, "name"?}: paths relative to it, "ms" may be a list.

    Raises ReadError or InputError where it is not such a list.
    """
    path = Path(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: expected a JSON list of scenes, found invalid JSON: {error}") from error
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path}: expected a non-empty JSON list of objects with pan and ms")
    return [_entry(path, number, entry) for number, entry in enumerate(entries, start=1)]


def _entry(path: Path, number: int, entry: dict[str, Any]) -> SceneCase:
    if not REQUIRED <= set(entry) <= REQUIRED | OPTIONAL:
        raise InputError(
            f"{path}, scene {number}: expected pan, ms and perhaps {', '.join(sorted(OPTIONAL))}; "
            f"found {', '.join(entry) or 'nothing'}"
        )
    files = entry["ms"] if isinstance(entry["ms"], list) else [entry["ms"]]
    target = entry.get("target")
    texts = [entry["pan"], *files, target or "", entry.get("sensor") or ""]
    if not files or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{path}, scene {number}: expected text, or for ms a list of texts, found another value")
    return SceneCase(
        name=str(entry.get("name", f"scene {number}")),
        pan=str(path.parent / entry["pan"]),
        ms=tuple(str(path.parent / file) for file in files),
        target=str(path.parent / target) if target else None,
        sensor=entry.get("sensor"),
    )


def from_folder(path: str | Path) -> list[SceneCase]:
    """Cases of a folder: it, or each folder in it, holds pan.tif, ms.tif (or ms_*.tif) and perhaps target.tif."""
    path = Path(path)
    folders = [path, *sorted(child for child in path.iterdir() if child.is_dir())]
    cases = [case for folder in folders if (case := _folder_case(folder))]
    if not cases:
        raise InputError(
            f"{path}: expected pan.tif and ms.tif in it or in the folders in it, found no such pair; "
            "name the files in a manifest (JSON) instead"
        )
    return cases


def _folder_case(folder: Path) -> SceneCase | None:
    pan, target = folder / "pan.tif", folder / "target.tif"
    ms = [folder / "ms.tif"] if (folder / "ms.tif").exists() else sorted(folder.glob("ms_*.tif"))
    if not pan.exists() or not ms:
        return None
    return SceneCase(folder.name, str(pan), tuple(map(str, ms)), str(target) if target.exists() else None)


def from_pancollection(path: str) -> list[Case]:
    """One case for each image of a PanCollection file; a file that cannot be read is one broken case."""
    try:
        with open_pancollection(path) as images:
            return [PanCollectionCase(path, index) for index in range(len(images))]
    except FoseError as error:
        return [BrokenCase(Path(path).name, error)]


def find(paths: Sequence[str], target: str | None = None) -> list[Case]:
    """The cases that the command line names: PanCollection files, a folder, a manifest, or PAN and MS files."""
    found: list[Case]
    if paths and all(Path(path).suffix.lower() in (".h5", ".hdf5", ".mat") for path in paths):
        found = [case for path in paths for case in from_pancollection(path)]
    elif len(paths) == 1 and Path(paths[0]).is_dir():
        found = [*from_folder(paths[0])]
    elif len(paths) == 1 and Path(paths[0]).suffix.lower() == ".json":
        found = [*from_manifest(paths[0])]
    elif len(paths) >= 2:
        return [SceneCase(paths[0], paths[0], tuple(paths[1:]), target)]
    else:
        raise InputError(
            f"expected PAN and MS, a folder, a manifest (.json) or PanCollection files (.h5, .mat); found {list(paths)}"
        )
    if target:
        raise InputError("--target belongs to one PAN and MS; put targets of other scenes into the manifest or folder")
    return found
