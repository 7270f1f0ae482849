"""Inputs and outputs by URL, against a real HTTP server and a real S3 server on this machine."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio

import fose
from fose.errors import FoseError, InputError, OutputError
from fose.scene import remote


def sharpen(pan, ms, out, **options):
    return fose.sharpen(pan, ms, out, "brovey", **{"register": "off", "threads": 1} | options)


@pytest.fixture
def http(tmp_path):
    """(URL of tmp_path, a function that ends the server and gives how many bytes it sent).

    In a process of its own: GDAL may wait for an answer while this one cannot run Python.
    """
    log = tmp_path / "sent.txt"
    with log.open("w") as out:
        command = [sys.executable, str(Path(__file__).with_name("range_server.py")), str(tmp_path)]
        server = subprocess.Popen(command, stdout=out)
    while not log.read_text().endswith("\n"):
        assert server.poll() is None
        time.sleep(0.02)

    def sent():
        server.terminate()
        server.wait()
        return sum(map(int, log.read_text().splitlines()[1:]))

    yield f"http://127.0.0.1:{log.read_text().split()[0]}", sent
    sent()


def test_only_what_is_needed_is_read(synth, tmp_path, http):
    """MS covers 1/256 of PAN, whose 34 MB need not all be read."""
    url, sent = http
    pan = np.random.default_rng(1).integers(1, 2000, (4096, 4096)).astype(np.uint16)
    synth.save(tmp_path / "pan.tif", pan, synth.utm(), blockxsize=256, blockysize=256)
    ms = pan[None, 512:768:4, 1024:1280:4] + np.array([1, 2, 3], np.uint16)[:, None, None]
    synth.save(tmp_path / "ms.tif", ms, synth.utm(4, (512, 1024)))
    sharpen(f"{url}/pan.tif", f"{url}/ms.tif", tmp_path / "by_url.tif")
    assert sent() < 3_400_000
    sharpen(tmp_path / "pan.tif", tmp_path / "ms.tif", tmp_path / "local.tif")
    np.testing.assert_array_equal(synth.load(tmp_path / "by_url.tif"), synth.load(tmp_path / "local.tif"))


def test_a_missing_input_is_one_line(tmp_path, http):
    url, _ = http
    with pytest.raises(FoseError, match=r"cannot open http://.*/absent.tif: HTTP response code: 404"):
        sharpen(f"{url}/absent.tif", f"{url}/ms.tif", tmp_path / "out.tif")


@pytest.mark.parametrize("out", ["https://host/out.tif", "ftp://host/out.tif", "/vsizip/a.zip/out.tif", "s3://bucket/"])
def test_an_output_that_cannot_be_written_to_is_refused(tmp_path, out):
    with pytest.raises(InputError, match=r"expected a local output or a file under one of s3://"):
        sharpen(tmp_path / "pan.tif", tmp_path / "ms.tif", out)


def test_strips_need_a_local_output(tmp_path):
    with pytest.raises(InputError, match=r"expected a local output with resume or shard"):
        sharpen(tmp_path / "pan.tif", tmp_path / "ms.tif", "s3://bucket/out.tif", resume=True)


@pytest.fixture
def local_pair(synth, tmp_path, monkeypatch):
    """PAN and MS, and a temporary folder of the test's own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(remote.tempfile, "tempdir", str(tmp_path / "tmp"))
    return synth.textured_pair(tmp_path, ms_shape=(20, 25))


def keys(store):
    return [found["Key"] for found in store.list_objects(Bucket="images").get("Contents", [])]


def test_from_a_store_into_a_store(synth, tmp_path, store, local_pair):
    for path in local_pair:
        store.upload_file(str(path), "images", f"in/{path.name}")
    report = sharpen("s3://images/in/pan.tif", "s3://images/in/ms.tif", "s3://images/out/sharp.tif")
    assert report.output == "s3://images/out/sharp.tif"
    store.download_file("images", "out/sharp.tif", str(tmp_path / "got.tif"))
    sharpen(*local_pair, tmp_path / "local.tif")
    np.testing.assert_array_equal(synth.load(tmp_path / "got.tif"), synth.load(tmp_path / "local.tif"))
    assert not synth.left_over(tmp_path / "tmp")
    with pytest.raises(OutputError, match=r"sharp.tif exists; add --overwrite"):
        sharpen(*local_pair, "s3://images/out/sharp.tif")
    sharpen(*local_pair, "/vsis3/images/out/sharp.tif", overwrite=True)
    with pytest.raises(OutputError, match=r"is one of the inputs"):
        sharpen("s3://images/in/pan.tif", local_pair[1], "/vsis3/images/in/pan.tif", overwrite=True)


def test_a_failed_run_sends_nothing(synth, tmp_path, store, local_pair):
    def fail(pixels, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sharpen(*local_pair, "s3://images/failed.tif", progress=fail)
    assert "failed.tif" not in keys(store)
    assert not synth.left_over(tmp_path / "tmp")


def test_what_cannot_be_sent_is_kept(synth, tmp_path, store, local_pair, monkeypatch):
    def broken(*arguments):
        raise OSError("connection reset")

    monkeypatch.setattr(remote.rasterio.shutil, "copyfiles", broken)
    with pytest.raises(OutputError, match=r"connection reset; the finished file is kept as .*kept.tif") as caught:
        sharpen(*local_pair, "s3://images/kept.tif")
    assert synth.load(str(caught.value).rpartition(" as ")[2]).shape == (3, 80, 100)


def test_a_full_temporary_folder_is_named(synth, tmp_path, store, local_pair, monkeypatch):
    def full(*arguments):
        raise OutputError("no space left on device")

    monkeypatch.setattr(remote, "FULL_DISK", 2**62)
    monkeypatch.setattr("fose.api.sharpen_files", full)
    with pytest.raises(OutputError, match=r"no room for s3://images/full.tif in the temporary folder .*; set TMPDIR"):
        sharpen(*local_pair, "s3://images/full.tif")
    assert not synth.left_over(tmp_path / "tmp")


def test_no_bucket_and_no_credentials_are_known_before_computing(store, local_pair, monkeypatch):
    with pytest.raises(OutputError, match=r"cannot reach s3://nowhere/out.tif: The specified bucket does not exist"):
        sharpen(*local_pair, "s3://nowhere/out.tif", progress=pytest.fail)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    with (
        rasterio.Env(),
        pytest.raises(OutputError, match=r"AWS_SECRET_ACCESS_KEY.*check the address and the credential"),
    ):
        sharpen(*local_pair, "s3://images/other.tif", progress=pytest.fail)
