"""On a real cluster of worker processes: the local run's pixels, also when a worker dies, in bounded memory."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
import rasterio
from click.testing import CliRunner

import fose
from fose.cli import main
from fose.errors import InputError, OutputError
from fose.xr import sharpen
from fose.xr.cluster import sharpen_files


def mortal(phase, mark):
    """Brovey with a fitted gain that ends its worker's process in a phase, once.

    A class of a function's own, which is pickled whole: workers cannot import this file.
    """

    @dataclass(frozen=True)
    class Mortal:
        phase: str
        mark: str

        name = "mortal"
        halo = reach = 0
        working = 2.5

        def fit(self, scene):
            def sums(tile):
                self.die("fit", tile)
                return tile.samples(tile.pan, tile.ms_up).sum(axis=1)

            total = sum(scene.map(sums))
            return np.float32(total[1:].mean() / total[0])

        def apply(self, tile, fit):
            self.die("apply", tile)
            return tile.ms_up * (tile.pan * fit / np.maximum(tile.ms_up.mean(axis=0), 1))

        def die(self, phase, tile):
            if phase == self.phase and tile.core_window.origin != (0, 0):  # the rehearsal's only tile lies there
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
                    os.kill(os.getpid(), signal.SIGKILL)

    return Mortal(phase, str(mark))


def local(pair, folder, method, **options):
    fose.sharpen(*pair, folder / "local.tif", method, threads=1, overwrite=True, **options)
    with rasterio.open(folder / "local.tif") as dataset:
        return dataset.read()


def test_pixels_are_those_of_the_local_run(client, small_tiles, opened, holed_pair, tmp_path):
    sharp = sharpen(*opened(*holed_pair, (130, 170), (33, 43)), "gsa")
    assert np.array_equal(client.compute(sharp).result(), local(holed_pair, tmp_path, "gsa"))


def test_the_shipped_network_gives_the_local_runs_pixels(client, opened, wide_pair, tmp_path):
    options = {"method": "fose", "device": "cpu", "register": "off"}
    sharp = sharpen(*opened(*wide_pair, (80, 1024), (20, 256)), **options)
    assert sharp.chunks[2] == (1024, 76)
    assert np.array_equal(client.compute(sharp).result(), local(wide_pair, tmp_path, **options))


def test_persisted_inputs_are_not_computed_again(client, small_tiles, opened, holed_pair, tmp_path):
    pan, ms = (client.persist(array) for array in opened(*holed_pair, (130, 170), (33, 43)))
    sharp = sharpen(pan, ms, "gsa")
    del pan, ms
    assert np.array_equal(client.compute(sharp).result(), local(holed_pair, tmp_path, "gsa"))


@pytest.mark.parametrize("phase", ["fit", "apply"])
def test_a_worker_that_is_killed_changes_no_pixel(client, small_tiles, opened, holed_pair, tmp_path, phase):
    mark = tmp_path / "killed"
    sharp = client.compute(sharpen(*opened(*holed_pair, (130, 170), (33, 43)), mortal(phase, mark))).result()
    assert mark.exists()
    assert np.array_equal(sharp, local(holed_pair, tmp_path, mortal("never", "")))


# Files


def test_the_command_writes_the_local_runs_file(client, holed_pair, tmp_path):
    expected = local(holed_pair, tmp_path, "gsa")
    arguments = [*map(str, holed_pair), str(tmp_path / "out.tif"), "-m", "gsa"]
    done = CliRunner().invoke(main, ["sharpen", *arguments, "--dask", client.scheduler.address])
    assert done.exit_code == 0, done.output
    with rasterio.open(tmp_path / "out.tif") as found, rasterio.open(tmp_path / "local.tif") as ours:
        assert np.array_equal(found.read(), expected)
        assert (found.profile, found.tags()) == (ours.profile, ours.tags())


def test_masks_stacks_and_another_crs_are_as_in_the_local_run(client, synth, tmp_path):
    """What DataArrays do not carry: the workers read files as the local run does."""
    pan, ms = synth.arrays((40, 50))
    hole = np.ones((40, 50), bool)
    hole[10:14, 20:30] = False
    pan_path = synth.save(tmp_path / "pan.tif", pan.astype(np.uint16), synth.utm())
    bands = [
        str(synth.save(tmp_path / f"{name}.tif", band.astype(np.uint16), synth.utm(4), mask=hole))
        for name, band in zip(("blue", "green", "red"), ms, strict=True)
    ]
    fose.sharpen(pan_path, bands, tmp_path / "local.tif", "gsa")
    report = sharpen_files(client.scheduler.address, pan_path, bands, tmp_path / "out.tif", "gsa")
    assert report.missing == "mask"
    with rasterio.open(tmp_path / "out.tif") as found, rasterio.open(tmp_path / "local.tif") as ours:
        assert np.array_equal(found.read(), ours.read())
        assert np.array_equal(found.dataset_mask(), ours.dataset_mask())
        assert found.descriptions == ours.descriptions == ("blue", "green", "red")


def test_a_worker_that_is_killed_leaves_a_whole_file(client, synth, tmp_path):
    pan, ms = synth.arrays((300, 40))
    pair = synth.save_pair(tmp_path, pan, ms)
    mark = tmp_path / "killed"
    sharpen_files(client.scheduler.address, pair[0], [pair[1]], tmp_path / "out.tif", mortal("apply", mark))
    assert mark.exists()
    assert np.array_equal(synth.load(tmp_path / "out.tif"), local(pair, tmp_path, mortal("never", "")))
    assert not [name for name in synth.left_over(tmp_path) if name.startswith(".")]


def test_what_cannot_be_done_is_one_line(client, holed_pair, tmp_path):
    address, (pan, ms), out = client.scheduler.address, holed_pair, tmp_path / "out.tif"
    with pytest.raises(InputError, match="--dask: expected a method that works tile by tile"):
        sharpen_files(address, pan, [ms], out, "gdal-brovey")
    with pytest.raises(InputError, match="--dask: expected neither --resume nor --shard"):
        sharpen_files(address, pan, [ms], out, "gsa", shard=(1, 2))
    with pytest.raises(InputError, match="--dask: expected the address of a Dask scheduler"):
        sharpen_files("nowhere", pan, [ms], out, "gsa")
    out.touch()
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        sharpen_files(address, pan, [ms], out, "gsa")


# Memory


@pytest.mark.slow
def test_memory_of_a_worker_does_not_follow_the_scene(client, tmp_path):
    """Four times the scene, the same peak: no pass keeps what it has read."""
    import dask.array as da
    import xarray

    def noise(shape, step, seed):
        def block(block_info=None):
            place = block_info[None]["array-location"]
            sides = [stop - start for start, stop in place]
            return np.random.default_rng([seed, *(start for start, _ in place)]).integers(99, 1999, sides, np.uint16)

        chunks = ((shape[0],), *(tuple([1024 // step] * (side * 1024 // 1024 // (1024 // step))) for side in shape[1:]))
        image = da.map_blocks(block, chunks=chunks, dtype=np.uint16, meta=np.empty((0, 0, 0), np.uint16))
        y, x = (step * (np.arange(side) + 0.5) for side in shape[1:])
        return xarray.DataArray(image, dims=("band", "y", "x"), coords={"y": -y, "x": x})

    workers = [psutil.Process(pid) for pid in client.run(os.getpid).values()]
    peaks = []
    for side in (4096, 8192):
        sharp = sharpen(noise((1, side, side), 1, 1), noise((4, side // 4, side // 4), 4, 2), "mtf-glp-fs")
        future = client.compute(sharp.data.map_blocks(lambda block: block[:, :1, :1] * 1, chunks=((4,), 1, 1)).sum())
        peak = 0
        while not future.done():
            peak = max(peak, *(worker.memory_info().rss for worker in workers))
            time.sleep(0.05)
        future.result()
        peaks.append(peak / 2**20)
    print(f"peak MiB per worker: {peaks}")
    assert peaks[1] < 1.25 * peaks[0] + 100  # the scene of 8192 adds 640 MiB of PAN, MS and result
