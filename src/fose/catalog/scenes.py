"""Which scenes to sharpen: a table (CSV), a folder with a naming rule, or STAC items."""

import csv
import fnmatch
import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fose.catalog import stac
from fose.errors import InputError, ReadError
from fose.scene.sharpen import file_name

REQUIRED = ("pan", "ms")
OPTIONAL = ("name", "out", "datetime")
FILES = ";"  # between several files in one cell or option

# A folder for each scene, with pan.tif, and ms.tif or one file for each band in the order of their names.
PAN_RULE, MS_RULE = "{name}/pan.tif", "{name}/ms*.tif"


@dataclass(frozen=True)
class Scene:
    """A pair to sharpen. out: the result's file, below the output folder.

    properties: what a STAC item of the result inherits; common_names: of the bands, where the source tells;
    source: the STAC item that it came from.
    """

    name: str
    pan: str
    ms: tuple[str, ...]
    out: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    common_names: tuple[str, ...] | None = None
    source: str | None = None


def find(
    manifest: str | Path,
    pan: str | None = None,
    ms: str | None = None,
    common_names: Sequence[str] | None = None,
) -> list[Scene]:
    """The scenes of a CSV file, of a folder (by the rules `pan` and `ms`), or of STAC JSON (bands `common_names`).

    Raises ReadError or InputError where the manifest as a whole is wrong; whether a scene's files open is not asked.
    """
    path = Path(manifest)
    if path.is_dir():
        _refuse(path, "a folder", common_names=common_names)
        scenes = _from_folder(path, pan or PAN_RULE, ms or MS_RULE)
    elif path.suffix.lower() == ".csv":
        _refuse(path, "a table", pan=pan, ms=ms, common_names=common_names)
        scenes = _from_csv(path)
    elif path.suffix.lower() in (".json", ".geojson"):
        _refuse(path, "STAC items", pan=pan, ms=ms)
        scenes = _from_stac(path, common_names)
    else:
        raise InputError(
            f"expected a folder, a table (.csv) or STAC items (.json), found {path}"
            + ("" if path.exists() else ", absent")
        )
    _check_outputs(path, scenes)
    return scenes


def _refuse(path: Path, kind: str, **rules: Any) -> None:
    """What belongs to another kind of manifest would be ignored."""
    given = [f"--{name.replace('_', '-')}" for name, value in rules.items() if value is not None]
    if given:
        raise InputError(f"{path} is {kind}, to which {', '.join(given)} does not apply; leave it out")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeError as error:
        raise InputError(f"{path}: expected text in UTF-8, found another encoding") from error


def _from_csv(path: Path) -> list[Scene]:
    """A row for each scene; paths are relative to the table."""
    rows = csv.DictReader(_text(path).splitlines(), strict=True, restkey="more columns")
    columns = [name.strip() for name in rows.fieldnames or ()]
    if not set(REQUIRED) <= set(columns) <= {*REQUIRED, *OPTIONAL}:
        raise InputError(
            f"{path}: expected a first line with the columns pan, ms and perhaps {', '.join(OPTIONAL)}, separated by "
            f"commas; found {', '.join(columns) or 'nothing'}"
        )
    rows.fieldnames = columns
    try:
        scenes = [_row(path, rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: expected comma-separated values, found {error}") from error
    if not scenes:
        raise InputError(f"{path}: expected a line for each scene, found none")
    return scenes


def _row(path: Path, line: int, row: Mapping[str, Any]) -> Scene:
    cells = {column: (text or "").strip() for column, text in row.items() if column != "more columns"}
    if "more columns" in row or not cells["pan"] or not cells["ms"]:
        raise InputError(
            f"{path}, line {line}: expected pan, ms and no more than the columns; found {list(row.values())}"
        )
    pan, out = stac.beside(path, cells["pan"]), cells.get("out", "")
    name = cells.get("name") or PurePosixPath(out or file_name(pan)).stem
    when = cells.get("datetime")
    return Scene(
        name=name,
        pan=pan,
        ms=tuple(stac.beside(path, file.strip()) for file in cells["ms"].split(FILES) if file.strip()),
        out=out or f"{name}.tif",
        properties={"datetime": stac.moment(when, f"{path}, line {line}")} if when else {},
    )


def _from_folder(path: Path, pan: str, ms: str) -> list[Scene]:
    """A scene for each file that the PAN rule matches, {name} being any text without a slash; its MS by their rules."""
    if pan.count("{name}") != 1 or "{name}" not in ms:
        raise InputError(f"expected {{name}} once in --pan and at least once in --ms, found {pan!r} and {ms!r}")
    before, after = (fnmatch.translate(part).removesuffix(r"\Z").removesuffix(r"\z") for part in pan.split("{name}"))
    pattern = re.compile(f"{before}(?P<name>[^/]+){after}$")
    files = sorted(file for file in path.glob(pan.replace("{name}", "*")) if file.is_file())
    matches = [(file, pattern.match(file.relative_to(path).as_posix())) for file in files]
    scenes = [
        Scene(match["name"], str(file), _matching(path, ms, match["name"]), f"{match['name']}.tif")
        for file, match in matches
        if match
    ]
    if not scenes:
        raise InputError(f"{path}: expected PAN files named {pan}, found none; give the rules as --pan and --ms")
    return scenes


def _matching(path: Path, rules: str, name: str) -> tuple[str, ...]:
    """The MS files of a scene, by rule and then by name; of a rule that matches none itself, which then cannot open."""
    found: list[str] = []
    for rule in rules.split(FILES):
        files = sorted(path.glob(rule.strip().replace("{name}", glob.escape(name))))
        found += map(str, files) if files else [str(path / rule.strip().replace("{name}", name))]
    return tuple(found)


def _from_stac(path: Path, common_names: Sequence[str] | None) -> list[Scene]:
    try:
        told = json.loads(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: expected STAC JSON, found invalid JSON: {error}") from error
    return [_scene(pair) for pair in stac.pairs(path, told, common_names)]


def _scene(pair: stac.Pair) -> Scene:
    return Scene(pair.name, pair.pan, pair.ms, f"{pair.name}.tif", pair.properties, pair.common_names, pair.source)


def _check_outputs(path: Path, scenes: Sequence[Scene]) -> None:
    """Each scene needs an output of its own, below the output folder."""
    seen: dict[str, Scene] = {}
    for scene in scenes:
        out = PurePosixPath(scene.out)
        if out.is_absolute() or ".." in out.parts or "\\" in scene.out or ":" in scene.out or not out.suffix:
            raise InputError(
                f"{path}: expected a name, or an out such as north/one.tif below the output folder; found {scene.out!r}"
            )
        # Catalogue entries are named after outputs, without ending; some disks know no case.
        key = str(out.with_suffix("")).lower()
        if key in seen:
            raise InputError(
                f"{path}: expected an output for each scene, found {scene.out} for {seen[key].pan} and {scene.pan}; "
                "give each a name"
            )
        seen[key] = scene
