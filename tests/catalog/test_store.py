"""Many scenes into an object store: a real S3 server on this machine."""

import json

import numpy as np
import pytest

import fose
from fose.errors import InputError

OPTIONS = {"method": "brovey", "register": "off", "threads": 1}


def states(outcomes):
    return {outcome.name: outcome.state for outcome in outcomes}


def keys(store, prefix):
    return [found["Key"] for found in store.list_objects(Bucket="images", Prefix=prefix).get("Contents", [])]


def test_results_and_items_are_kept_there_and_not_made_again(pairs, synth, tmp_path, store):
    folder = pairs("a", "b", "c")
    good = (folder / "b/pan.tif").read_bytes()
    (folder / "b/pan.tif").write_text("no image")
    done = fose.batch(folder, "s3://images/many/", **OPTIONS)
    assert states(done) == {"a": "made", "b": "failed", "c": "made"}
    assert (done[0].output, done[0].item) == ("s3://images/many/a.tif", "s3://images/many/a.json")
    assert keys(store, "many/") == ["many/a.json", "many/a.tif", "many/c.json", "many/c.tif"]

    fose.batch(folder, tmp_path / "local", **OPTIONS)
    for name in ("a.tif", "a.json"):
        store.download_file("images", f"many/{name}", str(tmp_path / name))
    np.testing.assert_array_equal(synth.load(tmp_path / "a.tif"), synth.load(tmp_path / "local/a.tif"))
    items = [json.loads((parent / "a.json").read_text()) for parent in (tmp_path, tmp_path / "local")]
    for item in items:
        del item["properties"]["datetime"]  # of processing
    assert items[0] == items[1]

    # Again, after others repaired one scene, and deleted a result of one and the item of another.
    (folder / "b/pan.tif").write_bytes(good)
    store.delete_object(Bucket="images", Key="many/a.tif")
    store.delete_object(Bucket="images", Key="many/c.json")
    again = fose.batch(folder, "s3://images/many", **OPTIONS)
    assert states(again) == {"a": "made", "b": "made", "c": "kept"}
    assert len(keys(store, "many/")) == 6
    assert states(fose.batch(folder, "/vsis3/images/many", **OPTIONS, progress=pytest.fail)) == dict.fromkeys(
        "abc", "kept"
    )


def test_what_another_job_or_program_wrote_is_not_replaced(pairs, store):
    folder = pairs("a", "b")
    store.put_object(Bucket="images", Key="others/a.json", Body=b"{}")
    first, second = fose.batch(folder, "s3://images/others", **OPTIONS)
    assert "is no STAC item of fose's" in first.message
    assert second.state == "made"
    store.delete_object(Bucket="images", Key="others/a.json")
    first, second = fose.batch(folder, "s3://images/others", **OPTIONS | {"method": "gsa"})
    assert first.state == "made"
    assert "by another method or options; add --overwrite" in second.message
    assert states(fose.batch(folder, "s3://images/others", **OPTIONS, overwrite=True)) == {"a": "made", "b": "made"}


def test_a_store_that_cannot_be_reached_is_known_before_computing(pairs, store):
    folder = pairs("a")
    for _ in range(2):  # the second time is no guess from what GDAL remembers of the first
        (failed,) = fose.batch(folder, "s3://nowhere/x", **OPTIONS, progress=pytest.fail)
        assert "cannot reach s3://nowhere/x/a.json: The specified bucket does not exist" in failed.message


@pytest.mark.parametrize("out", ["https://host/out", "/vsizip/a.zip/out"])
def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, out):
    with pytest.raises(InputError, match=r"expected a local output folder or one under one of s3://"):
        fose.batch(tmp_path, out)
