"""fose.xr on one and two worker processes against the local run: prints a table for docs/xarray.md.

    PYTHONPATH=src python benchmarks/dask_scaling.py [--side 8192] [--method mtf-glp-fs] [--workers 1,2] [--runs 3]

Wants an otherwise idle machine. The scene is made up (PAN of side x side, four MS bands at ratio 4, uint16) and lies in
a temporary folder. Each run reads the files and reduces the result to one number, so that no writer counts; the local
run writes to a file. Overhead is worker seconds outside tasks: workers x wall time - time in tasks.
"""

import argparse
import os
import platform
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import rasterio
import rioxarray
from distributed import Client, LocalCluster

import fose
import fose.xr


def make_pair(folder: Path, side: int) -> tuple[Path, Path]:
    """Write PAN and MS of noise over gradients, in blocks of 512."""
    random = np.random.default_rng(1)
    paths = folder / "pan.tif", folder / "ms.tif"
    for path, count, step in zip(paths, (1, 4), (1, 4), strict=True):
        size = side // step
        profile = {"driver": "GTiff", "count": count, "height": size, "width": size, "dtype": "uint16"}
        profile |= {"tiled": True, "crs": "EPSG:32631", "transform": rasterio.Affine(step, 0, 5e5, 0, -step, 4.6e6)}
        with rasterio.open(path, "w", **profile, blockxsize=512, blockysize=512) as dataset:
            for _, window in dataset.block_windows(1):
                shape = count, int(window.height), int(window.width)
                dataset.write(random.integers(300, 1700, shape, np.uint16), window=window)
    return paths


class Peak:
    """A context that watches the resident memory of processes, MiB."""

    def __init__(self, pids: list[int]) -> None:
        self._processes, self.largest = [psutil.Process(pid) for pid in pids], 0.0
        self._over, self._thread = threading.Event(), threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.largest = max(self.largest, *(p.memory_info().rss / 2**20 for p in self._processes))

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()


def lazy(paths: tuple[Path, Path], method: str):
    """The sharpened scene, opened in chunks of 2048 PAN pixels, reduced to one number."""
    pan, ms = (
        rioxarray.open_rasterio(path, chunks={"band": -1, "y": side, "x": side})
        for path, side in zip(paths, (2048, 512), strict=True)
    )
    return fose.xr.sharpen(pan, ms, method).data.astype("float64").sum()


def on_workers(count: int, paths: tuple[Path, Path], method: str, runs: int) -> tuple[float, float, float, int]:
    """Seconds of wall time, share of it outside tasks, MiB at most in one worker, tasks."""
    walls, overheads, peaks = [], [], []
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        tasks = 0
        for _ in range(runs + 1):  # the first warms up: imports, the page cache
            began = time.time()
            with Peak(list(client.run(os.getpid).values())) as peak:
                start = time.perf_counter()
                client.compute(lazy(paths, method)).result()
                wall = time.perf_counter() - start
            stream = client.get_task_stream(start=began)
            busy = sum(s["stop"] - s["start"] for t in stream for s in t["startstops"] if s["action"] == "compute")
            walls.append(wall)
            overheads.append(1 - busy / (count * wall))
            peaks.append(peak.largest)
            tasks = len(stream)
    return median(walls[1:]), median(overheads[1:]), max(peaks), tasks


def locally(threads: int, paths: tuple[Path, Path], method: str, runs: int) -> float:
    """Seconds of `fose.sharpen` with so many threads."""
    seconds = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        fose.sharpen(*paths, paths[0].with_name("out.tif"), method, threads=threads, overwrite=True)
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8192, help="PAN pixels")
    parser.add_argument("--method", default="mtf-glp-fs")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, commit {commit}, {given.side}^2 PAN")
    megapixels = given.side**2 / 1e6
    with tempfile.TemporaryDirectory() as folder:
        paths = make_pair(Path(folder), given.side)
        print("| run | s | PAN MP/s | against local | outside tasks | tasks | peak MiB a worker |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for count in map(int, given.workers.split(",")):
            local = locally(count, paths, given.method, given.runs)
            print(f"| fose.sharpen, {count} threads | {local:.1f} | {megapixels / local:.1f} | 1 | | | |", flush=True)
            wall, overhead, peak, tasks = on_workers(count, paths, given.method, given.runs)
            print(
                f"| fose.xr, {count} workers | {wall:.1f} | {megapixels / wall:.1f} | {wall / local:.2f} "
                f"| {overhead:.0%} | {tasks} | {peak:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
