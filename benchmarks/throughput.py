"""Whole-process speed and memory of fose beside GDAL's weighted Brovey, interleaved on the same files.

    python benchmarks/throughput.py [--size 8192] [--repeats 3] [--methods fose,brovey,gsa,mtf-glp-fs] [--folder DIR]
    python benchmarks/throughput.py --repeats 0 --sizes 1024,2048,4096,8192,16384,32768 [--growing fose,mtf-glp-fs]

Orfeo ToolBox's rcs (otbcli_BundleToPerfectSensor, Debian's otb-bin) and orthority's Gram-Schmidt (`oty`, see --oty)
take part where they are installed.

Makes a uint16 PAN of size x size and MS of a quarter of it with 4 and 8 bands, runs every command once per round, and
prints medians and the ratio to GDAL in the same round. Uncompressed output, two threads, as GDAL's command below.
fit %: the share of the wall time that registration and the scene's statistics take, before any pixel is written.

--sizes adds a table of how time and memory grow with the scene's side, line by line, each run once: four bands,
--register off. One scene and one output are on disk at a time: 11.5 GB for a side of 32768 (1074 megapixels).
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

THREADS = 2
STRIP = 512  # rows that scenes are made by, and what their sides are multiples of
CREATION = ("TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=YES")


@dataclass(frozen=True)
class Run:
    """One process: wall and CPU seconds, peak resident MiB; of fose also the percentage of wall before any pixel."""

    wall: float
    cpu: float
    peak: float
    fit: float | None


def texture(rows: int, cols: int, seed: int) -> np.ndarray:
    """Noise with a spectrum like a landscape's: octaves of ever finer, ever weaker noise."""
    rng = np.random.default_rng(seed)
    image = np.zeros((rows, cols), np.float32)
    for step in (256, 64, 16, 4, 1):
        coarse = rng.normal(0, 8 * step**0.5, (rows // step, cols // step)).astype(np.float32)
        image += np.repeat(np.repeat(coarse, step, 0), step, 1)
    return image


def make_scene(folder: Path, size: int, counts: Sequence[int]) -> None:
    """pan.tif, and for each number of bands as ms4.tif: tiled, uncompressed, 11-bit values.

    Made in a process of its own: Linux counts the peak memory of a process as that of those which it starts, too.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        apart.submit(write_scene, folder, size, counts).result()


def write_scene(folder: Path, size: int, counts: Sequence[int]) -> None:
    """What `make_scene` says, holding one strip in memory."""
    profile = {"driver": "GTiff", "dtype": "uint16", "crs": "EPSG:32631", "tiled": True, "bigtiff": "if_safer"}
    profile |= {"blockxsize": 512, "blockysize": 512}
    low = size // 4
    with ExitStack() as stack:

        def new(name: str, side: int, bands: int, step: float) -> rasterio.io.DatasetWriter:
            shape = {"width": side, "height": side, "count": bands, "transform": from_origin(5e5, 4.6e6, step, step)}
            return stack.enter_context(rasterio.open(folder / name, "w", **shape, **profile))

        pan = new("pan.tif", size, 1, 0.5)
        multispectral = [new(f"ms{bands}.tif", low, bands, 2) for bands in counts]
        for top in range(0, size, STRIP):
            image = np.clip(texture(STRIP, size, top) + 600, 1, 2047)
            small = image.reshape(STRIP // 4, 4, low, 4).mean(axis=(1, 3))
            pan.write(image.astype(np.uint16), 1, window=((top, top + STRIP), (0, size)))
            for out in multispectral:
                bands = np.stack([small * (0.4 + 0.15 * band) + 40 * band for band in range(out.count)])
                out.write(bands.astype(np.uint16), window=((top // 4, (top + STRIP) // 4), (0, low)))


def gdal_command(folder: Path, bands: int) -> list[str]:
    """GDAL's weighted Brovey with its default cache."""
    script = shutil.which("gdal_pansharpen.py")
    if script is None:
        sys.exit("gdal_pansharpen.py not found: install Debian's gdal-bin and python3-gdal, or GDAL's own Python tools")
    with Path(script).open() as file:
        interpreter = file.readline().removeprefix("#!").split()
    weights = [part for _ in range(bands) for part in ("-w", str(1 / bands))]
    creation = [part for option in CREATION for part in ("-co", option)]
    files = [str(folder / name) for name in ("pan.tif", f"ms{bands}.tif", "out.tif")]
    return [*interpreter, script, "-q", "-r", "cubic", *weights, "-threads", str(THREADS), *creation, *files]


def otb_command(folder: Path, bands: int) -> list[str]:
    """Orfeo ToolBox: superimposition and ratio component substitution in one application, its default memory."""
    creation = "&gdal:co:".join(("?&streaming:type=auto", *CREATION))
    pan, ms = folder / "pan.tif", folder / f"ms{bands}.tif"
    out = ["-out", f"{folder / 'out.tif'}{creation}", "uint16"]
    return ["otbcli_BundleToPerfectSensor", "-inp", str(pan), "-inxs", str(ms), "-method", "rcs", *out]


def oty_command(program: str, folder: Path, bands: int) -> list[str]:
    """orthority's Gram-Schmidt."""
    pan, ms = folder / "pan.tif", folder / f"ms{bands}.tif"
    creation = [part for option in CREATION for part in ("-co", option)]
    files = ["-p", str(pan), "-ms", str(ms), "-of", str(folder / "out.tif")]
    return [program, "sharpen", *files, "--no-build-ovw", *creation]


def fose_command(folder: Path, bands: int, method: str, extra: list[str]) -> list[str]:
    """fose with its default memory; --register as given, uncompressed like GDAL's."""
    creation = [part for option in (*CREATION, "COMPRESS=NONE") for part in ("--co", option)]
    files = [str(folder / name) for name in ("pan.tif", f"ms{bands}.tif", "out.tif")]
    command = [sys.executable, "-m", "fose", "sharpen", "-q", "--json", "--threads", str(THREADS), "--method", method]
    return [*command, *extra, *creation, *files]


def timed(command: list[str], out: Path) -> Run:
    """Run a command to its end; its output is removed before and after, so that every run writes a new file."""
    out.unlink(missing_ok=True)
    started = time.perf_counter()
    quiet = {"OTB_LOGGER_LEVEL": "WARNING", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(THREADS)}
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, env=os.environ | quiet, stdout=told, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        told.seek(0)
        words = told.read()
    if status or not out.exists():
        sys.exit(f"failed ({status}): {' '.join(command)}")
    out.unlink()
    fit = None
    if "--json" in command:
        seconds = json.loads(words)["seconds"]
        fit = 100 * (seconds["register"] + seconds["fit"]) / wall
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, fit)


def table(size: int, runs: dict[str, list[Run]]) -> str:
    """Markdown: medians over the rounds, ratios to GDAL taken round by round."""
    megapixels = size * size / 1e6
    lines = ["| command | PAN MP/s | × GDAL | fit % | CPU s | peak MiB |", "|---|---|---|---|---|---|"]
    for name, mine in runs.items():
        reference = runs[next(key for key in runs if key.startswith("gdal") and key[-2:] == name[-2:])]
        ratio = statistics.median(theirs.wall / run.wall for run, theirs in zip(mine, reference, strict=True))
        wall, cpu, peak = (statistics.median(getattr(run, key) for run in mine) for key in ("wall", "cpu", "peak"))
        fits = [run.fit for run in mine if run.fit is not None]
        fit = f"{statistics.median(fits):.0f}" if fits else "–"
        lines.append(f"| {name} | {megapixels / wall:.1f} | {ratio:.2f} | {fit} | {cpu:.1f} | {peak:.0f} |")
    return "\n".join(lines)


def growth(sizes: Sequence[int], methods: Sequence[str], parent: Path | None) -> Iterator[str]:
    """Markdown lines: one run of each method on a scene of each side."""
    yield "| side | PAN MP | method | wall s | PAN MP/s | fit % | peak MiB |"
    yield "|---|---|---|---|---|---|---|"
    for size in sizes:
        megapixels = size * size / 1e6
        with tempfile.TemporaryDirectory(dir=parent) as name:
            folder = Path(name)
            make_scene(folder, size, (4,))
            for method in methods:
                run = timed(fose_command(folder, 4, method, ["--register", "off"]), folder / "out.tif")
                rate = f"{run.wall:.1f} | {megapixels / run.wall:.1f}"
                yield f"| {size} | {megapixels:.1f} | {method} | {rate} | {run.fit:.0f} | {run.peak:.0f} |"


def beside_others(size: int, repeats: int, methods: Sequence[str], oty: str, parent: Path | None) -> str:
    """The table of all commands, each run once per round."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        make_scene(folder, size, (4, 8))
        commands = {}
        for bands in (4, 8):
            commands[f"gdal weighted Brovey ×{bands}"] = gdal_command(folder, bands)
            for method in methods:
                commands[f"fose {method} ×{bands}"] = fose_command(folder, bands, method, ["--register", "off"])
            commands[f"fose gsa, registered ×{bands}"] = fose_command(folder, bands, "gsa", [])
            if shutil.which("otbcli_BundleToPerfectSensor"):
                commands[f"otb rcs ×{bands}"] = otb_command(folder, bands)
            if shutil.which(oty):
                commands[f"orthority gram-schmidt ×{bands}"] = oty_command(oty, folder, bands)
        runs: dict[str, list[Run]] = {key: [] for key in commands}
        for _ in range(repeats):
            for key, command in commands.items():
                runs[key].append(timed(command, folder / "out.tif"))
    return table(size, runs)


def side(text: str) -> int:
    """A scene's side in PAN pixels."""
    if not text.isdecimal() or int(text) == 0 or int(text) % STRIP:
        raise argparse.ArgumentTypeError(f"expected a multiple of {STRIP} pixels, found {text!r}")
    return int(text)


def sides(text: str) -> list[int]:
    """Several, separated by commas."""
    return [side(part) for part in text.split(",")]


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=side, default=8192)
    parser.add_argument("--repeats", type=int, default=3, help="rounds beside the others; 0: none")
    parser.add_argument("--methods", default="fose,brovey,gsa,mtf-glp-fs")
    parser.add_argument("--oty", default="oty", help="orthority's command line, which may live in its own environment")
    parser.add_argument("--sizes", type=sides, default=[], help="sides of the scenes of the table of growth")
    parser.add_argument("--growing", default="fose,mtf-glp-fs", help="its methods")
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cores = len(os.sched_getaffinity(0))
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {cores} cores, commit {commit}, uint16, ratio 4")
    if chosen.repeats:
        print(f"\n{chosen.size}² PAN")
        methods = chosen.methods.split(",")
        print(beside_others(chosen.size, chosen.repeats, methods, chosen.oty, chosen.folder))
    if chosen.sizes:
        print()
        for line in growth(chosen.sizes, chosen.growing.split(","), chosen.folder):
            print(line, flush=True)


if __name__ == "__main__":
    main()
