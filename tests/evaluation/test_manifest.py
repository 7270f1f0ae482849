"""Which scenes the command line names."""

import json
from pathlib import Path

import pytest

from fose.errors import InputError, ReadError
from fose.evaluation.cases import BrokenCase, SceneCase
from fose.evaluation.manifest import find, from_folder, from_manifest


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_two_files_are_one_scene_and_more_are_a_stack():
    (case,) = find(["pan.tif", "b2.tif", "b3.tif"], target="truth.tif")
    assert case == SceneCase("pan.tif", "pan.tif", ("b2.tif", "b3.tif"), "truth.tif")


def test_a_folder_of_scenes_is_read_in_order(tmp_path):
    touch(tmp_path / "b", "pan.tif", "ms.tif", "target.tif")
    touch(tmp_path / "a", "pan.tif", "ms_1.tif", "ms_2.tif")
    touch(tmp_path / "notes", "readme.txt")
    first, second = find([str(tmp_path)])
    assert (first.name, second.name) == ("a", "b")
    assert [Path(path).name for path in first.ms] == ["ms_1.tif", "ms_2.tif"]
    assert first.target is None
    assert second.target == str(tmp_path / "b" / "target.tif")


def test_a_folder_may_be_the_scene_itself(tmp_path):
    touch(tmp_path / "one", "pan.tif", "ms.tif")
    assert [case.name for case in from_folder(tmp_path / "one")] == ["one"]


def test_a_folder_without_pairs_is_refused(tmp_path):
    touch(tmp_path / "a", "pan.tif")
    with pytest.raises(InputError, match=r"expected pan\.tif and ms\.tif"):
        from_folder(tmp_path)


def test_manifest_paths_are_relative_to_it(tmp_path):
    file = tmp_path / "list.json"
    file.write_text(json.dumps([{"pan": "p.tif", "ms": ["m1.tif", "m2.tif"], "sensor": "wv3", "name": "x"}]))
    (case,) = find([str(file)])
    folder = str(tmp_path)
    assert case == SceneCase("x", f"{folder}/p.tif", (f"{folder}/m1.tif", f"{folder}/m2.tif"), None, "wv3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "invalid JSON"),
        ("[]", "non-empty JSON list"),
        ('{"pan": "p"}', "non-empty JSON list"),
        ('[{"pan": "p.tif"}]', "scene 1: expected pan, ms"),
        ('[{"pan": "p.tif", "ms": "m.tif", "colour": 1}]', "found pan, ms, colour"),
        ('[{"pan": 1, "ms": "m.tif"}]', "scene 1: expected text"),
        ('[{"pan": "p.tif", "ms": null}]', "scene 1: expected text"),
        ('[{"pan": "p.tif", "ms": []}]', "scene 1: expected text"),
        ('[{"pan": "p.tif", "ms": "m.tif", "sensor": 8}]', "scene 1: expected text"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path, text, message):
    file = tmp_path / "list.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        from_manifest(file)


def test_a_missing_manifest_is_a_read_error(tmp_path):
    with pytest.raises(ReadError, match="cannot read"):
        from_manifest(tmp_path / "none.json")


@pytest.mark.parametrize("paths", [[], ["pan.tif"]])
def test_too_few_paths_are_refused(paths):
    with pytest.raises(InputError, match="expected PAN and MS, a folder"):
        find(paths)


def test_a_target_belongs_to_one_pair(tmp_path):
    touch(tmp_path, "pan.tif", "ms.tif")
    with pytest.raises(InputError, match="--target belongs to one PAN and MS"):
        find([str(tmp_path)], target="t.tif")


def test_a_pancollection_file_that_cannot_be_read_becomes_a_broken_case(tmp_path):
    (case,) = find([str(tmp_path / "test_wv3.h5")])
    assert isinstance(case, BrokenCase)
    assert "no such file" in str(case.error)
