"""What may be learned from, how it is split, and that the manifest says so."""

import json
from pathlib import Path

import numpy as np
import pytest

from fose.data import TRAIN, VALIDATION, WEIGHTS, Settings, Source, draw, samples, sources, split_of, write_manifest
from fose.data.sources import scene_source
from fose.data.splits import VALIDATION_GROUPS
from fose.data.valid import largest_rectangle
from fose.errors import InputError, ReadError

MANIFEST = Path(__file__).parents[2] / "recipes" / "data-manifest.json"


def test_evaluation_scenes_are_refused(data_root: Path) -> None:
    names = [scene["name"] for scene in json.loads((data_root / "scenes.json").read_text()) if scene["use"] != "train"]
    assert names
    for name in names:
        with pytest.raises(InputError, match="nothing may learn from it"):
            scene_source(data_root, name)


def test_a_scene_relabelled_in_the_list_is_refused_by_its_own_tag(data_root: Path, tmp_path: Path) -> None:
    scenes = json.loads((data_root / "scenes.json").read_text())
    entry = next(scene for scene in scenes if scene["use"] == "eval")
    (tmp_path / "scenes.json").write_text(json.dumps([entry | {"use": "train"}]))
    (tmp_path / "scenes").symlink_to(data_root / "scenes")
    with pytest.raises(InputError, match="USE=eval"):
        sources(tmp_path)


def test_sources_hold_no_evaluation_scene_and_no_duplicate(found: list[Source], data_root: Path) -> None:
    scenes = json.loads((data_root / "scenes.json").read_text())
    barred = {scene["name"] for scene in scenes if scene["use"] != "train"}
    assert not barred & {source.name for source in found}
    assert len({source.sha256 for source in found}) == len({source.name for source in found}) == len(found)
    assert {source.family for source in found} == set(WEIGHTS)


def test_pairs_are_whole_and_fit_each_other(found: list[Source]) -> None:
    for source in found:
        assert not (source.ms == 0).all(axis=0).any() or source.kind == "bands", source.name
        assert len(source.wavelengths) == len(source.ms)
        if source.pan is not None:
            assert source.pan.shape == tuple(side * source.ratio for side in source.ms.shape[1:])
            assert (source.pan > 0).all()


def test_splits_share_no_group_and_every_family_is_on_both_sides(found: list[Source]) -> None:
    sides = {split: [s for s in found if split_of(s) == split] for split in (TRAIN, VALIDATION)}
    groups = {split: {source.group for source in side} for split, side in sides.items()}
    assert not groups[TRAIN] & groups[VALIDATION]
    assert groups[VALIDATION] == VALIDATION_GROUPS
    for side in sides.values():
        assert {source.family for source in side} == set(WEIGHTS)
    cities = {source.name.split("/")[-1].rsplit("_", 2)[0] for source in sides[TRAIN] if source.family == "naip"}
    assert not cities & {"eureka", "santa_monica"}


def test_the_manifest_matches_the_data(found: list[Source], tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.json", found)
    assert json.loads((tmp_path / "manifest.json").read_text()) == json.loads(MANIFEST.read_text())


def test_samples_repeat_for_a_seed_and_do_not_depend_on_the_count(found: list[Source]) -> None:
    train = [source for source in found if split_of(source) == TRAIN]
    three, two = list(draw(train, 3, seed=7)), list(draw(train, 2, seed=7))
    for one, same in zip(three, two, strict=False):
        assert one.name == same.name
        assert np.array_equal(one.pan, same.pan)
        assert np.array_equal(one.ms, same.ms)
    assert not any(np.array_equal(one.pan, other.pan) for one, other in zip(three, draw(train, 3, seed=8), strict=True))


def test_families_come_in_the_stated_shares(found: list[Source]) -> None:
    family = {source.name: source.family for source in found}
    train = [source for source in found if split_of(source) == TRAIN]
    drawn = [family[sample.name] for sample in draw(train, 300, seed=0)]
    for name, weight in WEIGHTS.items():
        assert drawn.count(name) / len(drawn) == pytest.approx(weight, abs=0.08)


def test_samples_come_from_their_split_only(data_root: Path, found: list[Source]) -> None:
    split = {source.name: split_of(source) for source in found}
    assert {split[sample.name] for sample in samples(data_root, VALIDATION, 20, seed=0)} == {VALIDATION}
    with pytest.raises(InputError, match="'train' or 'validation'"):
        next(samples(data_root, "test", 1, seed=0))


def test_errors_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"scenes\.json"):
        sources(tmp_path)
    with pytest.raises(InputError, match="at least one source"):
        next(draw([], 1, seed=0))
    with pytest.raises(InputError, match="a wavelength for each band"):
        next(draw([Source("x", "naip", "x", "made-up", "none", (None,), np.ones((1, 128, 128)))], 1, seed=0))
    flat = Source("flat", "naip", "flat", "made-up", "none", (480.0,), np.full((1, 128, 128), 9))
    with pytest.raises(InputError, match="images that vary"):
        next(draw([flat], 1, seed=0, settings=Settings(object_probability=0)))


def test_largest_rectangle() -> None:
    mask = np.ones((6, 9), bool)
    assert largest_rectangle(mask) == (0, 6, 0, 9)
    mask[2, 3] = mask[0, 8] = False
    assert largest_rectangle(mask) == (1, 6, 4, 9) or largest_rectangle(mask).area == 27
    assert largest_rectangle(np.zeros((3, 3), bool)).area == 0


@pytest.mark.parametrize("seed", range(20))
def test_largest_rectangle_against_all_rectangles(seed: int) -> None:
    mask = np.random.default_rng(seed).random((6, 7)) < 0.7
    areas = [
        (b - t) * (r - c) for t in range(6) for b in range(t + 1, 7) for c in range(7) for r in range(c + 1, 8)
        if mask[t:b, c:r].all()
    ]  # fmt: skip
    found = largest_rectangle(mask)
    assert mask[found.top : found.bottom, found.left : found.right].all()
    assert found.area == max(areas, default=0)
