"""The memory budget: what it divides, and that a whole scene keeps to it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from fose.errors import InputError
from fose.scene.grid import array_pair
from fose.scene.memory import FIXED_OVERHEAD, TILES, Budget, tile_bytes
from fose.scene.writer import BLOCK

MB = 2**20


def pair(ratio=4.0):
    return array_pair((4000, 4000), (1000, 1000), ratio, (0.0, 0.0))


@given(
    memory=st.integers(0, 4000), threads=st.integers(1, 16), bands=st.integers(1, 16),
    itemsize=st.sampled_from([1, 2, 4, 8]), ratio=st.sampled_from([1.0, 2.0, 4.0, 6.0]), halo=st.integers(0, 40),
)  # fmt: skip
def test_the_parts_fit_into_the_whole_or_the_error_says_what_would(memory, threads, bands, itemsize, ratio, halo):
    try:
        budget = Budget.split(memory * MB, threads, bands, itemsize, pair(ratio), halo)
    except InputError as error:
        found = re.fullmatch(rf"--memory: expected at least (\d+) MB for this scene, found {memory} MB", str(error))
        least = int(found[1])
        assert least > memory
        assert Budget.split(least * MB, threads, bands, itemsize, pair(ratio), halo).tile == TILES[-1]
        return
    need = tile_bytes(budget.tile, bands, itemsize, pair(ratio), halo)
    used = budget.threads * need.computing + budget.ahead * need.waiting + Budget.cache(memory * MB)
    assert used <= memory * MB
    assert 1 <= budget.threads <= threads
    assert budget.ahead > budget.threads


@given(memory=st.integers(200, 4000), threads=st.integers(1, 8), bands=st.integers(1, 8))
def test_more_memory_never_gives_less(memory, threads, bands):
    def size(megabytes):
        budget = Budget.split(megabytes * MB, threads, bands, 2, pair(), 10)
        return budget.threads, budget.tile[0] * budget.tile[1]

    try:
        small = size(memory)
    except InputError:
        return
    assert size(memory * 2) >= small


def test_threads_default_to_the_cores_of_this_process():
    assert Budget.split(2**36, None, 1, 1, pair(), 0).threads == len(os.sched_getaffinity(0))


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch):
    """macOS has no sched_getaffinity."""
    monkeypatch.delattr(os, "sched_getaffinity")
    assert Budget.split(2**36, None, 1, 1, pair(), 0).threads == os.cpu_count()


@pytest.mark.parametrize("threads", [-1])
def test_impossible_threads_are_refused(threads):
    with pytest.raises(InputError, match="--threads: expected at least 1, found -1"):
        Budget.split(2**36, threads, 1, 1, pair(), 0)


def test_any_number_of_threads_is_cut_to_the_memory_at_once():
    assert Budget.split(512 * MB, 10**12, 4, 2, pair(), 8) == Budget.split(512 * MB, 1000, 4, 2, pair(), 8)


def test_tiles_are_whole_output_blocks():
    assert all(edge % BLOCK == 0 for tile in TILES for edge in tile)


def test_gdals_cache_is_given_in_bytes():
    """GDAL_CACHEMAX=256 means 256 bytes to rasterio: six times the time."""
    assert Budget.cache(1024 * MB) == 256 * MB
    assert Budget.cache(0) == 16 * MB
    assert Budget.cache(2**80) == 2**40


PEAK = """
import resource, sys
import fose
fose.sharpen(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], memory=int(sys.argv[5]), threads=2, dtype="uint16")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def giant(synth, tmp_path_factory):
    """PAN of 16384 x 16384 and four bands; a corner is textured, the rest is not stored and reads as zero."""
    folder = tmp_path_factory.mktemp("giant")
    pan, ms = synth.arrays((256, 256), bands=4)
    paths = []
    for name, size, step, image in (("pan", 16384, 1, pan[None]), ("ms", 4096, 4, ms)):
        profile = {"width": size, "height": size, "count": len(image), "dtype": "uint16", "SPARSE_OK": True}
        profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "transform": synth.utm(step), "crs": synth.UTM}
        with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", **profile) as dataset:
            window = rasterio.windows.Window(0, 0, image.shape[2], image.shape[1])
            dataset.write(np.rint(image).astype(np.uint16), window=window)
        paths.append(folder / f"{name}.tif")
    return paths


@pytest.mark.slow
@pytest.mark.parametrize(("method", "memory"), [("brovey", 256), ("mtf-glp-fs", 256), ("mtf-glp-fs", 512)])
def test_peak_memory_of_a_whole_scene_keeps_to_the_budget(giant, tmp_path, method, memory):
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, giant), str(tmp_path / "out.tif"), method, str(memory * MB)],
        env=os.environ | {"PYTHONPATH": str(source)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    peak = int(done.stdout.split()[-1]) * 1024
    assert peak <= memory * MB + FIXED_OVERHEAD, f"{peak / MB:.0f} MB"


def test_statistics_tiles_are_as_many_as_fit_and_at_least_one():
    """Their size is fixed, so a small budget takes them one by one."""
    number = [Budget.split(memory * MB, 8, 4, 2, pair(), 10).fitting for memory in (128, 256, 512, 1024, 8192)]
    assert number[0] == 1
    assert number == sorted(number)
    assert number[2] >= 2
    assert number[-1] == 10
