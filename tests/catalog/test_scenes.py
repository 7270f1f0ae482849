"""Which scenes a table, a folder and STAC items name, and what is said of bad ones."""

import json

import pytest

from fose.catalog.scenes import find
from fose.errors import FoseError, InputError


def table(folder, text):
    path = folder / "scenes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_names_files_relative_to_itself(tmp_path):
    path = table(
        tmp_path,
        "\ufeffpan, ms,name,out,datetime\n"
        "a_pan.tif,a_b4.tif; a_b3.tif,,,\n"
        "s3://bucket/b/pan.tif?key=1,https://host/ms.tif,second,,2024-05-01\n"
        "/vsizip/x.zip/pan.tif,/data/ms.tif,,north/c.tif,2024-05-01T10:30:00+02:00\n",
    )
    first, second, third = find(path)
    assert (first.name, first.out) == ("a_pan", "a_pan.tif")
    assert first.pan == str(tmp_path / "a_pan.tif")
    assert first.ms == (str(tmp_path / "a_b4.tif"), str(tmp_path / "a_b3.tif"))
    assert (second.name, second.out, second.pan) == ("second", "second.tif", "s3://bucket/b/pan.tif?key=1")
    assert (second.ms, second.properties) == (("https://host/ms.tif",), {"datetime": "2024-05-01T00:00:00Z"})
    assert (third.name, third.out, third.pan, third.ms) == (
        "c",
        "north/c.tif",
        "/vsizip/x.zip/pan.tif",
        ("/data/ms.tif",),
    )
    assert third.properties == {"datetime": "2024-05-01T08:30:00Z"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a first line with the columns pan, ms .* found nothing"),
        ("pan;ms\na;b\n", "separated by commas; found pan;ms"),
        ("pan,ms,colour\na,b,c\n", "found pan, ms, colour"),
        ("pan,ms\n", "expected a line for each scene, found none"),
        ("pan,ms\na.tif,\n", "line 2: expected pan, ms"),
        ("pan,ms\na.tif,b.tif,c.tif\n", "line 2: expected pan, ms"),
        ("pan,ms\na/pan.tif,x\nb/PAN.tif,y\n", "found PAN.tif for .*a.pan.tif and .*b.PAN.tif; give each a name"),
        ("pan,ms,out\na,b,../c.tif\n", "below the output folder; found '../c.tif'"),
        ("pan,ms,datetime\na,b,yesterday\n", "line 2: expected a datetime such as .* found 'yesterday'"),
    ],
)
def test_a_bad_table_is_refused_at_once(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        find(table(tmp_path, text))


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def relative(folder, scene):
    return scene.name, [str(path)[len(str(folder)) + 1 :] for path in (scene.pan, *scene.ms)]


def test_a_folder_of_folders_needs_no_rule(tmp_path):
    touch(tmp_path, "b/pan.tif", "b/ms_2.tif", "b/ms_1.tif", "a/pan.tif", "a/ms.tif", "c/other.tif")
    assert [relative(tmp_path, scene) for scene in find(tmp_path)] == [
        ("a", ["a/pan.tif", "a/ms.tif"]),
        ("b", ["b/pan.tif", "b/ms_1.tif", "b/ms_2.tif"]),
    ]


def test_a_naming_rule_gives_files_in_its_order(tmp_path):
    touch(tmp_path, "L[1]_B8.TIF", "L[1]_B4.TIF", "L[1]_B3.TIF", "L1_B3.TIF", "M_B8.TIF", "B8.TIF")
    scenes = find(tmp_path, pan="{name}_B8.TIF", ms="{name}_B4.TIF; {name}_B[23].TIF")
    assert [relative(tmp_path, scene) for scene in scenes] == [
        ("L[1]", ["L[1]_B8.TIF", "L[1]_B4.TIF", "L[1]_B3.TIF"]),
        ("M", ["M_B8.TIF", "M_B4.TIF", "M_B[23].TIF"]),  # will not open: a failure of this scene alone
    ]


def test_what_is_no_manifest_is_refused(tmp_path):
    touch(tmp_path, "scenes.txt", "empty.json")
    for path, rules, message in (
        (tmp_path / "scenes.txt", {}, "expected a folder, a table .* found .*scenes.txt"),
        (tmp_path / "absent.csv", {}, "cannot read .*absent.csv: No such file"),
        (tmp_path / "empty.json", {}, "invalid JSON"),
        (tmp_path / "empty.json", {"pan": "x"}, "is STAC items, to which --pan does not apply"),
        (tmp_path, {"common_names": ["red"]}, "is a folder, to which --common-names does not apply"),
        (tmp_path, {}, "expected PAN files named {name}/pan.tif, found none"),
        (tmp_path, {"pan": "*.tif"}, "expected {name} once in --pan"),
    ):
        with pytest.raises(FoseError, match=message):
            find(path, **rules)


def item(name="scene", **changed):
    """A STAC 1.0 item such as Landsat's; `changed` assets are added, or left out where None."""
    assets = {
        "thumbnail": {"href": "t.png", "roles": ["thumbnail"], "eo:bands": [{"common_name": "red"}]},
        "visual": {"href": "v.tif", "roles": ["visual"], "eo:bands": [{"common_name": n} for n in ("red", "green")]},
        "pan": {"href": "B8.tif", "eo:bands": [{"name": "B8", "common_name": "pan"}]},
        "nir08": {"href": "B5.tif", "eo:bands": [{"name": "B5", "common_name": "nir08"}]},
        "red": {"href": "B4.tif", "eo:bands": [{"name": "B4", "common_name": "red"}]},
        "blue": {"href": "s3://b/B2.tif", "bands": [{"name": "B2", "eo:common_name": "blue"}]},
        "swir16": {"href": "B6.tif", "eo:common_name": "swir16"},
        "qa": {"href": "qa.tif"},
    }
    assets = {key: asset for key, asset in (assets | changed).items() if asset}
    properties = {"datetime": "2024-05-01T10:30:00Z", "platform": "landsat-8", "proj:epsg": 32633}
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "properties": properties, "assets": assets}


def stac(folder, told):
    path = folder / "items.json"
    path.write_text(json.dumps(told))
    return path


def test_stac_assets_are_chosen_by_common_name(tmp_path):
    path = stac(tmp_path, {"type": "FeatureCollection", "features": [item("a/1"), item("b")]})
    first, second = find(path)
    assert (first.name, first.out, second.name) == ("a_1", "a_1.tif", "b")
    assert first.pan == str(tmp_path / "B8.tif")
    assert first.ms == ("s3://b/B2.tif", str(tmp_path / "B4.tif"), str(tmp_path / "B5.tif"))
    assert first.common_names == ("blue", "red", "nir08")
    assert first.properties == {"datetime": "2024-05-01T10:30:00Z", "platform": "landsat-8"}
    chosen = find(path, common_names=["swir16", "red"])[0]
    assert chosen.ms == (str(tmp_path / "B6.tif"), str(tmp_path / "B4.tif"))


def test_a_stac_asset_of_several_bands_is_taken_as_it_is(tmp_path):
    bands = [{"eo:common_name": "blue"}, {"eo:common_name": "green"}, {}]
    told = item(ms={"href": "ms.tif", "bands": bands}) | {
        "links": [{"rel": "self", "href": "https://host/x/item.json"}]
    }
    (scene,) = find(stac(tmp_path, told))
    assert (scene.pan, scene.ms) == ("https://host/x/B8.tif", ("https://host/x/ms.tif",))
    assert (scene.common_names, scene.source) == (None, "https://host/x/item.json")


@pytest.mark.parametrize(
    ("told", "names", "message"),
    [
        ({"type": "Collection"}, None, "expected a STAC Item or ItemCollection with assets"),
        ({"type": "FeatureCollection", "features": []}, None, "expected a STAC Item or ItemCollection"),
        ({"type": "Feature", "properties": {}, "geometry": None}, None, "expected a STAC Item or ItemCollection"),
        (item(pan=None), None, "item scene: expected an asset pan, found thumbnail"),
        (item(), ["red", "green"], "eo:common_name red, green; found swir16, blue, red, nir08"),
    ],
)
def test_stac_that_lacks_something_is_refused(tmp_path, told, names, message):
    with pytest.raises(InputError, match=message):
        find(stac(tmp_path, told), common_names=names)
