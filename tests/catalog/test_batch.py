"""Many scenes: a bad one does not stop the rest, finished ones stay, items are valid STAC."""

import json

import numpy as np
import pytest
import rasterio

import fose
from fose.scene import resume
from fose.scene.journal import folder_of


def states(outcomes):
    return {outcome.name: outcome.state for outcome in outcomes}


def batch(folder, out, **options):
    return fose.batch(folder, out, **{"method": "brovey", "register": "off", "threads": 1} | options)


def test_each_scene_becomes_what_sharpen_makes_of_it(pairs, synth, tmp_path):
    folder = pairs("a", "b")
    done = batch(folder, tmp_path / "out")
    assert states(done) == {"a": "made", "b": "made"}
    assert synth.left_over(tmp_path / "out") == ["a.json", "a.tif", "b.json", "b.tif"]
    single = tmp_path / "single.tif"
    fose.sharpen(folder / "a/pan.tif", folder / "a/ms.tif", single, "brovey", register="off")
    np.testing.assert_array_equal(synth.load(tmp_path / "out/a.tif"), synth.load(single))


def test_a_bad_scene_is_reported_and_the_rest_goes_on_then_tried_again(pairs, synth, tmp_path):
    folder, out = pairs("a", "b", "c"), tmp_path / "out"
    good = (folder / "b/pan.tif").read_bytes()
    (folder / "b/pan.tif").write_text("no image")
    done = batch(folder, out)
    assert states(done) == {"a": "made", "b": "failed", "c": "made"}
    assert "cannot open" in done[1].message
    assert synth.left_over(out) == ["a.json", "a.tif", "c.json", "c.tif"]
    (folder / "b/pan.tif").write_bytes(good)
    before = (out / "a.tif").stat().st_mtime_ns
    assert states(batch(folder, out)) == {"a": "kept", "b": "made", "c": "kept"}
    assert (out / "a.tif").stat().st_mtime_ns == before


def test_a_result_of_another_job_is_neither_kept_nor_replaced(pairs, tmp_path):
    folder, out = pairs("a"), tmp_path / "out"
    batch(folder, out)
    (other,) = batch(folder, out, method="gsa")
    assert (other.state, "by another method or options; add --overwrite" in other.message) == ("failed", True)
    assert states(batch(folder, out, threads=2, memory=2**28)) == {"a": "kept"}  # changes no pixel
    assert states(batch(folder, out, method="gsa", overwrite=True)) == {"a": "made"}
    assert json.loads((out / "a.json").read_text())["properties"]["processing:lineage"].startswith(
        "pansharpened by gsa"
    )


def test_a_lost_item_is_written_again_and_a_foreign_one_never_replaced(pairs, tmp_path):
    folder, out = pairs("a"), tmp_path / "out"
    batch(folder, out)
    item = (out / "a.json").read_text()
    (out / "a.json").unlink()
    assert states(batch(folder, out, progress=pytest.fail)) == {"a": "kept"}
    assert json.loads((out / "a.json").read_text())["assets"] == json.loads(item)["assets"]
    (out / "a.json").write_text("{}")
    (out / "a.tif").unlink()
    (foreign,) = batch(folder, out)
    assert "is no STAC item of fose's" in foreign.message
    assert (out / "a.json").read_text() == "{}"


def test_an_interrupted_scene_continues(pairs, tmp_path, monkeypatch):
    folder, out = pairs("a", ms_shape=(300, 20)), tmp_path / "out"
    counted = []

    def interrupt(pixels, total):
        counted.append(pixels)
        if pixels:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch(folder, out, progress=interrupt)
    assert folder_of(out / "a.tif").is_dir()
    todo = []
    lacking = resume.Journal.lacking
    monkeypatch.setattr(resume.Journal, "lacking", lambda *given: todo.append(lacking(*given)) or todo[-1])
    assert states(batch(folder, out)) == {"a": "made"}
    assert todo == [[1, 2]]  # of three strips
    assert not folder_of(out / "a.tif").exists()


def test_gdals_brovey_and_a_method_of_ones_own(pairs, synth, tmp_path):
    folder = pairs("a")
    assert states(batch(folder, tmp_path / "gdal", method="gdal-brovey", weights=(0.2, 0.3, 0.5))) == {"a": "made"}
    assert states(batch(folder, tmp_path / "own", method=synth.Exp())) == {"a": "made"}


def test_an_output_that_cannot_be_is_that_scenes_failure(pairs, tmp_path):
    (tmp_path / "out").write_text("a file")
    (failed,) = batch(pairs("a"), tmp_path / "out")
    assert failed.state == "failed"


# STAC items


def test_items_are_valid_stac(pairs, synth, tmp_path):
    pystac = pytest.importorskip("pystac", reason="pystac not installed: pip install fose[test]")
    pytest.importorskip("jsonschema", reason="jsonschema not installed: pip install fose[test]")
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    batch(pairs("a"), tmp_path / "out")
    item = pystac.Item.from_file(tmp_path / "out/a.json")
    # The core schemas come with pystac; those of extensions lie on the network, which tests do without.
    told = item.to_dict(include_self_link=False, transform_hrefs=False)
    uri = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
    assert JsonSchemaSTACValidator().validate_core(told, pystac.STACObjectType.ITEM, "1.1.0") == uri
    assert item.datetime is not None


def test_an_item_says_where_what_and_how(synth, tmp_path):
    pan, ms = synth.arrays((20, 25), bands=3)

    def name(dataset):
        for index, band in enumerate(("blue", "NIR2", "mystery"), start=1):
            dataset.set_band_description(index, band)
        dataset.scales = [0.1, 1, 1]
        dataset.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2020-02-03 04:05:06")

    folder = tmp_path / "scenes/a"
    folder.mkdir(parents=True)
    synth.save(folder / "pan.tif", pan, synth.utm())
    synth.save(folder / "ms.tif", ms, synth.utm(4), nodata=float("nan"), prepare=name)
    batch(tmp_path / "scenes", tmp_path / "out")
    item = json.loads((tmp_path / "out/a.json").read_text())
    assert (item["id"], item["properties"]["datetime"]) == ("a", "2020-02-03T04:05:06Z")
    assert item["properties"]["proj:code"] == "EPSG:32633"
    assert item["properties"]["proj:shape"] == [80, 100]
    assert item["properties"]["proj:transform"] == [0.5, 0, synth.EAST, 0, -0.5, synth.NORTH]
    assert item["properties"]["gsd"] == 0.5
    assert item["properties"]["processing:software"] == {"fose": fose.__version__}
    west, south, east, north = item["bbox"]
    assert west == pytest.approx(12.455, abs=2e-3)
    assert south == pytest.approx(45.124, abs=2e-3)
    assert east - west == pytest.approx(50 / 111_320 / np.cos(np.radians(45.1)), rel=0.05)
    assert north - south == pytest.approx(40 / 111_130, rel=0.06)
    asset = item["assets"]["sharp"]
    assert asset["href"] == "./a.tif"
    assert asset["type"] == "image/tiff; application=geotiff"
    assert (asset["data_type"], asset["nodata"], asset["raster:sampling"]) == ("float32", "nan", "area")
    assert asset["bands"] == [
        {
            "name": "blue",
            "eo:common_name": "blue",
            "eo:center_wavelength": pytest.approx(0.48, abs=0.01),
            "eo:full_width_half_max": pytest.approx(0.07, abs=0.03),
            "raster:scale": 0.1,
            "raster:offset": 0.0,
        },
        {
            "name": "NIR2",
            "eo:common_name": "nir09",
            "eo:center_wavelength": pytest.approx(0.95, abs=0.01),
            "eo:full_width_half_max": pytest.approx(0.1, abs=0.1),
        },
        {"name": "mystery"},
    ]
    batch(tmp_path / "scenes", tmp_path / "cog", driver="COG")
    asset = json.loads((tmp_path / "cog/a.json").read_text())["assets"]["sharp"]
    assert asset["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert {uri.split("/")[3] for uri in item["stac_extensions"]} == {"projection", "raster", "eo", "processing"}


def test_without_georeference_or_known_bands_nothing_is_claimed(synth, tmp_path):
    folder = tmp_path / "scenes/a"
    folder.mkdir(parents=True)
    pan, ms = synth.arrays((20, 25), bands=2)
    synth.save(folder / "pan.tif", pan)
    synth.save(folder / "ms.tif", ms)
    with rasterio.Env(), pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        batch(tmp_path / "scenes", tmp_path / "out")
    item = json.loads((tmp_path / "out/a.json").read_text())
    assert (item["geometry"], "bbox" in item, item["properties"]["proj:code"]) == (None, False, None)
    assert not [uri for uri in item["stac_extensions"] if "/eo/" in uri]


def test_a_scene_across_the_antimeridian_is_cut(synth, tmp_path):
    folder = tmp_path / "scenes/fiji"
    folder.mkdir(parents=True)
    pan, ms = synth.arrays((20, 25))
    at = rasterio.Affine(20, 0, 816_700, 0, -20, 8_008_000)
    synth.save(folder / "pan.tif", pan, at, "EPSG:32760")
    synth.save(folder / "ms.tif", ms, at * rasterio.Affine.scale(4), "EPSG:32760")
    batch(tmp_path / "scenes", tmp_path / "out")
    item = json.loads((tmp_path / "out/fiji.json").read_text())
    assert item["geometry"]["type"] == "MultiPolygon"
    west, _, east, _ = item["bbox"]
    assert 180 > west > 179.9
    assert -180 < east < -179.9


def test_stac_in_stac_out(pairs, tmp_path):
    folder = pairs("a")
    bands = [{"eo:common_name": name} for name in ("red", "green", "blue")]
    source = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "x",
        "properties": {
            "datetime": None,
            "start_datetime": "2020-01-01T00:00:00Z",
            "end_datetime": "2020-01-02T00:00:00Z",
        },
        "links": [{"rel": "self", "href": "s3://catalogue/x.json"}],
        "assets": {"pan": {"href": "pan.tif"}, "ms": {"href": "ms.tif", "bands": bands}},
    }
    (folder / "a/x.json").write_text(json.dumps(source))
    assert states(batch(folder / "a/x.json", tmp_path / "out")) == {"x": "made"}
    item = json.loads((tmp_path / "out/x.json").read_text())
    assert [band["eo:common_name"] for band in item["assets"]["sharp"]["bands"]] == ["red", "green", "blue"]
    assert item["properties"]["datetime"] is None
    assert item["properties"]["end_datetime"] == "2020-01-02T00:00:00Z"
    assert item["links"] == [{"rel": "derived_from", "href": "s3://catalogue/x.json"}]
    (own,) = batch(folder / "a/x.json", folder / "a")  # its item would replace the manifest
    assert "is no STAC item of fose's" in own.message
    assert json.loads((folder / "a/x.json").read_text()) == source
